import { type RootKey, rootFingerprint } from '../../keys/index.ts';
import type { Database } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { readInstanceKeys } from '../keyring/store.ts';
import { liveReplicas } from '../replicas/store.ts';
import { countWraps } from './root.ts';
import { countRows, findProjects, keyVersions } from './store.ts';

export interface StatusOptions {
  readonly db: Database;
  readonly keyring: Keyring;
  readonly root: RootKey;
  readonly previous?: RootKey | undefined;
}

/** What there is of keys, where it is wrapped and sealed, and who holds what: fingerprints and counts alone. */
export async function keysStatus({ db, keyring, root, previous }: StatusOptions) {
  const projects = [];
  for (const { id, slug } of await findProjects(db, undefined)) {
    const versions = (await keyVersions(db, id)).map(({ version }) => version);
    projects.push({ id, slug, versions, rows: await countRows(db, id) });
  }
  return {
    root: rootFingerprint(root),
    previousRoot: previous && rootFingerprint(previous),
    databaseRoot: keyring.rootFingerprint,
    wraps: await countWraps({ db, keyring }, { root, previous }),
    instanceKeys: (await readInstanceKeys(db)).map(({ purpose, version }) => ({ purpose, version })),
    projects,
    replicas: await liveReplicas(db),
  };
}

/** The same for people. */
export function tell(status: Awaited<ReturnType<typeof keysStatus>>): string {
  const { databaseRoot, wraps, instanceKeys, projects, replicas } = status;
  const lines = [
    `root key of the database: ${databaseRoot}`,
    `wrapped keys: ${wraps.underNew} under ${status.root}` +
      (status.previousRoot === undefined ? '' : `, ${wraps.underFormer} under ${status.previousRoot}`) +
      `, ${wraps.broken.length} that do not open`,
    ...wraps.broken.map((name) => `  does not open: ${name}`),
    ...instanceKeys.map(({ purpose, version }) => `instance key ${purpose}: version ${version}`),
    ...projects.map(({ slug, versions, rows }) => {
      const counted = rows.map((row) => `${row.rows} rows under version ${row.version}`).join(', ') || 'no rows';
      return `project ${slug}: key versions ${versions.join(', ')}; ${counted}`;
    }),
    ...replicas.map(
      ({ name, version, rootFingerprints, authKeyIds, configKeyVersion, secondsAgo }) =>
        `replica ${name} (${version}, ${Math.round(secondsAgo)} s ago): roots ${rootFingerprints.join(' ')}; ` +
        `signing keys ${authKeyIds.join(' ')}; configuration key ${configKeyVersion}`,
    ),
  ];
  if (replicas.length === 0) lines.push('no replica reports');
  return `${lines.join('\n')}\n`;
}
