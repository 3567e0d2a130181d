import { EnvironmentSlug } from '../../contracts/names.ts';
import type { WhyKey, WhyReport } from '../../contracts/why.ts';
import type { KmsSecret } from '../../operator/kms-secret.ts';
import type { KubernetesApi } from '../../operator/kubernetes/api.ts';
import { FIELD_MANAGER } from '../../operator/kubernetes/field-manager.ts';
import { keyOf } from '../../operator/kubernetes/reflector.ts';
import type { Kms } from '../../sdk/index.ts';
import { UserError } from '../problem.ts';
import { Folders } from './folders.ts';
import { Gaps } from './gaps.ts';
import { historyOf } from './history.ts';
import { explainIdentity, identityIn } from './identity.ts';
import { findKeeper, type Keeping, type SecretName } from './keeper.ts';
import { entriesFrom, madeKeys } from './keys.ts';
import { workloadsUsing } from './workloads.ts';

export interface KmsAccess {
  readonly kms: Kms;
  readonly url: string;
  /** Organization of the project, where the caller is in several with a project of its slug. */
  readonly organizationId?: string | undefined;
}

export interface WhyParts {
  readonly api: KubernetesApi;
  /** KMS with the caller's own credentials. What it throws leaves the cluster's half to be told. */
  readonly connect: () => Promise<KmsAccess>;
  /** One key of the Secret. @default - all */
  readonly key?: string | undefined;
}

/** A slip of the caller's pen, where everything else is well. */
class NoSuchKey extends UserError {}

/** What KMS tells. */
type KmsHalf = Pick<WhyReport, 'identity' | 'lastChange' | 'keys'> & {
  readonly source: Pick<WhyReport['source'], 'kms' | 'project' | 'projectId'>;
};

/**
 * Why a Secret holds what it holds, as far as the caller may know.
 *
 * @returns with `problem`, why KMS could not be asked at all
 * @throws UserError when no KMSSecret keeps the Secret; KubernetesError when the cluster cannot be asked
 */
export async function reportOn(
  secret: SecretName,
  parts: WhyParts,
): Promise<{ readonly report: WhyReport; readonly problem?: unknown }> {
  const gaps = new Gaps();
  const keeping = await findKeeper(parts.api, secret, gaps);
  const { kmsSecret } = keeping;
  const { version = 0, lastChangeTime } = kmsSecret.status ?? {};
  const [workloads, half] = await Promise.all([
    // Of the first content nobody runs an older one.
    workloadsUsing(parts.api, secret, { key: parts.key, since: version > 1 ? lastChangeTime : undefined, gaps }),
    askKms(keeping, parts, gaps).catch((problem: unknown) => {
      if (problem instanceof NoSuchKey) throw problem;
      return { problem };
    }),
  ]);
  const scope = kmsSecret.spec.authentication.universalAuth.secretsScope;
  const told: KmsHalf =
    'problem' in half
      ? {
          source: { kms: null, project: scope.projectSlug ?? null, projectId: scope.projectId ?? null },
          ...{ identity: identityIn(kmsSecret), lastChange: null, keys: null },
        }
      : half;
  const report: WhyReport = {
    schema: 'kms-why/v1',
    secret: { ...secret, exists: keeping.exists },
    kmsSecret: tellKmsSecret(keeping),
    ...told,
    source: {
      hostAPI: kmsSecret.spec.hostAPI,
      ...told.source,
      environment: EnvironmentSlug.parse(scope.envSlug),
      path: scope.secretsPath,
      recursive: scope.recursive,
      onlyKey: scope.secretName ?? null,
    },
    workloads,
    missing: gaps.all,
  };
  return 'problem' in half ? { report, problem: half.problem } : { report };
}

function tellKmsSecret({ kmsSecret, others }: Keeping): WhyReport['kmsSecret'] {
  const { metadata, spec, status } = kmsSecret;
  const synced = status?.conditions?.find(({ type }) => type === 'Synced');
  return {
    namespace: metadata.namespace!,
    name: metadata.name,
    synced: synced?.status ?? null,
    reason: synced?.reason ?? null,
    message: synced?.message ?? null,
    since: synced?.lastTransitionTime ?? null,
    isCurrent: status?.observedGeneration === metadata.generation,
    version: status?.version ?? null,
    changedAt: status?.lastChangeTime ?? null,
    suspended: spec.suspend,
    others: others.map((other) => keyOf(other.metadata)),
  };
}

async function askKms(keeping: Keeping, parts: WhyParts, gaps: Gaps): Promise<KmsHalf> {
  const { kmsSecret } = keeping;
  const { kms, url, organizationId } = await parts.connect();
  const scope = kmsSecret.spec.authentication.universalAuth.secretsScope;
  const named =
    scope.projectId === undefined
      ? { projectSlug: scope.projectSlug!, ...(organizationId === undefined ? {} : { organizationId }) }
      : { projectId: scope.projectId };
  const environment = EnvironmentSlug.parse(scope.envSlug);
  const folders = new Folders(kms, gaps);
  const answer = await folders.describe({ ...named, environment, secretPath: scope.secretsPath }, scope.recursive);
  const projectId =
    answer?.folder?.projectId ?? scope.projectId ?? (await idOf(kms, scope.projectSlug, organizationId));
  if (projectId === undefined) {
    const source = { kms: url, project: scope.projectSlug ?? null, projectId: null };
    return { source, identity: identityIn(kmsSecret), lastChange: null, keys: null };
  }
  const here = { projectId, environment, path: scope.secretsPath };
  noteAnother(kmsSecret, answer?.folder?.id, url, gaps);
  const keys = answer ? await keysOf(keeping, answer, here, { kms, key: parts.key, folders, gaps }) : null;
  const place = await folders.place(here);
  const secretKey = parts.key === undefined ? scope.secretName : keys?.[0]?.from[0]?.key;
  const [identity, history] = await Promise.all([
    explainIdentity(identityIn(kmsSecret), { ...here, key: secretKey }, { kms, gaps }),
    historyOf(keys ?? [], parts.key === undefined && scope.secretName === undefined ? place : undefined, { kms, gaps }),
  ]);
  return {
    source: { kms: url, project: place.project ?? scope.projectSlug ?? null, projectId },
    identity,
    lastChange: history.last,
    keys:
      keys?.map((one) => ({ ...one, from: one.from.map((entry) => ({ ...entry, lastChange: history.of(entry) })) })) ??
      null,
  };
}

/** The caller's KMS_URL counts, whatever a KMSSecret names: two may be two ways to one KMS, or two of them. */
function noteAnother({ spec, status }: KmsSecret, folderId: string | undefined, url: string, gaps: Gaps): void {
  if (status?.folderId === undefined || folderId === undefined || status.folderId === folderId) return;
  gaps.note(
    'whether this is the same KMS',
    `the folder at ${url} is another than the one that the operator read at ${spec.hostAPI}: it was made anew, or KMS_URL names another KMS`,
  );
}

async function keysOf(
  { target, setBy, kmsSecret }: Keeping,
  answer: NonNullable<Awaited<ReturnType<Folders['describe']>>>,
  here: { readonly projectId: string; readonly environment: string; readonly path: string },
  {
    kms,
    key,
    folders,
    gaps,
  }: {
    readonly kms: Kms;
    readonly key: string | undefined;
    readonly folders: Folders;
    readonly gaps: Gaps;
  },
): Promise<WhyKey[]> {
  const { secretName } = kmsSecret.spec.authentication.universalAuth.secretsScope;
  const all = [...answer.imports.flatMap(({ secrets }) => secrets), ...answer.secrets].map(
    ({ secretKey }) => secretKey,
  );
  const known = [...new Set(all)].filter((name) => secretName === undefined || name === secretName);
  const made = madeKeys(known, target, { setBy, key, gaps });
  if (key !== undefined && made.length === 0)
    throw new NoSuchKey(
      `${target.namespace}/${target.name} has no key ${key}`,
      `it has ${
        madeKeys(known, target, { setBy, gaps })
          .map(({ name }) => name)
          .join(', ') || 'none'
      }`,
    );
  const wanted = new Set(made.flatMap(({ of }) => of));
  const entries = await entriesFrom(answer, wanted, { here, kms, folders, gaps });
  return made.map(({ name, by, of }) => {
    const manager = setBy?.get(name);
    return {
      ...{ name, by, isPresent: setBy === undefined ? null : manager !== undefined },
      setBy: manager === undefined || manager === FIELD_MANAGER ? null : manager,
      from: of.flatMap((each) => entries.get(each) ?? []),
    };
  });
}

async function idOf(
  kms: Kms,
  slug: string | undefined,
  organizationId: string | undefined,
): Promise<string | undefined> {
  return (await kms.projects.list(organizationId)).find((project) => project.slug === slug)?.id;
}
