import type { ShownOrganizationRole } from '../../contracts/roles.ts';

/** What an instance holds, as far as an inventory can speak of it: names only, neither ids nor values. */
export interface World {
  readonly organizations: ReadonlyMap<string, LiveOrganization>;
}

export interface LiveOrganization {
  readonly name: string;
  /** Role by e-mail address. */
  readonly members: ReadonlyMap<string, ShownOrganizationRole>;
  readonly identities: ReadonlyMap<string, LiveIdentity>;
  readonly projects: ReadonlyMap<string, LiveProject>;
}

interface LiveIdentity {
  readonly role: ShownOrganizationRole;
  /** Whether it can log in with a client id and secret. */
  readonly universalAuth: boolean;
}

export interface LiveProject {
  readonly name: string;
  readonly description: string;
  readonly environments: ReadonlyMap<string, LiveEnvironment>;
  /** What each identity may do, by its name. */
  readonly access: ReadonlyMap<string, readonly Grant[]>;
}

export interface LiveEnvironment {
  readonly name: string;
  /** Paths of the folders below the root. */
  readonly folders: ReadonlySet<string>;
  /** Addresses of the secrets that have a value (secretAddress). */
  readonly secrets: ReadonlySet<string>;
}

/** A project role, in these environments or (absent) wherever the role reaches. */
export interface Grant {
  readonly role: string;
  readonly environments?: readonly string[] | undefined;
}

/** A secret within its environment: folder and key in one text. Neither can hold a `:`. */
export const secretAddress = (path: string, key: string) => `${path}:${key}`;
