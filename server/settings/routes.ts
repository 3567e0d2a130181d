import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { InstanceConfigAnswer, UpdateInstanceConfigBody } from '../../contracts/index.ts';
import type { Settings } from './service.ts';
import type { InstanceRow } from './store.ts';

/** The instance's settings, in Infisical's shape. */
export async function settingsRoutes(scope: FastifyInstance, { settings }: { settings: Settings }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['admin'];
  const response = { 200: InstanceConfigAnswer };

  app.get(
    '/api/v1/admin/config',
    { config: { public: true }, schema: { tags, summary: 'Whether this instance is set up, and how', response } },
    async () => ({ config: show(await settings.get()) }),
  );
  app.patch(
    '/api/v1/admin/config',
    { schema: { tags, summary: 'Switch machine logins on and off', body: UpdateInstanceConfigBody, response } },
    async ({ caller, body }) => ({ config: show(await settings.update(caller, body)) }),
  );
}

function show({ id, initialized, machineAuthMethods }: InstanceRow) {
  return {
    id,
    instanceId: id,
    initialized,
    allowSignUp: false,
    allowedSignUpDomain: null,
    trustSamlEmails: false,
    trustLdapEmails: false,
    trustOidcEmails: false,
    defaultAuthOrgId: null,
    defaultAuthOrgSlug: null,
    enabledLoginMethods: null,
    isMigrationModeOn: false,
    isSecretScanningDisabled: true,
    machineAuthMethods: ['universal-auth' as const, ...machineAuthMethods],
  };
}
