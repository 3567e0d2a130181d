import type { Inventory } from '../../contracts/inventory.ts';
import { NamespaceName, ObjectName } from '../../contracts/kms-secret.ts';
import { POSTGRES_SECRET, REDIS_SECRET } from '../cluster/kms-secrets.ts';
import { type NamespacedPlace, placeOf } from '../cluster/secrets.ts';
import { UserError } from '../problem.ts';

/** An identity whose credentials belong into a Secret. */
export interface MintTarget {
  readonly organization: string;
  readonly identity: string;
  readonly secret: NamespacedPlace;
  /** Whether whoever holds the client secret may have its successor made, as the operator does where a KMSSecret asks for it. */
  readonly renewable: boolean;
}

/** A key of a Secret. */
export interface SecretKeyPlace extends NamespacedPlace {
  readonly key: string;
}

/** What an option that may stand without a value was given: `true` for each time that it had none. */
export type Given = readonly (string | true)[];

/**
 * `gateway-service=hanzo/gateway-kms-auth`, with the organization before a `/` where several have such an identity; without the part behind `=`
 * the Secret is named as HIP-27 does, and `,renewable` may follow it. Without any value: each identity of the inventory that is called `<service>-service`.
 */
export function mintTargetsOf(given: Given, inventory: Inventory, namespace: string): MintTarget[] {
  const all = inventory.organizations.flatMap(({ slug, identities }) =>
    identities.map(({ name }) => ({ organization: slug, identity: name })),
  );
  const targets = given.flatMap((text) => {
    if (text !== true) return [targetOf(text, all, namespace)];
    return all
      .filter(({ identity }) => SERVICE.test(identity))
      .map((one) => ({ ...one, secret: { namespace, name: secretNameOf(one.identity) }, renewable: false }));
  });
  for (const [index, { secret }] of targets.entries()) {
    const isTwice = targets.findIndex((other) => sameAs(secret, other.secret)) !== index;
    if (isTwice) throw new UserError(`--mint: two identities have the Secret ${secret.namespace}/${secret.name}`);
  }
  return targets;
}

const RENEWABLE = ',renewable';
const SERVICE = /^(.+)-service$/;
const secretNameOf = (identity: string) => `${SERVICE.exec(identity)?.[1] ?? identity}-kms-auth`;
const sameAs = (a: NamespacedPlace, b: NamespacedPlace) => a.namespace === b.namespace && a.name === b.name;

function targetOf(
  text: string,
  all: readonly { organization: string; identity: string }[],
  namespace: string,
): MintTarget {
  const renewable = text.endsWith(RENEWABLE);
  const [who = '', where, ...rest] = (renewable ? text.slice(0, -RENEWABLE.length) : text).split('=');
  if (rest.length > 0) throw wrong('--mint', text, 'gateway-service=hanzo/gateway-kms-auth');
  const slash = who.indexOf('/');
  const organization = slash === -1 ? undefined : who.slice(0, slash);
  const identity = who.slice(slash + 1);
  const holders = all.filter(
    (one) => one.identity === identity && (organization === undefined || one.organization === organization),
  );
  const [holder] = holders;
  if (!holder) throw new UserError(`--mint: the inventory has no identity "${who}"`, 'add it, or name another');
  if (holders.length > 1)
    throw new UserError(
      `--mint: several organizations have an identity "${identity}"`,
      `name one of them: ${holders.map((one) => `${one.organization}/${identity}`).join(', ')}`,
    );
  const secret =
    where === undefined
      ? placeFrom('--mint', `${namespace}/${secretNameOf(identity)}`, '--mint', namespace)
      : placeFrom('--mint', where, 'gateway-service=hanzo/gateway-kms-auth', namespace);
  return { ...holder, secret, renewable };
}

/** `namespace/name`, or a name in the namespace of KMS. */
function placeFrom(option: string, text: string, example: string, namespace: string): NamespacedPlace {
  const [first = '', second, ...rest] = text.split('/');
  const place = second === undefined ? { namespace, name: first } : { namespace: first, name: second };
  const isRight = NamespaceName.safeParse(place.namespace).success && ObjectName.safeParse(place.name).success;
  if (!isRight || rest.length > 0) throw wrong(option, text, example);
  return place;
}

/** KMSSecrets to wait for. Without any value: those that HIP-27 names for what is minted. */
export function waitTargetsOf(given: Given, minted: readonly MintTarget[], namespace: string): NamespacedPlace[] {
  const places = given.flatMap((text) => {
    if (text !== true) return [placeFrom('--wait', text, 'hanzo/gateway-kms-sync', namespace)];
    return minted.map(({ secret }) => ({
      namespace: secret.namespace,
      name: `${secret.name.replace(/-kms-auth$/, '')}-kms-sync`,
    }));
  });
  return places.filter((place, index) => places.findIndex((other) => sameAs(place, other)) === index);
}

/** `name/key`, in the namespace of KMS. */
export function tokenPlaceOf(text: string, namespace: string): SecretKeyPlace {
  const [name = '', key = '', ...rest] = text.split('/');
  const isRight = ObjectName.safeParse(name).success && /^[-._a-zA-Z0-9]{1,253}$/.test(key);
  if (!isRight || rest.length > 0) throw wrong('--token-secret', text, 'kms-bootstrap-secret/token');
  return { namespace, name, key };
}

/**
 * Keeps what others rely on from being written over: the root key, the passwords of the bundled parts, and the credentials of a service, of
 * which a token would take the place.
 *
 * @throws UserError that names the Secret
 */
export function refuseSecretsOfOthers(
  { namespace, secretName }: { readonly namespace: string; readonly secretName: string },
  mint: readonly MintTarget[],
  token: SecretKeyPlace | undefined,
): void {
  const own = [secretName, POSTGRES_SECRET, REDIS_SECRET].map((name) => ({ namespace, name }));
  for (const place of [...mint.map(({ secret }) => secret), ...(token ? [token] : [])])
    if (own.some((one) => sameAs(one, place)))
      throw new UserError(
        place.name === secretName
          ? `the Secret ${placeOf(place)} holds the root key, and nothing else is put into it`
          : `the Secret ${placeOf(place)} holds the password of a bundled part, and nothing else is put into it`,
      );
  if (token && mint.some(({ secret }) => sameAs(secret, token)))
    throw new UserError(
      `--token-secret: the Secret ${placeOf(token)} is for credentials (--mint), which it would replace`,
    );
}

function wrong(option: string, text: string, example: string): UserError {
  return new UserError(`${option}: "${text}" is not of the form ${example}`);
}
