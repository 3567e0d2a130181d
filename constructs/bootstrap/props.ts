import type { KmsImage } from '../image.ts';
import type { KmsResources } from '../resources.ts';

/** A service that gets its credentials from the Job. */
export interface KmsBootstrapService {
  /** Name of the service, such as `gateway`; the names of all else follow from it. */
  readonly name: string;
  /**
   * Namespace of its KMSSecret and of its bootstrap Secret.
   * @default - the namespace of the Job
   */
  readonly namespace?: string;
  /**
   * Its machine identity, one of the inventory's.
   * @default - `<name>-service`
   */
  readonly identity?: string;
  /**
   * Slug of the identity's organization, where several have an identity of this name.
   * @default - the one that has it
   */
  readonly organization?: string;
  /**
   * Bootstrap Secret that the credentials are put into.
   * @default - `<name>-kms-auth`
   */
  readonly credentialsSecretName?: string;
  /**
   * KMSSecret that the Job waits for.
   * @default - `<name>-kms-sync`
   */
  readonly kmsSecretName?: string;
  /**
   * Whether the operator may renew the client secret, which then lives for 30 days (`renewal` of its KMSSecret).
   * @default false
   */
  readonly renewal?: boolean;
}

/** A key of a Secret in the namespace of the Job. */
export interface KmsSecretKey {
  /** Name of the Secret. */
  readonly secretName: string;
  /** Key in it. */
  readonly key: string;
}

/** What the Job puts into `kms-secrets` when it makes it. */
export interface KmsMadeSecrets {
  /**
   * DB_CONNECTION_URI: that of a Secret, or `bundled`, which makes a password for the bundled Postgres (Secret `kms-postgres-auth`).
   */
  readonly database: KmsSecretKey | 'bundled';
  /**
   * REDIS_URL: that of a Secret, or `bundled`, which makes a password for the bundled Redis (Secret `kms-redis-auth`).
   * @default - no Redis
   */
  readonly redis?: KmsSecretKey | 'bundled';
}

export interface KmsBootstrapJobProps extends KmsImage {
  /**
   * Namespace of KMS, and of the Job.
   * @default 'hanzo'
   */
  readonly namespace?: string;
  /**
   * Where KMS answers.
   * @default - `http://kms.<namespace>.svc:8080`, the Service that `Kms` makes
   */
  readonly url?: string;
  /**
   * Secret with the certificate of KMS's authority under `ca.crt`, where the url is https with one of your own.
   * @default - the authorities that Node knows
   */
  readonly caSecretName?: string;
  /**
   * The inventory, as the text of a `kms.yaml`.
   * @default - none: `organizations` alone
   */
  readonly inventory?: string;
  /**
   * Slugs of organizations that are to exist besides those of the inventory.
   * @default []
   */
  readonly organizations?: readonly string[];
  /**
   * E-mail addresses of people who are admins of each of `organizations`. The first is the instance's first admin, unless the inventory
   * names one.
   * @default []
   */
  readonly adminEmails?: readonly string[];
  /**
   * Services whose bootstrap Secrets the Job fills, and whose KMSSecrets it waits for.
   * @default []
   */
  readonly services?: readonly KmsBootstrapService[];
  /**
   * Whether the Job ends only when the KMSSecrets of all services are in sync.
   * @default true
   */
  readonly waitForSync?: boolean;
  /**
   * The Secret with AUTH_SECRET, which proves to KMS that the Job may do this.
   * @default 'kms-secrets'
   */
  readonly secretName?: string;
  /**
   * Has the Job make that Secret when it is missing. The Job may then read it, root key and all; without, it is given AUTH_SECRET alone.
   * @default - `kms-bootstrap init` made it before; the Job's pod waits for it
   */
  readonly makeSecrets?: KmsMadeSecrets;
  /**
   * Where the Job puts a token that ends after two hours and may look at the first organization (HIP-27,
   * `additionalOrganizationsTokenSecretKey`).
   * @default - no token is made
   */
  readonly token?: KmsSecretKey;
  /**
   * Any text: a new one makes a new Job, though nothing else has changed.
   * @default - none
   */
  readonly rerun?: string;
  /**
   * Requests and limits.
   * @default - 128Mi and 50m requested, 256Mi and 500m at most
   */
  readonly resources?: KmsResources;
}
