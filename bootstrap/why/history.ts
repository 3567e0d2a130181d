import type { AuditLog } from '../../contracts/audit.ts';
import type { WhyChange, WhyKey, WhyPlace, WhyReference, WhySecret } from '../../contracts/why.ts';
import type { Kms } from '../../sdk/index.ts';
import { placeName } from './folders.ts';
import type { Gaps } from './gaps.ts';

/** Records of a folder that are looked through; what is older has not changed for long. */
const RECORDS = 500;
/** Folders whose audit is asked. */
const PLACES_AT_MOST = 30;

/** Last changes as the audit has them: by key, and of all that the Secret is made of. */
export interface History {
  readonly last: WhyChange | null;
  of(secret: WhySecret): WhyChange | null;
}

/**
 * Asks the audit of every folder that the keys are made of.
 *
 * @param own the KMSSecret's folder: what is deleted there or imported anew counts as well; undefined: the keys that are named alone
 */
export async function historyOf(
  keys: readonly WhyKey[],
  own: WhyPlace | undefined,
  { kms, gaps }: { readonly kms: Kms; readonly gaps: Gaps },
): Promise<History> {
  const secrets = keys.flatMap(({ from }) => from.flatMap((entry) => [entry, ...below(entry.references)]));
  const places = new Map([...(own ? [own] : []), ...secrets.map(({ place }) => place)].map((at) => [nameOf(at), at]));
  if (places.size > PLACES_AT_MOST)
    gaps.note('the audit', `asked about ${PLACES_AT_MOST} of ${places.size} folders; --key asks about one key's alone`);
  const latest = new Map<string, WhyChange>();
  let last: WhyChange | null = null;
  const take = (change: WhyChange) => {
    if (last === null || change.when > last.when) last = change;
  };
  for (const [name, place] of [...places].slice(0, PLACES_AT_MOST)) {
    const here = new Set(secrets.filter((secret) => nameOf(secret.place) === name).map(({ key }) => key));
    const [only] = here.size === 1 && !(own && nameOf(own) === name) ? here : [];
    const { projectId, environment, path: secretPath } = place;
    const records = await gaps.ask(`the audit of ${project(place)} ${placeName(environment, secretPath)}`, () =>
      kms.audit.ofProject({
        ...{ projectId, environment, secretPath, limit: RECORDS },
        actions: ['create', 'update', 'delete'],
        ...(only === undefined ? {} : { secretKey: only }),
      }),
    );
    for (const change of (records ?? []).flatMap((record) => changesIn(record, place))) {
      const key = change.key === null ? undefined : `${name} ${change.key}`;
      if (key !== undefined && !latest.has(key)) latest.set(key, change);
      if (own && nameOf(own) === name ? true : change.key !== null && here.has(change.key)) take(change);
    }
  }
  return { last, of: ({ place, key }) => latest.get(`${nameOf(place)} ${key}`) ?? null };
}

/** What a record says of secrets, and of what a folder imports. */
function changesIn({ when, who, where, what, event }: AuditLog, place: WhyPlace): WhyChange[] {
  const { version } = event.metadata;
  const change = { when, who, where, event: event.type, place };
  const number = typeof version === 'number' ? version : null;
  if (what.length > 0) return what.map((key) => ({ ...change, key, version: number }));
  return event.type.includes('import') ? [{ ...change, key: null, version: null }] : [];
}

const below = (references: readonly WhyReference[]): WhySecret[] =>
  references.flatMap((reference) => [reference, ...below(reference.references)]);
const nameOf = ({ projectId, environment, path }: WhyPlace) => `${projectId} ${environment} ${path}`;
const project = ({ project, projectId }: WhyPlace) => project ?? projectId;
