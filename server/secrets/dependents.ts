import type { ProjectAccess } from '../access/access.ts';
import type { Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { badRequest } from '../refusal.ts';
import { findReferring, MAX_DEPTH } from './linked-store.ts';
import { piecesOf } from './references.ts';
import { openSecret } from './seal.ts';
import { type Spot, sightOf } from './visibility.ts';

/** A secret, with those that refer to it. */
export interface Dependent {
  readonly key: string;
  readonly environment: string;
  readonly secretPath: string;
  readonly children: Dependent[];
}

const MAX_REFERRING = 20_000;

/**
 * Who refers to a secret. References are inside of sealed values, so every value of the project that may hold one is
 * opened: nothing is stored that would tell them to a reader of the database. Values that the caller may not read are left out.
 */
export async function dependentsOf(db: Db, keyring: Keyring, allowed: ProjectAccess, spot: Spot): Promise<Dependent> {
  const { rights, project } = allowed;
  const rows = await findReferring(db, project.id, MAX_REFERRING + 1);
  if (rows.length > MAX_REFERRING)
    throw badRequest(`more than ${MAX_REFERRING} secrets of this project hold references`);
  const referring = new Map<string, Spot[]>();
  for (const row of rows) {
    const from = { environment: row.environment, path: row.path, key: row.key };
    if (sightOf(rights, { ...from, tags: row.tags.map(({ slug }) => slug) }) !== 'value') continue;
    const { value } = openSecret(keyring, project.id, row, { value: true, comment: false, metadata: false });
    const names = piecesOf(value!).flatMap((piece) => {
      if (typeof piece === 'string' || piece.key === undefined || piece.projectSlug !== undefined) return [];
      return nameOf({
        environment: piece.environment ?? from.environment,
        path: piece.path ?? from.path,
        key: piece.key,
      });
    });
    for (const name of new Set(names)) referring.set(name, [...(referring.get(name) ?? []), from]);
  }
  return treeOf(spot, referring, new Set());
}

function treeOf(spot: Spot, referring: ReadonlyMap<string, readonly Spot[]>, above: ReadonlySet<string>): Dependent {
  const { environment, path: secretPath, key } = spot;
  const name = nameOf(spot);
  const chain = new Set([...above, name]);
  const from = chain.size > MAX_DEPTH ? [] : (referring.get(name) ?? []).filter((next) => !chain.has(nameOf(next)));
  return { key, environment, secretPath, children: from.map((next) => treeOf(next, referring, chain)) };
}

const nameOf = ({ environment, path, key }: Spot) => `${environment} ${path} ${key}`;
