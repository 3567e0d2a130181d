import { isBrokenSeal } from '../../keys/index.ts';
import type { ProjectAccess } from '../access/access.ts';
import type { Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { badRequest } from '../refusal.ts';
import { findPersonal, findReferring, MAX_DEPTH, type Referring } from './linked-store.ts';
import { piecesOf, type Reference } from './references.ts';
import { openPersonal, openSecret } from './seal.ts';
import { TreeSize } from './tree-size.ts';
import { type Spot, sightOf } from './visibility.ts';

/** A secret, with those that refer to it. */
export interface Dependent {
  readonly key: string;
  readonly environment: string;
  readonly secretPath: string;
  readonly children: Dependent[];
}

const MAX_REFERRING = 20_000;

/** Every secret of a project whose value is not known to hold no reference, with what it refers to. */
async function referring(
  db: Db,
  keyring: Keyring,
  projectId: string,
  wanted: (spot: Spot) => boolean,
): Promise<{ readonly from: Spot; readonly to: readonly Reference[] }[]> {
  const rows = await findReferring(db, projectId, MAX_REFERRING + 1);
  if (rows.length > MAX_REFERRING)
    throw badRequest(`more than ${MAX_REFERRING} secrets of this project hold references`);
  return rows.flatMap((row) => {
    const from = spotOf(row);
    return wanted(from) ? [{ from, to: referencesIn(openedValue(keyring, projectId, row, false)) }] : [];
  });
}

const spotOf = ({ environment, path, key, tags }: Referring): Spot => ({
  environment,
  path,
  key,
  tags: tags.map(({ slug }) => slug),
});

const referencesIn = (value: string): Reference[] =>
  piecesOf(value).filter((piece): piece is Reference => typeof piece !== 'string' && piece.key !== undefined);

/** The value of a row; of one that was broken in the database, when asked, nothing: nobody can read what it refers to. */
function openedValue(keyring: Keyring, projectId: string, row: Referring, skipBroken: boolean): string {
  try {
    const wanted = { value: true, comment: false, metadata: false };
    return row.personal
      ? openPersonal(keyring, row, row.personal, wanted).value!
      : openSecret(keyring, projectId, row, wanted).value!;
  } catch (error) {
    if (!skipBroken || !isBrokenSeal(error)) throw error;
    keyring.onBroken(error);
    return '';
  }
}

/** Where a reference stands; in somebody's own value, whose that is. */
export type ReferringSpot = Spot & { readonly ownerId?: string };

/** Values that are in memory at once, however many there are: each may be large. */
const PART = 1_000;

/**
 * Where in a project a value, shared or somebody's own, holds a reference that `names` picks. For whom this is told, decides the
 * caller.
 */
export async function referencesTo(
  db: Db,
  keyring: Keyring,
  projectId: string,
  names: (reference: Reference) => boolean,
): Promise<ReferringSpot[]> {
  const found: ReferringSpot[] = [];
  for (const find of [findReferring, findPersonal]) {
    let rows: Referring[] = [];
    do {
      const last = rows.at(-1);
      rows = await find(db, projectId, PART, last && (last.personal?.id ?? last.id));
      for (const row of rows) {
        if (!referencesIn(openedValue(keyring, projectId, row, true)).some(names)) continue;
        found.push({ ...spotOf(row), ...(row.personal ? { ownerId: row.personal.ownerId } : {}) });
      }
    } while (rows.length === PART);
  }
  return found;
}

/**
 * Who refers to a secret. References are inside of sealed values, so every value of the project that may hold one is
 * opened: nothing is stored that would tell them to a reader of the database. Values that the caller may not read are left out.
 */
export async function dependentsOf(db: Db, keyring: Keyring, allowed: ProjectAccess, spot: Spot): Promise<Dependent> {
  const { rights, project } = allowed;
  const byName = new Map<string, Spot[]>();
  for (const { from, to } of await referring(db, keyring, project.id, (at) => sightOf(rights, at) === 'value')) {
    const names = to.flatMap((piece) => {
      if (piece.projectSlug !== undefined) return [];
      const { environment = from.environment, path = from.path, key } = piece;
      return [nameOf({ environment, path, key })];
    });
    for (const name of new Set(names)) byName.set(name, [...(byName.get(name) ?? []), from]);
  }
  return treeOf(spot, byName, new Set(), new TreeSize());
}

function treeOf(
  spot: Spot,
  referring: ReadonlyMap<string, readonly Spot[]>,
  above: ReadonlySet<string>,
  size: TreeSize,
): Dependent {
  size.add('');
  const { environment, path: secretPath, key } = spot;
  const name = nameOf(spot);
  const chain = new Set([...above, name]);
  const from = chain.size > MAX_DEPTH ? [] : (referring.get(name) ?? []).filter((next) => !chain.has(nameOf(next)));
  return { key, environment, secretPath, children: from.map((next) => treeOf(next, referring, chain, size)) };
}

const nameOf = ({ environment, path, key }: Spot) => `${environment} ${path} ${key}`;
