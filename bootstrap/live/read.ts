import type { DeclaredOrganization, DeclaredProject, Inventory } from '../../contracts/inventory.ts';
import type { Kms } from '../../sdk/index.ts';
import {
  type Grant,
  type LiveEnvironment,
  type LiveOrganization,
  type LiveProject,
  secretAddress,
  type World,
} from '../plan/world.ts';
import { atMost } from './at-most.ts';
import { Ids } from './ids.ts';

/** An instance as it is now: what a plan compares with, and the ids that carrying it out needs. */
export interface Live {
  readonly world: World;
  readonly ids: Ids;
}

/** The instance holds something that an inventory cannot speak of. */
class LiveStateAmbiguous extends Error {
  override readonly name = 'LiveStateAmbiguous';
}

/** How many requests are under way at once: enough to hide the round trips, too few to be a burden. */
const AT_ONCE = 6;

/**
 * Reads what the inventory speaks of, and nothing else: one request for the organizations, three for each that is
 * declared, and for each project one for its access and up to two for each environment (folders, where folders are
 * declared; names of secrets, where secrets are). No value is asked for.
 */
export async function readLive(kms: Kms, inventory: Inventory): Promise<Live> {
  const ids = new Ids();
  const existing = new Map((await kms.organizations.list()).map((organization) => [organization.slug, organization]));
  const request = atMost(AT_ONCE);
  const organizations = await Promise.all(
    inventory.organizations.flatMap((declared) => {
      const found = existing.get(declared.slug);
      if (!found) return [];
      ids.organization.set(declared.slug, found.id);
      const reader = { kms, request, ids, declared, id: found.id };
      return [readOrganization(reader, found.name).then((live): [string, LiveOrganization] => [declared.slug, live])];
    }),
  );
  return { world: { organizations: new Map(organizations) }, ids };
}

interface Reader {
  readonly kms: Kms;
  readonly request: <T>(task: () => Promise<T>) => Promise<T>;
  readonly ids: Ids;
  readonly declared: DeclaredOrganization;
  readonly id: string;
}

async function readOrganization(reader: Reader, name: string): Promise<LiveOrganization> {
  const { kms, request, ids, declared, id } = reader;
  const [members, identities, projects] = await Promise.all([
    request(() => kms.organizations.members(id)),
    request(() => kms.identities.list(id)),
    request(() => kms.projects.list(id)),
  ]);
  for (const { id: membership, user } of members) ids.membership.set(Ids.key(declared.slug, user.email), membership);
  for (const { name: identity } of declared.identities) {
    const found = identities.filter((membership) => membership.identity.name === identity);
    if (found.length > 1) throw new LiveStateAmbiguous(twice(declared.slug, identity));
    if (found[0]) ids.identity.set(Ids.key(declared.slug, identity), found[0].identityId);
  }
  const live = await Promise.all(
    declared.projects.flatMap((project) => {
      const found = projects.find(({ slug }) => slug === project.slug);
      if (!found) return [];
      ids.project.set(Ids.key(declared.slug, project.slug), found.id);
      for (const { slug, id } of found.environments)
        ids.environment.set(Ids.key(declared.slug, project.slug, slug), id);
      return [readProject(reader, project, found).then((read): [string, LiveProject] => [project.slug, read])];
    }),
  );
  return {
    name,
    members: new Map(members.map(({ user, role }) => [user.email, role])),
    identities: new Map(
      identities.map(({ role, identity }) => [
        identity.name,
        { role, universalAuth: identity.authMethods.includes('universal-auth') },
      ]),
    ),
    projects: new Map(live),
  };
}

const twice = (organization: string, identity: string) =>
  `organization "${organization}" has several identities called "${identity}"; rename or delete all but one, ` +
  'because the inventory knows them by name';

type FoundProject = Awaited<ReturnType<Kms['projects']['list']>>[number];

async function readProject(
  { kms, request }: Reader,
  declared: DeclaredProject,
  found: FoundProject,
): Promise<LiveProject> {
  const wanted = found.environments.filter(({ slug }) =>
    declared.environments.some((environment) => environment.slug === slug),
  );
  const [access, environments] = await Promise.all([
    request(() => kms.identities.ofProject(found.id)),
    Promise.all(
      wanted.map(async ({ slug, name }): Promise<[string, LiveEnvironment]> => {
        const at = { projectId: found.id, environment: slug };
        const [folders, secrets] = await Promise.all([
          hasFolders(declared) ? request(() => kms.projects.folders(at, { recursive: true })) : [],
          hasSecrets(declared) ? request(() => kms.secrets.list(at, { recursive: true, values: false })) : [],
        ]);
        const addresses = secrets.map(({ secretPath, secretKey }) => secretAddress(secretPath, secretKey));
        return [slug, { name, folders: new Set(folders.map(({ path }) => path)), secrets: new Set(addresses) }];
      }),
    ),
  ]);
  return {
    name: found.name,
    description: found.description,
    environments: new Map(environments),
    access: new Map(access.map(({ identity, roles }) => [identity.name, roles.map(grantOf)])),
  };
}

const hasSecrets = (project: DeclaredProject) => Object.keys(project.secrets).length > 0;
const hasFolders = (project: DeclaredProject) =>
  project.folders.some((path) => path !== '/') || Object.values(project.secrets).some(({ path }) => path !== '/');

// A role on time is not what an inventory declares, even where its name is the same.
function grantOf({
  role,
  environments,
  isTemporary,
}: {
  role: string;
  environments: string[] | null;
  isTemporary: boolean;
}): Grant {
  return { role: isTemporary ? `${role} (temporary)` : role, ...(environments ? { environments } : {}) };
}
