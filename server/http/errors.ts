import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { type ErrorBody, errorKinds, type ValidationIssue } from '../../contracts/index.ts';
import { asRefusal } from '../database/database.ts';
import type { Faults } from '../metrics/faults.ts';
import { Refusal } from '../refusal.ts';
import { isTlsFault } from '../tls-fault.ts';
import { http } from './node-http.ts';

declare module 'fastify' {
  interface FastifyInstance {
    readonly faults: Faults;
  }
}

/** The one place where an error becomes a body: `{reqId, statusCode, message, error}`, as Infisical answers today. */
export function answerError(given: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const refusal = wasCutOff(request) ? CUT_OFF : toRefusal(asRefusal(given) as Error);
  const { status } = errorKinds[refusal.kind];
  request.server.faults.note(refusal, request);
  if (status >= 500) request.log.error({ failure: logged(refusal) }, 'request failed');
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  if (status === 503) reply.header('retry-after', '1');
  const { retryAfterSeconds } = refusal.details ?? {};
  if (status === 429 && retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds));
  return reply
    .code(status)
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(bodyOf(refusal, request.id));
}

/** Nobody waits for an answer any more, and nothing failed here. It would look like a connection that the database lost. */
const CUT_OFF = new Refusal('badRequest', 'the connection ended before the request did');

const wasCutOff = ({ raw }: FastifyRequest) => raw.destroyed && !raw.complete;

/** Answers what is no HTTP at all: Node's parser gave up, so there is no request, and the answer is written by hand. */
export function answerBrokenRequest(error: Error & { code?: string }, socket: Socket, reqId: string): void {
  // To whom no TLS was agreed upon with, nothing can be said.
  if (error.code === 'ECONNRESET' || isTlsFault(error.code ?? '') || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = unparsed(error.code);
  const { status } = errorKinds[refusal.kind];
  const body = JSON.stringify(bodyOf(refusal, reqId));
  socket.end(
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `x-request-id: ${reqId}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroySoon(),
  );
}

function unparsed(code: string | undefined): Refusal {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new Refusal('requestTimeout', 'the request took too long to arrive');
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new Refusal('headersTooLarge', 'the request line and headers together are larger than 16 KiB');
  }
  return new Refusal('badRequest', 'this is not a well-formed HTTP request');
}

function bodyOf(refusal: Refusal, reqId: string): ErrorBody {
  const { status, error } = errorKinds[refusal.kind];
  return {
    reqId,
    statusCode: status,
    message: refusal.kind === 'validation' ? [...(refusal.issues ?? [])] : refusal.message,
    error,
    ...(refusal.details ? { details: refusal.details } : {}),
  };
}

function toRefusal(error: Error & { code?: string }): Refusal {
  if (error instanceof Refusal) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    return new Refusal('validation', 'the request fails validation', { issues: error.validation.map(asIssue) });
  }
  // What Fastify itself refuses: a broken body, a body too large, an unknown content type.
  const status = (error as FastifyError).statusCode;
  if (status === 413) return new Refusal('payloadTooLarge', 'the request body is larger than 1 MiB');
  // Their own messages repeat the URL, which is where a mistaken client may have put a token.
  if (error.code === 'FST_ERR_BAD_URL') return new Refusal('badRequest', 'the path is not valid percent-encoding');
  if (status === 414) return new Refusal('uriTooLong', 'a part of the path is too long');
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
  return { type: cause.name, code: cause.code, stack: framesOf(cause) };
}

/** A message may go over several lines, and so may the value that it quotes: only the lines of frames are taken. */
function framesOf({ stack = '' }: Error): string {
  const frames = stack.split('\n').filter((line) => /^ {4}at \S/.test(line));
  return frames.slice(0, 11).join('\n');
}
