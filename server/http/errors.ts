import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { type ErrorBody, errorKinds, type ValidationIssue } from '../../contracts/index.ts';
import { asRefusal } from '../database/database.ts';
import { Refusal } from '../refusal.ts';

/** The one place where an error becomes a body: `{reqId, statusCode, message, error}`, as Infisical answers today. */
export function answerError(given: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const refusal = toRefusal(asRefusal(given) as Error);
  const { status, error } = errorKinds[refusal.kind];
  if (status >= 500) request.log.error({ failure: logged(refusal) }, 'request failed');
  const body: ErrorBody = {
    reqId: request.id,
    statusCode: status,
    message: refusal.kind === 'validation' ? [...(refusal.issues ?? [])] : refusal.message,
    error,
    ...(refusal.details ? { details: refusal.details } : {}),
  };
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  if (status === 503) reply.header('retry-after', '1');
  return reply.code(status).type('application/json; charset=utf-8').serializer(JSON.stringify).send(body);
}

function toRefusal(error: Error): Refusal {
  if (error instanceof Refusal) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    return new Refusal('validation', 'the request fails validation', { issues: error.validation.map(asIssue) });
  }
  // What Fastify itself refuses: a broken body, a body too large, an unknown content type.
  const status = (error as FastifyError).statusCode;
  if (status === 413) return new Refusal('payloadTooLarge', 'the request body is larger than 1 MiB');
  if (status === 415) return new Refusal('unsupportedMediaType', 'send the body as application/json');
  if (status !== undefined && status >= 400 && status < 500) return new Refusal('badRequest', error.message);
  return new Refusal('internal', 'something went wrong on the server; its log has this reqId', { cause: error });
}

function asIssue(issue: { keyword: string; instancePath: string; message?: string | undefined }): ValidationIssue {
  return {
    code: issue.keyword,
    path: issue.instancePath.split('/').filter((part) => part !== ''),
    message: issue.message ?? 'is not valid',
  };
}

/** What the log gets of a failure: where it happened, and no text that could quote a row or a parameter. */
function logged(refusal: Refusal): Record<string, unknown> {
  const cause = (refusal.cause ?? refusal) as Error & { code?: unknown };
  return { type: cause.name, code: cause.code, stack: cause.stack?.split('\n').slice(1, 12).join('\n') };
}
