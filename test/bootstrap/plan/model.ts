import { generateValue } from '../../../bootstrap/generate/value.ts';
import type { Plan, Step } from '../../../bootstrap/plan/steps.ts';
import { type Grant, secretAddress, type World } from '../../../bootstrap/plan/world.ts';
import { defaultEnvironments } from '../../../contracts/names.ts';
import type { OrganizationRole } from '../../../contracts/roles.ts';

/** A world that steps can change: what a server is to a plan, as strict as the server about order. */
interface ModelProject {
  name: string;
  description: string;
  environments: Map<string, { name: string; folders: Set<string>; secrets: Set<string> }>;
  access: Map<string, Grant[]>;
}
interface ModelOrganization {
  name: string;
  members: Map<string, OrganizationRole>;
  identities: Map<string, { role: OrganizationRole; universalAuth: boolean }>;
  projects: Map<string, ModelProject>;
}
export type Model = { organizations: Map<string, ModelOrganization> };

export const emptyModel = (): Model => ({ organizations: new Map() });
export const copyOf = (world: World): Model => structuredClone(world) as Model;

export function perform(model: Model, plan: Plan): Model {
  for (const step of plan.steps) performStep(model, step);
  return model;
}

function performStep(model: Model, step: Step): void {
  if (step.type === 'organization' && step.create) {
    absent(model.organizations, step.organization);
    const empty = { members: new Map(), identities: new Map(), projects: new Map() };
    model.organizations.set(step.organization, { name: step.create.name, ...empty });
  }
  const organization = present(model.organizations, step.organization);
  const project =
    'project' in step && step.type !== 'project' ? present(organization.projects, step.project) : undefined;
  switch (step.type) {
    case 'organization':
      if (step.rename) organization.name = step.rename.to;
      return;
    case 'admin':
      if (organization.members.get(step.email) !== step.from)
        throw new Error(`${step.email} is not what the step thinks`);
      organization.members.set(step.email, 'admin');
      return;
    case 'project': {
      if (step.create) {
        absent(organization.projects, step.project);
        const { name, description, defaults } = step.create;
        const environments = defaults
          ? defaultEnvironments.map((one) => [one.slug, newEnvironment(one.name)] as const)
          : [];
        organization.projects.set(step.project, {
          name,
          description,
          environments: new Map(environments),
          access: new Map(),
        });
      }
      const own = present(organization.projects, step.project);
      if (step.rename) own.name = step.rename.to;
      if (step.describe) own.description = step.describe.to;
      for (const { slug, name } of step.environments) {
        absent(own.environments, slug);
        own.environments.set(slug, newEnvironment(name));
      }
      for (const { slug, to } of step.renameEnvironments) present(own.environments, slug).name = to;
      return;
    }
    case 'folder':
      for (const slug of step.environments) {
        const { folders } = present(project!.environments, slug);
        const parent = step.path.slice(0, step.path.lastIndexOf('/'));
        if (folders.has(step.path)) throw new Error(`${step.path} exists`);
        if (parent !== '' && !folders.has(parent)) throw new Error(`${parent} does not exist`);
        folders.add(step.path);
      }
      return;
    case 'secrets': {
      const { secrets, folders } = present(project!.environments, step.environment);
      if (step.path !== '/' && !folders.has(step.path)) throw new Error(`${step.path} does not exist`);
      for (const secret of step.secrets) {
        const address = secretAddress(step.path, secret.key);
        if (secrets.has(address)) throw new Error(`${address} exists`);
        if (generateValue(secret) === undefined) throw new Error(`${secret.key} cannot be generated`);
        secrets.add(address);
      }
      return;
    }
    case 'identity': {
      if (step.create) {
        absent(organization.identities, step.identity);
        organization.identities.set(step.identity, { role: step.create.role, universalAuth: false });
      }
      const own = present(organization.identities, step.identity);
      if (step.role) own.role = step.role.to;
      if (step.attachUniversalAuth && own.universalAuth) throw new Error('Universal Auth is attached already');
      if (step.attachUniversalAuth) own.universalAuth = true;
      return;
    }
    case 'access':
      present(organization.identities, step.identity);
      if (project!.access.has(step.identity) !== (step.from !== undefined))
        throw new Error('membership is not what the step thinks');
      for (const slug of step.grant.environments ?? []) present(project!.environments, slug);
      project!.access.set(step.identity, [step.grant]);
  }
}

const newEnvironment = (name: string) => ({ name, folders: new Set<string>(), secrets: new Set<string>() });

function present<Value>(map: Map<string, Value>, key: string): Value {
  const found = map.get(key);
  if (found === undefined) throw new Error(`${key} does not exist`);
  return found;
}

function absent(map: Map<string, unknown>, key: string): void {
  if (map.has(key)) throw new Error(`${key} exists`);
}
