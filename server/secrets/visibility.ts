import type { Rights } from '../access/permissions.ts';

/** What a caller gets to see of a secret: its value, its name alone, or nothing. */
export type Sight = 'value' | 'name' | 'nothing';

/** One secret, as rules speak of it. */
export interface Spot {
  readonly environment: string;
  readonly path: string;
  readonly key: string;
  /** Slugs of the secret's tags, which rules may speak of. */
  readonly tags?: readonly string[] | undefined;
}

/** What the rights show of one secret: that it is there takes one right, its value another one more. */
export function sightOf(rights: Rights, spot: Spot): Sight {
  if (!rights.may('describeSecret', 'secrets', spot)) return 'nothing';
  return rights.may('readValue', 'secrets', spot) ? 'value' : 'name';
}

/** Where a read looks: with no path, in all of an environment; with no key, at all of a folder. */
export interface Reach {
  readonly environment: string;
  readonly path?: string | undefined;
  readonly key?: string | undefined;
}

/** Whether the rights show the value of every secret within reach, whatever its name and tags. */
export function seesAllOf(rights: Rights, reach: Reach): boolean {
  return rights.everywhere('read', 'secrets', reach);
}

/** Whether there may be a secret within reach that the rights show something of. */
export function seesSomeOf(rights: Rights, reach: Reach): boolean {
  return rights.somewhere('describeSecret', 'secrets', reach);
}
