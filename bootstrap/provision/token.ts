import type { Inventory } from '../../contracts/inventory.ts';
import { KEPT_BY_ANNOTATION } from '../../operator/kms-secret.ts';
import type { KubernetesApi } from '../../operator/kubernetes/api.ts';
import { findObject } from '../../operator/kubernetes/find-object.ts';
import { Namespaces, Secrets } from '../../operator/kubernetes/resources.ts';
import type { Kms } from '../../sdk/index.ts';
import { dataOf, FIELD_MANAGER, placeOf } from '../cluster/secrets.ts';
import { Ids } from '../live/ids.ts';
import { UserError } from '../problem.ts';
import type { SecretKeyPlace } from './targets.ts';

/** Whose token it is, in the first organization. */
const TOKEN_IDENTITY = 'bootstrap-token';
/** As long as a token of Universal Auth lives by default (HIP-27). */
const TTL_SECONDS = 7200;

/**
 * The inventory with the identity that the token is of, which may look at the first organization and make projects there (`member`), and see no
 * secret of others. An inventory that declares it itself decides what it may do.
 */
export function withTokenIdentity(inventory: Inventory): Inventory {
  const [first, ...others] = inventory.organizations;
  if (!first || first.identities.some(({ name }) => name === TOKEN_IDENTITY)) return inventory;
  const identities = [...first.identities, { name: TOKEN_IDENTITY, role: 'member' as const, projects: [] }];
  return { ...inventory, organizations: [{ ...first, identities }, ...others] };
}

/** A token that was stored. */
export interface StoredToken extends SecretKeyPlace {
  readonly identity: string;
  readonly expiresAt: string;
}

/**
 * Puts a new token into a key of a Secret, and ends the one before and whatever a broken run has left. It is had for a client secret of a
 * single use that ends with it: whoever ends that one ends the token as well.
 */
export async function storeToken(
  api: KubernetesApi,
  kms: Kms,
  { ids, inventory }: { ids: Ids; inventory: Inventory },
  { key, ...place }: SecretKeyPlace,
  signal: AbortSignal,
): Promise<StoredToken> {
  const before = await findObject(api, Secrets, place);
  const keeper = before?.metadata.annotations?.[KEPT_BY_ANNOTATION];
  if (keeper !== undefined)
    throw new UserError(
      `--token-secret: the Secret ${placeOf(place)} is kept by the KMSSecret ${keeper}`,
      'name a Secret of its own',
    );
  const organization = inventory.organizations[0]!.slug;
  const identityId = Ids.of(ids.identity, organization, TOKEN_IDENTITY);
  const [{ clientId }, { metadata }] = await Promise.all([
    kms.identities.universalAuth(identityId),
    api.metadata(Namespaces, { name: place.namespace }),
  ]);
  const description = `kms-bootstrap: token in ${placeOf(place)} (${metadata.uid})`;
  const write = (text: string, dryRun = false) =>
    api.apply(Secrets, { metadata: place, data: dataOf({ [key]: text }) }, { fieldManager: FIELD_MANAGER, dryRun });
  await write('', true);
  signal.throwIfAborted();
  const { clientSecret, clientSecretData: made } = await kms.identities.createClientSecret(identityId, {
    description,
    ttl: TTL_SECONDS,
    numUsesLimit: 1,
  });
  const { accessToken, expiresIn } = await kms.identities.logIn({ clientId, clientSecret });
  signal.throwIfAborted();
  await write(accessToken);
  for (const former of await kms.identities.clientSecrets(identityId)) {
    if (former.description !== description || former.id === made.id) continue;
    signal.throwIfAborted();
    await kms.identities.revokeClientSecret(identityId, former.id);
  }
  const expiresAt = new Date(Date.now() + expiresIn * 1000).toISOString();
  return { ...place, key, identity: TOKEN_IDENTITY, expiresAt };
}
