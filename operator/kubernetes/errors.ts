/** What an API server refused, or that it was not there. */
export class KubernetesError extends Error {
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** Kubernetes' word for it, such as `AlreadyExists` or `Expired`; empty when there is none. */
  readonly reason: string;
  /** Seconds that the server asks to wait, or undefined. */
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, reason: string, message: string, retryAfterSeconds?: number) {
    super(message);
    this.name = 'KubernetesError';
    this.status = status;
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  get isNotFound(): boolean {
    return this.status === 404;
  }

  get isConflict(): boolean {
    return this.status === 409;
  }

  /** The resource version that a list or a watch began from is no longer kept. */
  get isExpired(): boolean {
    return this.status === 410;
  }
}
