import { AsyncLocalStorage } from 'node:async_hooks';
import { ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { VERSION } from '../../contracts/index.ts';
import type { StatementFollower } from '../database/database.ts';
import { parseTraceparent } from './traceparent.ts';

export interface TracingOptions {
  /** Where spans go, by OTLP over HTTP: a collector, such as `http://127.0.0.1:4318`. */
  readonly endpoint: string;
  /** How many of the traces that begin here are sent, from 0 to 1; one that a proxy began is sent as the proxy says. @default 1 */
  readonly ratio?: number | undefined;
  /** How often spans are sent, in milliseconds. @default 5000 */
  readonly everyMs?: number | undefined;
}

const EVERY_MS = 5_000;
const EXPORT_WITHIN_MS = 5_000;
/** How long a stop waits for the last spans to leave. */
const CLOSE_WITHIN_MS = 1_000;

declare module 'fastify' {
  interface FastifyRequest {
    /** Where traces are on: the span of this request. */
    traceSpan: Span | null;
  }
}

/**
 * A span for each request and for each statement of the database. A span says which route and which statement, by their
 * names here, how long and how it ended: no path, query, header, parameter, body or row is ever in one. Spans wait in
 * memory, at most some thousands, and are sent beside the path; without a collector they are dropped.
 *
 * Loaded only where traces are on.
 */
export class Tracing implements StatementFollower {
  readonly #provider: TracerProvider;
  readonly #tracer: Tracer;
  /** Statements are asked for deep below the request that wants them. */
  readonly #current = new AsyncLocalStorage<Span>();

  constructor({ endpoint, ratio = 1, everyMs = EVERY_MS }: TracingOptions) {
    const url = `${endpoint.replace(/\/+$/, '')}/v1/traces`;
    const exporter = new OTLPTraceExporter({ url, timeoutMillis: EXPORT_WITHIN_MS });
    this.#provider = new TracerProvider({
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
      resource: resourceFromAttributes({ 'service.name': 'hanzo-kms', 'service.version': VERSION }),
      spanProcessors: [
        new BatchSpanProcessor({ exporter, exportTimeoutMillis: EXPORT_WITHIN_MS, scheduledDelayMillis: everyMs }),
      ],
    });
    this.#tracer = this.#provider.getTracer('hanzo-kms', VERSION);
  }

  /** Follows every request of the server from now on. */
  followRequests(app: FastifyInstance): void {
    app.decorateRequest('traceSpan', null);
    app.addHook('onRequest', (request, _reply, done) => {
      request.traceSpan = this.#begin(request);
      this.#current.run(request.traceSpan, done);
    });
    // A body arrives in events of its connection, which know of no request.
    app.addHook('preValidation', (request, _reply, done) => {
      if (request.traceSpan) this.#current.run(request.traceSpan, done);
      else done();
    });
    app.addHook('onResponse', (request, { statusCode }, done) => {
      request.traceSpan?.setAttribute('http.response.status_code', statusCode);
      if (statusCode >= 500) request.traceSpan?.setStatus({ code: SpanStatusCode.ERROR });
      request.traceSpan?.end();
      done();
    });
  }

  #begin(request: FastifyRequest): Span {
    const route = (request.is404 ? undefined : request.routeOptions.url) ?? 'unmatched';
    const attributes = {
      'http.request.method': request.method,
      'http.route': route,
      'kms.request_id': request.id,
    };
    // Anybody may send the header; only a proxy's may put our spans into a trace, or say that one is to be sent.
    const parent = request.fromProxy() ? parseTraceparent(request.headers.traceparent) : undefined;
    const context = parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
    return this.#tracer.startSpan(`${request.method} ${route}`, { kind: SpanKind.SERVER, attributes }, context);
  }

  async follow<Result>(statement: string, work: Promise<Result>): Promise<Result> {
    const request = this.#current.getStore();
    if (!request?.isRecording()) return work;
    const attributes = { 'db.system.name': 'postgresql', 'db.query.summary': statement };
    const context = trace.setSpan(ROOT_CONTEXT, request);
    const span = this.#tracer.startSpan(statement, { kind: SpanKind.CLIENT, attributes }, context);
    try {
      return await work;
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  }

  /** Sends what waits, if that is quick. */
  async close(): Promise<void> {
    const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_WITHIN_MS).unref());
    await Promise.race([this.#provider.shutdown().catch(() => undefined), late]);
  }
}
