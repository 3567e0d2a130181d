import { X509Certificate } from 'node:crypto';
import type { StoredKmsSecretSpec } from '../../contracts/kms-secret.ts';
import type { KmsClient, KmsClients } from '../kms/clients.ts';
import type { KmsSecret } from '../kms-secret.ts';
import type { KubernetesApi } from '../kubernetes/api.ts';
import type { Digest } from '../kubernetes/digest.ts';
import { findObject } from '../kubernetes/find-object.ts';
import type { ObjectView } from '../kubernetes/object-view.ts';
import { Secrets } from '../kubernetes/resources.ts';
import { readCredentials, textOf } from '../renewal/credentials.ts';
import type { Memory } from './memory.ts';
import { SyncProblem } from './problem.ts';

/** Some fifty certificates. To read them takes time that others wait for. */
const LONGEST_CA = 64 * 1024;

export interface LoginParts {
  readonly api: KubernetesApi;
  readonly objects: ObjectView;
  readonly digest: Digest;
  readonly clients: KmsClients;
}

/** Whose credentials a KMSSecret is read with, and which certificate authority its KMS has: both are in Secrets, and may change at any time. */
export class Login {
  readonly #parts: LoginParts;

  constructor(parts: LoginParts) {
    this.#parts = parts;
  }

  /** The client for the credentials as they are now: another as soon as they are others. */
  async client(key: string, { spec }: KmsSecret, memory: Memory): Promise<KmsClient> {
    const { secretName: name, secretNamespace: namespace } = spec.authentication.universalAuth.credentialsRef;
    const seen = this.#seen(spec);
    if (memory.client && memory.seen === seen) return memory.client;
    let secret = await this.#secret(namespace, name);
    let stored = secret && readCredentials(secret, this.#parts.digest);
    const hadItsTime = () =>
      stored !== undefined &&
      (stored.isFormer || this.#parts.clients.hasSuccessor({ ...stored, hostAPI: spec.hostAPI }));
    if (hadItsTime()) {
      // Renewed in the moment that it was read; what is there now is the successor, unless somebody has put it back.
      secret = await this.#secret(namespace, name);
      stored = secret && readCredentials(secret, this.#parts.digest);
    }
    const place = `the Secret ${namespace}/${name}`;
    if (!stored) {
      const missing = textOf(secret?.data?.clientId) ? 'clientSecret' : 'clientId';
      const what = secret ? `${place} has no ${missing}` : `${place} is not there`;
      throw new SyncProblem(
        'CredentialsMissing',
        `${what}: create it with the machine identity's clientId and clientSecret (HIP-27, "Bootstrap Secret")`,
      );
    }
    if (hadItsTime())
      throw new SyncProblem(
        'CredentialsSuperseded',
        `${place} holds a client secret again that was renewed since: its use would end all that came of it. Make a new one, and put it there`,
      );
    const ca = await this.certificate(spec);
    const { clientId, clientSecret, former } = stored;
    const client = this.#parts.clients.use(key, { hostAPI: spec.hostAPI, ca, clientId, clientSecret, former });
    // An unchanged answer names no project, by which the stream moves to the new client: the old one's ends with its credentials.
    if (client !== memory.client) memory.etag = undefined;
    memory.client = client;
    memory.seen = seen;
    return memory.client;
  }

  #seen({ hostAPI, authentication, tls }: StoredKmsSecretSpec): string {
    const { secretName, secretNamespace } = authentication.universalAuth.credentialsRef;
    const credentials = this.#parts.objects.get('Secret', secretNamespace, secretName)?.digests;
    const ca = tls && this.#parts.objects.get('Secret', tls.caRef.secretNamespace, tls.caRef.secretName)?.digests;
    return [
      hostAPI,
      credentials?.get('clientId'),
      credentials?.get('clientSecret'),
      tls && ca?.get(tls.caRef.key),
    ].join(' ');
  }

  /** The certificate authority of hostAPI, PEM. @throws SyncProblem when it is named and not there */
  async certificate({ tls }: StoredKmsSecretSpec): Promise<string | undefined> {
    if (!tls) return undefined;
    const { secretName, secretNamespace, key } = tls.caRef;
    const ca = textOf((await this.#secret(secretNamespace, secretName))?.data?.[key]);
    const named = `${key} of the Secret ${secretNamespace}/${secretName}, which tls.caRef names,`;
    if (!ca?.includes('-----BEGIN CERTIFICATE-----'))
      throw new SyncProblem('CertificateMissing', `there is no certificate in ${named} or no such Secret`);
    if (ca.length > LONGEST_CA)
      throw new SyncProblem('CertificateMissing', `${named} is longer than ${LONGEST_CA} bytes: name one authority`);
    try {
      new X509Certificate(ca);
    } catch {
      throw new SyncProblem('CertificateMissing', `the certificate in ${named} cannot be read`);
    }
    return ca;
  }

  #secret(namespace: string, name: string) {
    return findObject(this.#parts.api, Secrets, { namespace, name });
  }
}
