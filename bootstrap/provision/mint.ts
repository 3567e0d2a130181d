import { clientSecretPrefix, isClientSecretShape } from '../../keys/index.ts';
import { KEPT_BY_ANNOTATION } from '../../operator/kms-secret.ts';
import type { KubernetesApi } from '../../operator/kubernetes/api.ts';
import { KubernetesError } from '../../operator/kubernetes/errors.ts';
import { findObject } from '../../operator/kubernetes/find-object.ts';
import { Namespaces, type Secret, Secrets } from '../../operator/kubernetes/resources.ts';
import { type Kms, Unauthorized } from '../../sdk/index.ts';
import { dataOf, FIELD_MANAGER, type NamespacedPlace, placeOf, textsOf } from '../cluster/secrets.ts';
import { Ids } from '../live/ids.ts';
import { UserError } from '../problem.ts';
import type { MintTarget } from './targets.ts';

/** What became of the credentials of one service. */
export interface Minted extends MintTarget {
  readonly state: 'minted' | 'kept' | 'other-identity';
  /** Client secrets of earlier runs for this Secret that were ended. */
  readonly revoked: number;
}

/** Life of a renewable client secret, of which the operator renews two thirds. A cluster may be away for the rest. */
const RENEWABLE_SECONDS = 30 * 86_400;

/** Somebody else may change the Secret meanwhile. */
const TRIES = 3;

type ClientSecret = Awaited<ReturnType<Kms['identities']['clientSecrets']>>[number];

/**
 * Puts working credentials of an identity into a Secret, unless there are some. The client secret goes from the answer of KMS into the
 * Secret and nowhere else. Each bears the name of its Secret and the uid of the namespace: what a run that was killed has left without
 * a Secret is known by it, and ended here; those of another cluster that shares the KMS are not.
 */
export async function mintInto(
  api: KubernetesApi,
  kms: Kms,
  ids: Ids,
  target: MintTarget,
  signal: AbortSignal,
): Promise<Minted> {
  const { secret: place } = target;
  const identityId = Ids.of(ids.identity, target.organization, target.identity);
  const [{ clientId }, mark] = await Promise.all([kms.identities.universalAuth(identityId), markOf(api, place)]);
  for (let tried = 1; ; tried++) {
    const secret = await findObject(api, Secrets, place);
    const keeper = secret?.metadata.annotations?.[KEPT_BY_ANNOTATION];
    if (keeper !== undefined)
      throw new UserError(
        `--mint: the Secret ${placeOf(place)} is kept by the KMSSecret ${keeper}`,
        'name the Secret of its credentialsRef',
      );
    const held = credentialsIn(secret);
    const live = (await kms.identities.clientSecrets(identityId)).filter(isGood);
    const present =
      held?.clientId === clientId && isClientSecretShape(held.clientSecret)
        ? live.filter(
            ({ clientSecretPrefix: prefix, familyId }) =>
              prefix === clientSecretPrefix(held.clientSecret) && (familyId !== null || !target.renewable),
          )
        : [];
    const end = (kept: readonly ClientSecret[]) => endOthers(kms, identityId, mark, live, kept, signal);
    if (present.length > 0) return { ...target, state: 'kept', revoked: await end(present) };
    if (held && held.clientId !== clientId && (await logsIn(kms, held)))
      return { ...target, state: 'other-identity', revoked: 0 };
    await tryToWrite(api, place, secret);
    signal.throwIfAborted();
    const made = await kms.identities.createClientSecret(identityId, {
      description: mark,
      ...(target.renewable && { renewable: true, ttl: RENEWABLE_SECONDS }),
    });
    try {
      signal.throwIfAborted();
      await write(api, place, secret, { clientId, clientSecret: made.clientSecret });
    } catch (error) {
      // No answer may mean that it is stored all the same: what it came to is looked at.
      const isUnknown = error instanceof KubernetesError && error.status === 0;
      // Otherwise nobody knows it. If this is not heard, the next run ends it.
      if (!isUnknown) await kms.identities.revokeClientSecret(identityId, made.clientSecretData.id).catch(() => {});
      const isOvertaken = error instanceof KubernetesError && error.isConflict;
      if ((!isOvertaken && !isUnknown) || tried === TRIES) throw error;
      continue;
    }
    return { ...target, state: 'minted', revoked: await end([made.clientSecretData]) };
  }
}

/** By what the client secrets for a Secret are known in KMS. */
async function markOf(api: KubernetesApi, place: NamespacedPlace): Promise<string> {
  const { metadata } = await api.metadata(Namespaces, { name: place.namespace }).catch((error: unknown) => {
    throw error instanceof KubernetesError && error.isNotFound
      ? new UserError(`there is no namespace ${place.namespace}, which ${placeOf(place)} belongs into`, 'make it first')
      : error;
  });
  return `kms-bootstrap: ${placeOf(place)} (${metadata.uid})`;
}

function credentialsIn(secret: Secret | undefined): { clientId: string; clientSecret: string } | undefined {
  const { clientId, clientSecret } = secret ? textsOf(secret) : {};
  return clientId && clientSecret ? { clientId: clientId.trim(), clientSecret } : undefined;
}

const isGood = ({ expiresAt, clientSecretNumUses, clientSecretNumUsesLimit }: ClientSecret) =>
  (expiresAt === null || new Date(expiresAt).getTime() > Date.now()) &&
  (clientSecretNumUsesLimit === 0 || clientSecretNumUses < clientSecretNumUsesLimit);

/**
 * Ends what earlier runs made for the same Secret. Not by logging in is it told which one is in use: with one that the operator renews,
 * a login by the one before its successor is taken for a theft. What descends from one that is kept is the operator's.
 */
async function endOthers(
  kms: Kms,
  identityId: string,
  mark: string,
  live: readonly ClientSecret[],
  kept: readonly ClientSecret[],
  signal: AbortSignal,
): Promise<number> {
  const isKept = (one: ClientSecret) =>
    kept.some(({ id, familyId }) => id === one.id || (familyId !== null && familyId === one.familyId));
  const others = live.filter((one) => one.description === mark && !isKept(one));
  for (const { id } of others) {
    signal.throwIfAborted();
    await kms.identities.revokeClientSecret(identityId, id);
  }
  return others.length;
}

async function logsIn(kms: Kms, credentials: { clientId: string; clientSecret: string }): Promise<boolean> {
  try {
    const { accessToken } = await kms.identities.logIn(credentials);
    await kms.admin.endToken(accessToken);
    return true;
  } catch (error) {
    if (error instanceof Unauthorized) return false;
    throw error;
  }
}

/** Whether the Secret could be written, asked before there is something to lose. */
async function tryToWrite(api: KubernetesApi, place: NamespacedPlace, before: Secret | undefined): Promise<void> {
  const nothing = { clientId: '', clientSecret: '' };
  await write(api, place, before, nothing, true).catch((error: unknown) => {
    const isFixed = error instanceof KubernetesError && error.status === 422 && before?.immutable;
    throw isFixed
      ? new UserError(
          `the Secret ${placeOf(place)} is immutable, and its credentials do not work`,
          'delete it, and run this again',
          error,
        )
      : error;
  });
}

/** Where there was none it is made, and not taken from who made it meanwhile; one that was there must be as it was read. */
async function write(
  api: KubernetesApi,
  place: NamespacedPlace,
  before: Secret | undefined,
  texts: Record<string, string>,
  dryRun = false,
): Promise<void> {
  const resourceVersion = before?.metadata.resourceVersion;
  const body: Secret = {
    metadata: { ...place, ...(resourceVersion !== undefined && { resourceVersion }) },
    data: dataOf(texts),
  };
  await api.apply(Secrets, body, { fieldManager: FIELD_MANAGER, force: before !== undefined, dryRun });
}
