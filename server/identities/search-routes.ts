import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  CountMembershipsBody,
  FoundMembershipsAnswer,
  MembershipCountsAnswer,
  SearchMembershipsBody,
} from '../../contracts/index.ts';
import { showTimes } from '../memberships/show.ts';
import type { FoundRole, FoundRow } from './search-store.ts';
import type { Identities } from './service.ts';

/** Where identities are members: today's search, which Infisical's Terraform provider looks names up by. */
export async function identitySearchRoutes(
  scope: FastifyInstance,
  { identities }: { identities: Identities },
): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['identities'];
  const url = '/api/v2/identities/search';

  app.post(
    url,
    {
      schema: {
        tags,
        summary: 'Search the memberships of identities by name and role',
        body: SearchMembershipsBody,
        response: { 200: FoundMembershipsAnswer },
      },
    },
    async ({ caller, body }) => {
      const { organizationId, rows, totalCount } = await identities.searchMemberships(caller, body);
      return { identities: rows.map((row) => show(organizationId, row)), totalCount };
    },
  );
  app.post(
    `${url}/count`,
    {
      schema: {
        tags,
        summary: 'Count the memberships of identities by name and role',
        body: CountMembershipsBody,
        response: { 200: MembershipCountsAnswer },
      },
    },
    async ({ caller, body }) => ({ counts: await identities.countMemberships(caller, body) }),
  );
}

function show(orgId: string, row: FoundRow) {
  const { projectId, projectName, projectSlug } = row;
  return {
    id: row.id,
    identityId: row.identityId,
    scope: row.scope,
    orgId,
    projectId,
    project:
      projectId === null
        ? null
        : { id: projectId, name: projectName!, slug: projectSlug!, type: 'secret-manager' as const },
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    lastLoginAuthMethod: row.lastLoginMethod,
    lastLoginTime: row.lastLoginAt?.toISOString() ?? null,
    roles: row.roles.map(showRole),
    identity: {
      id: row.identityId,
      name: row.name,
      orgId,
      hasDeleteProtection: row.hasDeleteProtection,
      authMethods: [...row.authMethods],
      activeLockoutAuthMethods: [],
    },
  };
}

const showRole = ({ id, role, ...more }: FoundRole) => ({
  id,
  role,
  customRoleId: more.customRoleId ?? null,
  customRoleName: more.customRoleName ?? null,
  customRoleSlug: more.customRoleSlug ?? null,
  customRoleDescription: more.customRoleDescription ?? null,
  ...showTimes({
    temporaryRange: more.temporaryRange ?? null,
    startsAt: more.startsAt ?? null,
    expiresAt: more.expiresAt ?? null,
  }),
});
