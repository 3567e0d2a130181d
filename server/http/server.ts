import type { Server } from 'node:https';
import Fastify, { type FastifyInstance, LogController } from 'fastify';
import { serializerCompiler } from 'fastify-type-provider-zod';
import type { AppOptions } from '../app-options.ts';
import { absentLogin } from '../machine-logins/absent.ts';
import { Faults } from '../metrics/faults.ts';
import { notFound } from '../refusal.ts';
import { connectionOptions } from './connections.ts';
import { answerBrokenRequest, answerError } from './errors.ts';
import { Queries } from './queries.ts';
import type { RequestIds } from './request-ids.ts';
import { followRenewals, tlsOptions } from './tls.ts';

interface ServerOptions extends Pick<AppOptions, 'logLevel' | 'logStream' | 'connections' | 'tls'> {}

const BODY_LIMIT_BYTES = 1024 * 1024;

/** Fastify as this server has it: what it reads, how it answers what is broken or unknown, and what it logs. */
export function newServer(
  { logLevel = 'silent', logStream, connections = {}, tls }: ServerOptions,
  ids: RequestIds,
): FastifyInstance {
  const queries = new Queries();
  const app = Fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    ...connectionOptions(connections, tls && tlsOptions(tls)),
    genReqId: (request) => ids.of(request),
    // app.ts refuses in words of its own what comes while the server closes.
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
    clientErrorHandler: (error, socket) => answerBrokenRequest(error, socket, ids.next()),
    forceCloseConnections: 'idle',
    // The compilers are set below. Without this, Fastify would load its own, and never use them.
    schemaController: { compilersFactory: { buildValidator: never, buildSerializer: never } },
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 1024, querystringParser: queries.parse },
    // A line names the method, the path and the status. The query is left out: a mistaken client may put a value there.
    logController: new LogController({ disableRequestLogging: true }),
    logger:
      logLevel === 'silent'
        ? false
        : {
            level: logLevel,
            ...(logStream === undefined ? {} : { stream: logStream }),
            serializers: { req: ({ method, url }) => ({ method, path: url.split('?')[0] }) },
            redact: ['req.headers', 'headers', '*.authorization'],
          },
  });
  if (tls) {
    const stop = followRenewals(app.server as unknown as Server, tls, {
      taken: () => app.log.info('the renewed certificate is in use'),
      refused: (why) => app.log.warn({ why }, 'the renewed certificate cannot be used; the one before stays in use'),
    });
    app.addHook('onClose', async () => stop());
  }
  app.decorate('faults', new Faults());
  app.setValidatorCompiler(queries.compile);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0]!;
    return answerError(absentLogin(path) ?? notFound(`Route ${request.method}:${path} not found`), request, reply);
  });
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const { method, url } = request;
    const line = {
      method,
      path: url.split('?')[0],
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime * 10) / 10,
    };
    request.log.info(line, 'request');
    done();
  });
  return app;
}

const never = (): never => {
  throw new Error('the compilers of schemas are set');
};
