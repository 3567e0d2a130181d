import type { KmsSecretStatus } from '../../contracts/kms-secret.ts';
import type { KmsSecret } from '../kms-secret.ts';
import type { Told } from '../renewal/renewals.ts';
import type { Reason } from './problem.ts';

type Condition = NonNullable<KmsSecretStatus['conditions']>[number];

/** What a look came to, as the status tells it. */
export interface Report {
  readonly authenticated: 'True' | 'False' | 'Unknown';
  readonly reason: Reason;
  /** For people: what is so, or what is wrong and what to do. */
  readonly message: string;
  /** Of the content that the objects hold; undefined: as before. */
  readonly content?: {
    readonly keys: number;
    readonly folderId: string | undefined;
    readonly changeId: string | undefined;
    /** Digest of all of it: another one is a change, and a repair is none. */
    readonly digest: string;
  };
  /** Machine identity that is logged in; undefined: none was, and what was told before stays. */
  readonly identityId?: string | undefined;
  /** How the renewal of the client secret goes; null: nobody asked for one; undefined: not known yet, as before. */
  readonly renewal?: Told | null;
  /** Which pods run older content, without the version; null: none does; undefined: not looked at. */
  readonly lagging?: string | null;
}

/** The condition of a KMSSecret that wants its client secret renewed. */
const RENEWED = 'CredentialsRenewed';

/** The status after a report. The same object as before when nothing of it is new: steady state writes nothing. */
export function statusAfter({ metadata, status = {} }: KmsSecret, report: Report, now: Date): KmsSecretStatus {
  const isSynced = report.reason === 'Synced';
  const observedGeneration = metadata.generation ?? 0;
  const said = (type: string, state: Condition['status'], reason: string, message: string): Condition => {
    const before = status.conditions?.find((condition) => condition.type === type);
    const lastTransitionTime = before?.status === state ? before.lastTransitionTime : now.toISOString();
    return { type, status: state, observedGeneration, lastTransitionTime, reason, message };
  };
  const authentication =
    report.authenticated === 'True'
      ? said('Authenticated', 'True', 'LoggedIn', 'the machine identity is logged in')
      : said('Authenticated', report.authenticated, report.reason, report.message);
  const kept = report.renewal === undefined && status.conditions?.find(({ type }) => type === RENEWED);
  const renewal = report.renewal
    ? said(RENEWED, report.renewal.isWell ? 'True' : 'False', report.renewal.reason, report.renewal.message)
    : kept || undefined;
  const state = isSynced ? 'True' : 'False';
  const { content } = report;
  const { workloads, ...rest } = status;
  const next: KmsSecretStatus = {
    ...rest,
    observedGeneration,
    ...(report.identityId === undefined ? {} : { identityId: report.identityId }),
    conditions: [
      said('Ready', state, report.reason, report.message),
      authentication,
      said('Synced', state, report.reason, report.message),
      ...(renewal ? [renewal] : []),
    ],
    ...(content && {
      keys: content.keys,
      ...(content.folderId === undefined ? {} : { folderId: content.folderId }),
      ...(content.changeId === undefined ? {} : { changeId: content.changeId }),
      content: content.digest,
      ...(content.digest === status.content
        ? {}
        : { lastChangeTime: now.toISOString(), version: (status.version ?? 0) + 1 }),
    }),
  };
  const lagging = report.lagging === undefined ? workloads : laggingIn(report.lagging, next.version ?? 1);
  if (lagging !== undefined) next.workloads = lagging;
  return JSON.stringify(sorted(next)) === JSON.stringify(sorted(status)) ? status : next;
}

function laggingIn(pods: string | null, version: number): string | undefined {
  return pods === null ? undefined : `${pods} still run version ${version - 1}`;
}

/** The API server writes fields in its own order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, sorted(inner)]),
  );
}
