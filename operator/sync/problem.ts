/** The words that conditions and Events use; people and alerts match on them. */
export type Reason =
  | 'Synced'
  | 'Suspended'
  | 'CredentialsMissing'
  | 'CredentialsRefused'
  | 'CredentialsSuperseded'
  | 'AccessDenied'
  | 'NotFound'
  | 'KmsUnreachable'
  | 'HostNotAllowed'
  | 'KmsFailing'
  | 'CertificateMissing'
  | 'NamespaceNotAllowed'
  | 'SecretNotOurs'
  | 'SecretImmutable'
  | 'SecretTypeDiffers'
  | 'SecretTypeNotAllowed'
  | 'KeysMissing'
  | 'KeyNotAllowed'
  | 'KeysCollide'
  | 'TooLarge'
  | 'TemplateInvalid'
  | 'EmptyHeld'
  | 'ShrinkHeld'
  | 'KubernetesRefused';

/**
 * Why an object is not what KMS says, for people: what is wrong, where, and what to do. The last good content stays. Never holds
 * a value.
 */
export class SyncProblem extends Error {
  readonly reason: Reason;

  constructor(reason: Reason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SyncProblem';
    this.reason = reason;
  }
}
