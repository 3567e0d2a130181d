import { type RootKey, rootFingerprint } from '../../keys/index.ts';
import { holdMoment } from '../audit/verify/store.ts';
import type { Database } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { readInstanceKeys } from '../keyring/store.ts';
import { liveReplicas } from '../replicas/store.ts';
import { keysInForce } from './audit-key.ts';
import { countMacs } from './instance-store.ts';
import { countWraps } from './root.ts';
import { countStatements } from './statements.ts';
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
    statements: await countsOfStatements({ db, keyring }),
    clientSecrets: await countMacs(db),
    instanceKeys: (await readInstanceKeys(db)).map(({ purpose, version }) => ({ purpose, version })),
    projects,
    replicas: await liveReplicas(db),
  };
}

/** Which version of the audit's key vouches for how many rows. */
async function countsOfStatements(on: Pick<StatusOptions, 'db' | 'keyring'>) {
  const keys = await keysInForce(on);
  const { byVersion, byNobody } = await on.db.transaction(async (tx) => {
    await holdMoment(tx);
    return countStatements(tx, keys);
  });
  return { byVersion: [...byVersion].map(([version, rows]) => ({ version, rows })), byNobody };
}

/** The same for people. */
export function tell(status: Awaited<ReturnType<typeof keysStatus>>): string {
  const { databaseRoot, wraps, instanceKeys, projects, replicas, statements, clientSecrets } = status;
  const lines = [
    `root key of the database: ${databaseRoot}`,
    `wrapped keys: ${wraps.underNew} under ${status.root}` +
      (status.previousRoot === undefined ? '' : `, ${wraps.underFormer} under ${status.previousRoot}`) +
      `, ${wraps.broken.length} that do not open`,
    ...wraps.broken.map((name) => `  does not open: ${name}`),
    ...instanceKeys.map(({ purpose, version }) => `instance key ${purpose}: version ${version}`),
    ...statements.byVersion.map(
      ({ version, rows }) =>
        `${rows} rows that grant access or hold secrets are vouched for by version ${version} of the audit's key`,
    ),
    `${statements.byNobody} by none; kms-server audit verify names them`,
    ...clientSecrets.map(
      ({ version, rows }) => `${rows} client secrets are known by version ${version ?? 'unknown'} of their key`,
    ),
    ...projects.map(({ slug, versions, rows }) => {
      const counted = rows.map((row) => `${row.rows} rows under version ${row.version}`).join(', ') || 'no rows';
      return `project ${slug}: key versions ${versions.join(', ')}; ${counted}`;
    }),
    ...replicas.map(
      ({ name, version, rootFingerprints, authKeyIds, configKeyVersion, auditKeyVersion, secondsAgo }) =>
        `replica ${name} (${version}, ${Math.round(secondsAgo)} s ago): roots ${rootFingerprints.join(' ')}; ` +
        `signing keys ${authKeyIds.join(' ')}; configuration key ${configKeyVersion}; audit key ${auditKeyVersion ?? 'unknown'}`,
    ),
  ];
  if (replicas.length === 0) lines.push('no replica reports');
  return `${lines.join('\n')}\n`;
}
