import type { Inventory } from '../../contracts/inventory.ts';
import type { ProvisionReport } from '../../contracts/provision.ts';
import { type AuthSecret, parseAuthSecret } from '../../keys/index.ts';
import type { KubernetesApi } from '../../operator/kubernetes/api.ts';
import { KubernetesError } from '../../operator/kubernetes/errors.ts';
import { findObject } from '../../operator/kubernetes/find-object.ts';
import { Secrets } from '../../operator/kubernetes/resources.ts';
import type { Kms, KmsOptions } from '../../sdk/index.ts';
import {
  type ClusterSecrets,
  type ClusterSecretsOptions,
  ensureKmsSecrets,
  readKmsSecrets,
} from '../cluster/kms-secrets.ts';
import { type NamespacedPlace, placeOf } from '../cluster/secrets.ts';
import type { Ids } from '../live/ids.ts';
import { UserError } from '../problem.ts';
import { alone } from './alone.ts';
import { enter } from './enter.ts';
import { type Minted, mintInto } from './mint.ts';
import { untilReady } from './ready.ts';
import { reconcile } from './reconcile.ts';
import { untilInSync } from './sync.ts';
import type { MintTarget, SecretKeyPlace } from './targets.ts';
import { storeToken, withTokenIdentity } from './token.ts';

/** What one run is to do. */
export interface ProvisionOptions {
  readonly connection: Omit<KmsOptions, 'credentials'>;
  /** Namespace of KMS: of kms-secrets, and of the Lease. */
  readonly namespace: string;
  readonly secretName: string;
  /** Proof of kms-secrets, where the caller has it. @default - read from the Secret */
  readonly authSecret: AuthSecret | undefined;
  /** How to make kms-secrets when it is missing. @default - it is not made */
  readonly makeSecrets: Omit<ClusterSecretsOptions, 'namespace' | 'name'> | undefined;
  readonly inventory: Inventory;
  readonly recover: string | undefined;
  readonly mint: readonly MintTarget[];
  readonly token: SecretKeyPlace | undefined;
  readonly wait: readonly NamespacedPlace[];
  readonly readySeconds: number;
  readonly aloneSeconds: number;
  readonly syncSeconds: number;
  readonly signal: AbortSignal;
  /** Told of progress, a line at a time; no value is in it. */
  readonly say: (line: string) => void;
}

/**
 * All that lies between applied manifests and services that have their Secrets. Each step looks at what is there and does what is missing,
 * so that it can be run again after any end, and by two at once. Nothing is deleted but client secrets that it made itself.
 */
export async function provision(api: KubernetesApi, options: ProvisionOptions): Promise<ProvisionReport> {
  const { connection, namespace, secretName: name, say, signal } = options;
  const made = options.makeSecrets && (await ensureKmsSecrets(api, { namespace, name, ...options.makeSecrets }));
  for (const secret of made?.secrets ?? []) say(`secret ${placeOf(secret)} ${secret.state}`);
  const authSecret = options.authSecret ?? parseAuthSecret(await authSecretIn(api, made, { namespace, name }));
  await untilReady(connection, { seconds: options.readySeconds, signal, say });
  const aloneOptions = { namespace, seconds: options.aloneSeconds, signal, say };
  const done = await alone(api, aloneOptions, (leading) => change(api, { ...options, authSecret, signal: leading }));
  const sync =
    options.wait.length === 0
      ? []
      : await untilInSync(api, options.wait, { seconds: options.syncSeconds, signal, say });
  return {
    version: 'kms-provision/v1',
    url: connection.url,
    secrets: [...(made?.secrets ?? [])],
    rootKey: made?.rootKey ?? null,
    ...done,
    sync,
  };
}

async function authSecretIn(
  api: KubernetesApi,
  made: ClusterSecrets | undefined,
  place: NamespacedPlace,
): Promise<string> {
  if (made) return made.values.AUTH_SECRET;
  const found = await findObject(api, Secrets, place);
  if (found) return readKmsSecrets(found, place).AUTH_SECRET;
  throw new UserError(
    `there is no Secret ${placeOf(place)}`,
    `make it with kms-bootstrap init --kube-context … --namespace ${place.namespace}, or here with --make-secrets`,
  );
}

/** What only one run at a time does. */
async function change(
  api: KubernetesApi,
  options: ProvisionOptions & { readonly authSecret: AuthSecret },
): Promise<Pick<ProvisionReport, 'admin' | 'firstRun' | 'inventory' | 'credentials' | 'token'>> {
  const { connection, authSecret, recover, signal, say } = options;
  const inventory = options.token ? withTokenIdentity(options.inventory) : options.inventory;
  const { kms, admin, firstRun, leave } = await enter({ connection, authSecret, recover }, inventory);
  say(`${firstRun ? 'made the first admin, and went' : 'went'} in as ${admin} by proof of kms-secrets`);
  try {
    const { ids, ...counts } = await reconcile(kms, inventory, { signal, say });
    const { credentials, failures } = await mintAll(api, kms, ids, options);
    const token = options.token && (await storeToken(api, kms, { ids, inventory }, options.token, signal));
    if (token) say(`token of ${token.identity} in ${placeOf(token)} until ${token.expiresAt}`);
    if (failures.length > 0) throw new AggregateError(failures, 'not all credentials could be stored');
    return {
      admin,
      firstRun,
      inventory: { ...counts, needsValue: [...counts.needsValue] },
      credentials: credentials.map(({ secret, renewable: _, ...rest }) => ({ ...rest, ...secret })),
      token: token ?? null,
    };
  } finally {
    // It ends by itself, too: after two hours.
    await leave().catch(() => {});
  }
}

/** One Secret that cannot be written, such as of a namespace that is not there yet, holds up no other service. */
async function mintAll(api: KubernetesApi, kms: Kms, ids: Ids, { mint, signal, say }: ProvisionOptions) {
  const credentials: Minted[] = [];
  const failures: Error[] = [];
  for (const target of mint) {
    try {
      const minted = await mintInto(api, kms, ids, target, signal);
      if (minted.state !== 'kept' || minted.revoked > 0) say(lineOf(minted));
      credentials.push(minted);
    } catch (error) {
      const isOfThisOne = error instanceof UserError || error instanceof KubernetesError;
      if (!isOfThisOne || signal.aborted) throw error;
      failures.push(error);
    }
  }
  return { credentials, failures };
}

function lineOf({ identity, secret, state, revoked }: Minted): string {
  const ended =
    revoked === 0 ? '' : `, and ended ${revoked} client ${revoked === 1 ? 'secret' : 'secrets'} of earlier runs`;
  if (state === 'minted') return `put credentials of ${identity} into ${placeOf(secret)}${ended}`;
  if (state === 'kept') return `left ${placeOf(secret)} as it is${ended}`;
  return `left ${placeOf(secret)} as it is: it logs in as another identity than ${identity}`;
}
