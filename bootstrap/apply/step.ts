import { Conflict, type Kms, type NewSecret, type RoleGrant } from '../../sdk/index.ts';
import { generateValue } from '../generate/value.ts';
import { Ids } from '../live/ids.ts';
import type { AccessStep, IdentityStep, ProjectStep, SecretsStep, Step } from '../plan/steps.ts';

/** Carries out one step of a plan. What it makes is added to `ids`, for the steps after it. */
export async function applyStep(kms: Kms, ids: Ids, step: Step): Promise<void> {
  switch (step.type) {
    case 'organization':
      return applyOrganization(kms, ids, step);
    case 'admin':
      return applyAdmin(kms, ids, step);
    case 'project':
      return applyProject(kms, ids, step);
    case 'folder': {
      const projectId = Ids.of(ids.project, step.organization, step.project);
      const slash = step.path.lastIndexOf('/');
      const parent = step.path.slice(0, slash) || '/';
      for (const environment of step.environments) {
        await kms.projects.createFolder({ projectId, environment, path: parent }, step.path.slice(slash + 1));
      }
      return;
    }
    case 'secrets':
      return applySecrets(kms, ids, step);
    case 'identity':
      return applyIdentity(kms, ids, step);
    case 'access':
      return applyAccess(kms, ids, step);
  }
}

async function applyOrganization(kms: Kms, ids: Ids, step: Extract<Step, { type: 'organization' }>): Promise<void> {
  if (step.create) {
    const { id } = await kms.organizations.create({ name: step.create.name, slug: step.organization });
    ids.organization.set(step.organization, id);
  }
  if (step.rename)
    await kms.organizations.update(Ids.of(ids.organization, step.organization), { name: step.rename.to });
}

async function applyAdmin(
  kms: Kms,
  ids: Ids,
  { organization, email, from }: Extract<Step, { type: 'admin' }>,
): Promise<void> {
  const id = Ids.of(ids.organization, organization);
  if (from) {
    await kms.organizations.updateMember(id, Ids.of(ids.membership, organization, email), 'admin');
    return;
  }
  try {
    await kms.organizations.addMember(id, { email, role: 'admin' });
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
    // Whoever makes an organization is its member from the start: a step before this one can have done that.
    const member = (await kms.organizations.members(id)).find(({ user }) => user.email === email);
    if (!member) throw error;
    if (member.role !== 'admin') await kms.organizations.updateMember(id, member.id, 'admin');
  }
}

async function applyProject(kms: Kms, ids: Ids, step: ProjectStep): Promise<void> {
  const { organization, project } = step;
  const remember = (slug: string, id: string) => ids.environment.set(Ids.key(organization, project, slug), id);
  if (step.create) {
    const made = await kms.projects.create({
      organizationId: Ids.of(ids.organization, organization),
      slug: project,
      projectName: step.create.name,
      projectDescription: step.create.description,
      shouldCreateDefaultEnvs: step.create.defaults,
    });
    ids.project.set(Ids.key(organization, project), made.id);
    for (const { slug, id } of made.environments) remember(slug, id);
  }
  const projectId = Ids.of(ids.project, organization, project);
  if (step.rename || step.describe) {
    const name = step.rename && { name: step.rename.to };
    await kms.projects.update(projectId, { ...name, ...(step.describe && { description: step.describe.to }) });
  }
  for (const environment of step.environments) {
    const { id } = await kms.projects.createEnvironment(projectId, environment);
    remember(environment.slug, id);
  }
  for (const { slug, to } of step.renameEnvironments) {
    await kms.projects.updateEnvironment(projectId, Ids.of(ids.environment, organization, project, slug), { name: to });
  }
}

async function applySecrets(kms: Kms, ids: Ids, step: SecretsStep): Promise<void> {
  const secrets = step.secrets.map((secret): NewSecret => {
    const secretValue = generateValue(secret);
    if (secretValue === undefined)
      throw new Error(`${secret.key}: a secret of the kind ${secret.kind} is not generated`);
    return { secretKey: secret.key, secretValue, ...(secret.comment ? { secretComment: secret.comment } : {}) };
  });
  const projectId = Ids.of(ids.project, step.organization, step.project);
  await kms.secrets.createMany(secrets, { projectId, environment: step.environment, secretPath: step.path });
}

async function applyIdentity(kms: Kms, ids: Ids, step: IdentityStep): Promise<void> {
  const { organization, identity } = step;
  if (step.create) {
    const organizationId = Ids.of(ids.organization, organization);
    const { id } = await kms.identities.create({ name: identity, organizationId, role: step.create.role });
    ids.identity.set(Ids.key(organization, identity), id);
  }
  const id = Ids.of(ids.identity, organization, identity);
  if (step.role) await kms.identities.update(id, { role: step.role.to });
  if (step.attachUniversalAuth) await kms.identities.attachUniversalAuth(id);
}

async function applyAccess(
  kms: Kms,
  ids: Ids,
  { organization, project, identity, grant, from }: AccessStep,
): Promise<void> {
  const projectId = Ids.of(ids.project, organization, project);
  const id = Ids.of(ids.identity, organization, identity);
  const roles = [grant as RoleGrant];
  if (from) await kms.identities.setProjectRoles(projectId, id, roles);
  else await kms.identities.addToProject(projectId, id, roles);
}
