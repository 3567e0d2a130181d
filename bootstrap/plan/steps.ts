import type { DeclaredSecret } from '../../contracts/inventory.ts';
import type { OrganizationRole, ShownOrganizationRole } from '../../contracts/roles.ts';
import type { Grant } from './world.ts';

/**
 * One thing to do, by names alone: what `plan` prints is what `apply` carries out, and both read nothing else. A step
 * that broke off halfway shows up in the next plan as what is left of it.
 */
export type Step =
  | {
      readonly type: 'organization';
      readonly organization: string;
      readonly create?: { name: string };
      readonly rename?: Rename;
    }
  | {
      readonly type: 'admin';
      readonly organization: string;
      readonly email: string;
      readonly from?: ShownOrganizationRole;
    }
  | ProjectStep
  | {
      readonly type: 'folder';
      readonly organization: string;
      readonly project: string;
      readonly path: string;
      readonly environments: readonly string[];
    }
  | SecretsStep
  | IdentityStep
  | AccessStep;

interface Rename {
  readonly from: string;
  readonly to: string;
}

/** An environment to be made. */
export interface NamedSlug {
  readonly slug: string;
  readonly name: string;
}

/** A project to be made or changed, with its environments. */
export interface ProjectStep {
  readonly type: 'project';
  readonly organization: string;
  readonly project: string;
  /** Absent: the project exists. `defaults`: dev, staging and prod are made along with it, in one request. */
  readonly create?: { readonly name: string; readonly description: string; readonly defaults: boolean };
  readonly rename?: Rename;
  readonly describe?: Rename;
  readonly environments: readonly NamedSlug[];
  readonly renameEnvironments: readonly (Rename & { readonly slug: string })[];
}

/** Secrets of one folder that will be generated, in one transaction. Their values come into being only then. */
export interface SecretsStep {
  readonly type: 'secrets';
  readonly organization: string;
  readonly project: string;
  readonly environment: string;
  readonly path: string;
  readonly secrets: readonly (Pick<DeclaredSecret, 'kind' | 'length' | 'alphabet' | 'comment'> & {
    readonly key: string;
  })[];
}

/** A machine identity to be made or changed, in its organization. */
export interface IdentityStep {
  readonly type: 'identity';
  readonly organization: string;
  readonly identity: string;
  readonly create?: { readonly role: OrganizationRole };
  readonly role?: { readonly from: ShownOrganizationRole; readonly to: OrganizationRole };
  readonly attachUniversalAuth: boolean;
}

/** What an identity shall be able to do in a project. */
export interface AccessStep {
  readonly type: 'access';
  readonly organization: string;
  readonly project: string;
  readonly identity: string;
  readonly grant: Grant;
  /** What it may do now; absent: nothing, it is no member yet. */
  readonly from?: readonly Grant[];
}

/** A declared secret that nobody has set, and that cannot be generated. */
export interface MissingValue {
  readonly organization: string;
  readonly project: string;
  readonly environment: string;
  readonly path: string;
  readonly key: string;
  readonly kind: DeclaredSecret['kind'];
}

/** The difference between an inventory and an instance. */
export interface Plan {
  /** In the order in which they can be done. */
  readonly steps: readonly Step[];
  readonly missing: readonly MissingValue[];
  /** Declared things that are as declared. With what the steps and `missing` count, they make up the whole inventory. */
  readonly unchanged: number;
}

/** Whether a step makes something that is not there, or changes what is. */
export function isCreation(step: Step): boolean {
  switch (step.type) {
    case 'organization':
    case 'project':
    case 'identity':
      return step.create !== undefined;
    case 'admin':
    case 'access':
      return step.from === undefined;
    case 'folder':
    case 'secrets':
      return true;
  }
}

/** How many declared things a step makes or changes. Every secret counts, in each environment. */
export const weightOf = (step: Step): number => (step.type === 'secrets' ? step.secrets.length : 1);

/** What steps come to; every secret counts. */
export function totals(steps: readonly Step[]): { created: number; changed: number } {
  let created = 0;
  let changed = 0;
  for (const step of steps) {
    if (isCreation(step)) created += weightOf(step);
    else changed += weightOf(step);
  }
  return { created, changed };
}
