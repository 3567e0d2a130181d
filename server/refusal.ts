import type { ErrorKind, ValidationIssue } from '../contracts/index.ts';

/** A request that is turned down. Rules throw it; the one error handler (http/errors.ts) makes the body. */
export class Refusal extends Error {
  readonly kind: ErrorKind;
  /** What a program may need of the message, so that nobody has to parse it. */
  readonly details: Readonly<Record<string, unknown>> | undefined;
  /** The failed checks, when the kind is `validation`. */
  readonly issues: readonly ValidationIssue[] | undefined;

  constructor(
    kind: ErrorKind,
    message: string,
    more: { details?: Record<string, unknown>; issues?: readonly ValidationIssue[]; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = 'Refusal';
    this.kind = kind;
    this.details = more.details;
    this.issues = more.issues;
  }
}

type Details = Record<string, unknown>;

/** 400: well formed, and not to be done as it is asked. */
export const badRequest = (message: string, details?: Details) => new Refusal('badRequest', message, { details });
/** 401: wrong credentials. */
export const unauthorized = (message: string) => new Refusal('unauthorized', message);
/** 401 of a token: forged, ended or revoked. Clients log in again. */
export const tokenRefused = (message: string) => new Refusal('tokenRefused', message);
/** 403: the caller is known here, and may not. */
export const forbidden = (message: string, details?: Details) => new Refusal('forbidden', message, { details });
/** 404: not there, or of strangers, which is told in the same words. */
export const notFound = (message: string, details?: Details) => new Refusal('notFound', message, { details });
/** 409: taken, or changed at the same moment. */
export const conflict = (message: string, details?: Details) => new Refusal('conflict', message, { details });
/** 503: not now; `cause` goes to the log alone. */
export const unavailable = (message: string, cause?: unknown) => new Refusal('unavailable', message, { cause });
/** To whoever asks a replica that is about to end: another one answers, or this one's successor. */
export const shuttingDown = (cause?: unknown) => unavailable('this replica is shutting down, try again', cause);

/** A 422 whose one issue points at a field. */
export const invalid = (path: (string | number)[], message: string) =>
  new Refusal('validation', message, { issues: [{ code: 'custom', path, message }] });

/** Runs a look into what something belongs to; where that is not the caller's, the thing itself is not there. */
export async function asIfAbsent<Result>(absent: () => Refusal, look: () => Promise<Result>): Promise<Result> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Refusal && error.kind === 'notFound') throw absent();
    throw error;
  }
}
