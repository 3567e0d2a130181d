import { z } from 'zod';
import { Instant, Timestamp } from './http.ts';
import { EnvironmentSlug, FolderPath, orAbsent, QueryNumber, Uuid } from './names.ts';
import { Secret } from './secrets.ts';

/** History: versions of a secret, a folder as it was, and the way back. Infisical's snapshots are moments of it. */

const offset = QueryNumber(0, 1_000_000, 0);
const limit = QueryNumber(1, 100, 20);
const path = orAbsent(FolderPath).transform((given) => given ?? '/');

export const SecretVersionsParams = z.object({ secretId: Uuid });
export const SecretVersionsQuery = z.object({ offset, limit });
export const SecretVersion = Secret.extend({
  secretId: Uuid,
  replacedAt: Timestamp.nullable().describe('when the next version came, or the secret was deleted'),
});
export type SecretVersion = z.infer<typeof SecretVersion>;
export const SecretVersionsAnswer = z.object({ secretVersions: z.array(SecretVersion), totalCount: z.number().int() });

export const RollbackSecretBody = z.object({ version: z.number().int().min(1).max(2_147_483_647) });

export const RollbackFolderParams = z.object({ projectId: Uuid });
export const RollbackFolderBody = z.object({
  environment: EnvironmentSlug,
  path,
  recursive: z.boolean().default(false),
  at: orAbsent(Instant).describe('the moment to go back to'),
  commit: orAbsent(Uuid).describe('a snapshot, in place of `at`'),
  dryRun: z.boolean().default(false).describe('show the plan and change nothing'),
});
export const RollbackStep = z.object({
  action: z.enum(['create', 'update', 'delete']),
  secretPath: z.string(),
  secretKey: z.string(),
  secretId: Uuid,
  fromVersion: z.number().int().nullable().describe('the present version; null when it is deleted'),
  toVersion: z
    .number()
    .int()
    .nullable()
    .describe('the version whose content comes back; null when it is to be deleted'),
});
export type RollbackStep = z.infer<typeof RollbackStep>;
export const RollbackAnswer = z.object({ at: Timestamp, applied: z.boolean(), plan: z.array(RollbackStep) });

export const SnapshotsParams = z.object({ projectId: Uuid });
export const SnapshotsQuery = z.object({ environment: EnvironmentSlug, path, offset, limit });
export const SnapshotsCountQuery = z.object({ environment: EnvironmentSlug, path });
export const SnapshotParams = z.object({ snapshotId: Uuid });
export const Snapshot = z.object({
  id: Uuid,
  envId: Uuid,
  folderId: Uuid,
  parentFolderId: Uuid.nullable(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export type Snapshot = z.infer<typeof Snapshot>;
export const SnapshotsAnswer = z.object({ secretSnapshots: z.array(Snapshot) });
export const SnapshotsCountAnswer = z.object({ count: z.number().int() });
export const RolledBackAnswer = z.object({ secretSnapshot: Snapshot });
export const SnapshotAnswer = z.object({
  secretSnapshot: z.object({
    id: Uuid,
    projectId: Uuid,
    environment: z.object({ id: Uuid, slug: z.string(), name: z.string() }),
    secretVersions: z.array(SecretVersion),
    folderVersion: z.array(z.object({ id: Uuid, name: z.string() })),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  }),
});
