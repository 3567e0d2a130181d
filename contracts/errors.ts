import { z } from 'zod';

/**
 * Every kind of refusal, with the status and the `error` name that its body carries. One table: the server's error
 * handler, the SDK's error classes and the OpenAPI document read it (body shape: Infisical, present day).
 */
export const errorKinds = {
  badRequest: { status: 400, error: 'BadRequest' },
  unauthorized: { status: 401, error: 'UnauthorizedError' },
  tokenRefused: { status: 401, error: 'TokenError' },
  forbidden: { status: 403, error: 'PermissionDenied' },
  notFound: { status: 404, error: 'NotFound' },
  requestTimeout: { status: 408, error: 'RequestTimeout' },
  conflict: { status: 409, error: 'Conflict' },
  payloadTooLarge: { status: 413, error: 'PayloadTooLarge' },
  uriTooLong: { status: 414, error: 'UriTooLong' },
  unsupportedMediaType: { status: 415, error: 'UnsupportedMediaType' },
  validation: { status: 422, error: 'ValidationFailure' },
  rateLimited: { status: 429, error: 'RateLimitExceeded' },
  headersTooLarge: { status: 431, error: 'HeadersTooLarge' },
  internal: { status: 500, error: 'InternalServerError' },
  unavailable: { status: 503, error: 'ServiceUnavailable' },
} as const satisfies Record<string, { status: number; error: string }>;

export type ErrorKind = keyof typeof errorKinds;

/** One failed check of a request: where it is (`path` from the request's root) and what is wrong. */
export const ValidationIssue = z.object({
  code: z.string(),
  path: z.array(z.union([z.string(), z.number()])),
  message: z.string(),
});
export type ValidationIssue = z.infer<typeof ValidationIssue>;

/** The body of every answer that is not a success. `message` is a list of issues exactly when the status is 422. */
export const ErrorBody = z
  .object({
    reqId: z.string(),
    statusCode: z.number().int(),
    message: z.union([z.string(), z.array(ValidationIssue)]),
    error: z.string(),
    details: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'Error' });
export type ErrorBody = z.infer<typeof ErrorBody>;
