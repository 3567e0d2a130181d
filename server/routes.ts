import type { FastifyInstance } from 'fastify';
import { VERSION } from '../contracts/index.ts';
import { accessRoutes } from './access/routes.ts';
import { adminRoutes } from './admin/routes.ts';
import { auditRoutes } from './audit/routes.ts';
import { auditStreamsRoutes } from './audit-streams/routes.ts';
import { commandLineRoutes } from './command-line/routes.ts';
import { environmentsRoutes } from './environments/routes.ts';
import { eventsRoutes } from './events/routes.ts';
import type { StreamOptions } from './events/stream.ts';
import { foldersRoutes } from './folders/routes.ts';
import { groupListsRoutes, groupsRoutes } from './groups/routes.ts';
import { historyRoutes } from './history/routes.ts';
import { identitiesRoutes } from './identities/routes.ts';
import { identitySearchRoutes } from './identities/search-routes.ts';
import { importsRoutes } from './imports/routes.ts';
import { invitationsRoutes } from './invitations/routes.ts';
import { kubernetesAuthRoutes } from './kubernetes-auth/routes.ts';
import { membershipsRoutes } from './memberships/routes.ts';
import { mfaRoutes } from './mfa/routes.ts';
import { oidcAuthRoutes } from './oidc-auth/routes.ts';
import { organizationRolesRoutes } from './organization-roles/routes.ts';
import { organizationsRoutes } from './organizations/routes.ts';
import type { Parts } from './parts.ts';
import { peopleRoutes } from './people/routes.ts';
import { olderPrivilegesRoutes, privilegesRoutes } from './privileges/routes.ts';
import { projectsRoutes } from './projects/routes.ts';
import { rolesRoutes } from './roles/routes.ts';
import { endToEndRoutes, moveRoutes } from './secrets/move-routes.ts';
import { importedSecretsRoutes, secretReadRoutes } from './secrets/read-routes.ts';
import { secretsRoutes } from './secrets/routes.ts';
import { serviceTokensRoutes } from './service-tokens/routes.ts';
import { sessionsRoutes } from './sessions/routes.ts';
import { settingsRoutes } from './settings/routes.ts';
import { sharesRoutes } from './shares/routes.ts';
import type { Shortcut } from './shortcut/shortcut.ts';
import { ssoRoutes } from './sso/routes.ts';
import type { HealthCheck } from './status/health.ts';
import { statusRoutes } from './status/routes.ts';
import { tagsRoutes } from './tags/routes.ts';
import { tokenAuthRoutes } from './token-auth/routes.ts';
import { universalAuthRoutes } from './universal-auth/routes.ts';

interface Besides {
  readonly health: HealthCheck;
  readonly shortcut: Shortcut;
  /** Bounds of event streams. @default events/stream.ts */
  readonly stream?: StreamOptions | undefined;
}

/** Hands each group of routes the parts that it works with, and no others. */
export async function registerRoutes(
  app: FastifyInstance,
  parts: Parts,
  { health, stream, shortcut }: Besides,
): Promise<void> {
  const {
    tokens,
    sessions,
    commandLines,
    devices,
    login,
    people,
    resets,
    invitations,
    mfa,
    organizations,
    members,
    projects,
    environments,
    folders,
    tags,
    imports,
    shares,
    roles,
    identities,
    groups,
    memberships,
    universalAuth,
    universalAuthLogin,
    settings,
    logins,
    tokenAuth,
    serviceTokens,
    oidcAuth,
    kubernetesAuth,
    queries,
    reads,
    readsById,
    references,
    writes,
    moves,
    history,
    past,
    rollbacks,
    snapshots,
    personal,
    events,
    ssoSettings,
    sso,
    admin,
    organizationRoles,
    explainOrganization,
    explain,
    ownPermissions: own,
    privileges,
    peopleOfProjects,
    groupsOfProjects,
    streams,
  } = parts;
  await app.register(statusRoutes, { health, version: VERSION });
  await app.register(adminRoutes, { admin });
  await app.register(settingsRoutes, { settings });
  await app.register(universalAuthRoutes, { login: universalAuthLogin, universalAuth, tokens });
  await app.register(sessionsRoutes, { login, sessions, people, devices });
  await app.register(commandLineRoutes, { commandLines });
  await app.register(peopleRoutes, { people, resets, organizations, devices });
  await app.register(invitationsRoutes, { invitations, devices });
  await app.register(ssoRoutes, { sso, settings: ssoSettings });
  await app.register(mfaRoutes, { mfa, people, devices });
  await app.register(tokenAuthRoutes, { logins, tokenAuth });
  await app.register(serviceTokensRoutes, { serviceTokens });
  await app.register(oidcAuthRoutes, { oidcAuth });
  await app.register(kubernetesAuthRoutes, { kubernetesAuth });
  await app.register(organizationsRoutes, { organizations, members });
  await app.register(organizationRolesRoutes, { organizationRoles, explain: explainOrganization });
  await app.register(projectsRoutes, { projects });
  await app.register(accessRoutes, { explain, own });
  await app.register(rolesRoutes, { roles });
  await app.register(environmentsRoutes, { environments });
  await app.register(foldersRoutes, { folders });
  await app.register(tagsRoutes, { tags });
  await app.register(importsRoutes, { imports });
  await app.register(sharesRoutes, { shares });
  await app.register(identitiesRoutes, { identities, memberships });
  await app.register(identitySearchRoutes, { identities });
  await app.register(groupsRoutes, { groups });
  await app.register(groupListsRoutes, { groups });
  await app.register(privilegesRoutes, { privileges });
  await app.register(olderPrivilegesRoutes, { privileges });
  await app.register(membershipsRoutes, {
    people: peopleOfProjects,
    groups: groupsOfProjects,
  });
  await app.register(secretReadRoutes, { reads, readsById, references, past, shortcut });
  await app.register(importedSecretsRoutes, { reads });
  await app.register(secretsRoutes, { writes, personal });
  await app.register(moveRoutes, { moves });
  await app.register(historyRoutes, { history, rollbacks, snapshots });
  await app.register(endToEndRoutes);
  await app.register(eventsRoutes, { events, stream });
  await app.register(auditRoutes, { queries });
  await app.register(auditStreamsRoutes, { streams });
}
