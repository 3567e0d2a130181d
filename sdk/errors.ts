import type { ErrorBody, ValidationIssue } from '../contracts/errors.ts';
import { jsonOf, listOf, number, object, optional, readerOf, text } from './shape.ts';

/** Anything that went wrong between a caller and KMS. Catch this, or one of its kinds. */
export class KmsError extends Error {
  override readonly name: string = 'KmsError';
}

/** No answer came: the name does not resolve, nothing listens, the connection broke. */
export class KmsUnreachable extends KmsError {
  override readonly name = 'KmsUnreachable';
}

/** No answer came in time. A write may have been carried out all the same. */
export class KmsTimeout extends KmsError {
  override readonly name = 'KmsTimeout';
}

/** An answer came that is not one of KMS: a proxy's page, or another program on that port. */
export class UnexpectedAnswer extends KmsError {
  override readonly name = 'UnexpectedAnswer';
}

/** KMS answered with an error. The fields are those of the body: nobody has to parse the message. */
export class KmsRefusal extends KmsError {
  override readonly name: string = 'KmsRefusal';
  /** HTTP status. */
  readonly status: number;
  /** Name of the kind, such as `PermissionDenied` (contracts/errors.ts). */
  readonly error: string;
  /** Finds this request in the server's log. */
  readonly reqId: string | undefined;
  /** The failed checks of a 422. */
  readonly issues: readonly ValidationIssue[];
  readonly details: Readonly<Record<string, unknown>>;
  /** What the server asks to wait before another try, in milliseconds (429 and 5xx). */
  readonly retryAfterMs: number | undefined;

  constructor(body: ErrorBody, retryAfterMs?: number) {
    const issues = typeof body.message === 'string' ? [] : body.message;
    super(typeof body.message === 'string' ? body.message : describeIssues(issues));
    this.status = body.statusCode;
    this.error = body.error;
    this.reqId = body.reqId;
    this.issues = issues;
    this.details = body.details ?? {};
    this.retryAfterMs = retryAfterMs;
  }
}

/** 401: no token, a bad one, or wrong credentials. */
export class Unauthorized extends KmsRefusal {
  override readonly name = 'Unauthorized';
}
/** 403: known, and not allowed. */
export class Forbidden extends KmsRefusal {
  override readonly name = 'Forbidden';
}
/** 404: it does not exist, or the caller may not know that it does. */
export class NotFound extends KmsRefusal {
  override readonly name = 'NotFound';
}
/** 409: it exists already. */
export class Conflict extends KmsRefusal {
  override readonly name = 'Conflict';
}
/** 422: the request itself is wrong; `issues` says where. */
export class ValidationFailed extends KmsRefusal {
  override readonly name = 'ValidationFailed';
}
/** 429: too many requests. */
export class RateLimited extends KmsRefusal {
  override readonly name = 'RateLimited';
}
/** 503: not ready, for now. */
export class Unavailable extends KmsRefusal {
  override readonly name = 'Unavailable';
}

const byStatus: Readonly<Record<number, new (body: ErrorBody, retryAfterMs?: number) => KmsRefusal>> = {
  401: Unauthorized,
  403: Forbidden,
  404: NotFound,
  409: Conflict,
  422: ValidationFailed,
  429: RateLimited,
  503: Unavailable,
};

/** The body of an error, checked without zod. */
export const ErrorAnswer = readerOf<ErrorBody>(
  object({
    reqId: text,
    statusCode: number,
    message: (value, path) =>
      typeof value === 'string'
        ? undefined
        : listOf(object({ code: text, path: listOf(anything), message: text }))(value, path),
    error: text,
    details: optional(object({})),
  }),
);
const anything = () => undefined;

/** The error of an answer that is not a success. */
export function refusalOf(status: number, text: string, retryAfterMs?: number): KmsError {
  const body = ErrorAnswer.safeParse(jsonOf(text));
  if (body.success) return new (byStatus[status] ?? KmsRefusal)({ ...body.data, statusCode: status }, retryAfterMs);
  // A proxy in front of KMS answers 429 and 5xx in its own words; they mean the same.
  const message = `HTTP ${status} without the body of a KMS error; is something else answering at this address?`;
  if (status === 429 || status >= 500)
    return new (byStatus[status] ?? KmsRefusal)(
      { reqId: '', statusCode: status, message, error: 'NotFromKms' },
      retryAfterMs,
    );
  return new UnexpectedAnswer(message);
}

function describeIssues(issues: readonly ValidationIssue[]): string {
  return issues.map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message)).join('; ');
}
