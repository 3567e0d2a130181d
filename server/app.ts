import type { Server } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { VERSION } from '../contracts/index.ts';
import { limitNames } from '../keys/index.ts';
import type { AppOptions } from './app-options.ts';
import { BrokenSeals } from './audit/broken-seals.ts';
import { Database, POINT_LOOKUPS } from './database/database.ts';
import { authenticate } from './http/authentication.ts';
import { addressesBehind, knowAddresses } from './http/client-address.ts';
import { limitConnections } from './http/connections.ts';
import { documentApi } from './http/documents.ts';
import { parseBodies } from './http/parsing.ts';
import { RequestIds } from './http/request-ids.ts';
import { secureAnswers } from './http/security-headers.ts';
import { newServer } from './http/server.ts';
import { TrustedProxies } from './http/trusted-proxies.ts';
import { DEFAULT_LIMITS } from './limits/classes.ts';
import { enforceLimits } from './limits/enforce.ts';
import { Limits } from './limits/limits.ts';
import { SharedCounts } from './limits/shared-counts.ts';
import type { Metrics } from './metrics/metrics.ts';
import { tellParts } from './metrics/parts.ts';
import { meterRequests } from './metrics/requests.ts';
import { makeParts, type Pools } from './parts.ts';
import { shuttingDown } from './refusal.ts';
import { registerRoutes } from './routes.ts';
import { putIntoOneScope } from './service-tokens/single-scope.ts';
import { Shortcut } from './shortcut/shortcut.ts';
import { HealthCheck } from './status/health.ts';
import type { TracingOptions } from './tracing/tracing.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Makes this replica not ready, while it still answers: load balancers look elsewhere before it closes. */
    drain(): void;
    /** What this server tells about itself; served on a port of its own (metrics/listener.ts). */
    readonly metrics: Metrics;
  }
}

/**
 * Wires the server: connections, parts (parts.ts), what every request passes, and routes (routes.ts). The app is ready to `inject`
 * or to `listen`; closing it lets requests in flight finish, writes out what the audit holds, and ends the connections.
 *
 * @throws WrongRootKey when the database was made with another root key
 */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const db = new Database({ uri: options.databaseUri, connections: 8 });
  // Four writers of projects (access/access.ts), two groups of writes (access/shared-changes.ts), and what belongs to no project.
  // A change asks who its caller is: to plan that anew each time took twice as long as all of the change.
  const changes = new Database({
    uri: options.databaseUri,
    connections: 8,
    applicationName: 'kms-server changes',
    pipelined: true,
    settings: POINT_LOOKUPS,
  });
  const path = new Database({
    uri: options.databaseUri,
    // Two groups of verdicts, one of audit records, one of logins, four fills (secrets/reads.ts), and one for what comes rarely.
    connections: 9,
    applicationName: 'kms-server path',
    settings: POINT_LOOKUPS,
  });
  try {
    return await wire(options, { db, changes, path });
  } catch (error) {
    await Promise.all([db.close(), changes.close(), path.close()]);
    throw error;
  }
}

async function wire(options: AppOptions, pools: Pools): Promise<FastifyInstance> {
  const { db, changes, path } = pools;
  const parts = await makeParts(options, pools);
  const {
    keyring,
    keys,
    audit,
    metrics,
    unchanged,
    access,
    tokens,
    sessions,
    outbound,
    serviceTokens,
    answers,
    writes,
    events,
    replicas,
    pruning,
    sender,
    evidence,
    lastSeen,
    families,
  } = parts;
  // The database answers while the routes are made.
  const started = Promise.all([events.start(metrics), replicas.start(metrics)]);
  started.catch(() => undefined);
  const proxies = options.trustedProxies && new TrustedProxies(options.trustedProxies);
  const ids = new RequestIds(proxies);
  const app = newServer(options, ids);
  const shortcut = new Shortcut();
  shortcut.install(app.server as Server);
  limitConnections(app, options.connections ?? {}, proxies);
  options.prepare?.(app);
  const tracing = options.tracing ? await startTracing(options.tracing, app, pools) : undefined;
  app.decorate('metrics', metrics);
  meterRequests(app, metrics);
  let [stopping, closing] = [false, false];
  const drain = () => {
    stopping = true;
    shortcut.close();
  };
  app.decorate('drain', drain);
  app.addHook('preClose', async () => {
    closing = true;
    drain();
    await events.stop();
  });
  // A connection that is kept alive behind its last answer would hold the stop for as long as its client likes.
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (stopping) reply.header('connection', 'close');
    done();
  });
  app.addHook('onClose', async () => {
    tokens.stop();
    pruning.stop();
    await replicas.stop().catch(() => undefined);
    shared?.stop();
    redis?.close();
    sessions.stop();
    await sender.stop();
    await evidence.stop();
    await unchanged.stop().catch(() => undefined);
    await lastSeen.stop().catch(() => undefined);
    outbound.close();
    await audit.stop().catch(() => undefined);
    await tracing?.close();
    await Promise.all([db.close(), changes.close(), path.close()]);
  });
  // First of all: a request that is refused below is answered with these headers too.
  secureAnswers(app);
  // What came over a connection that was still open, or waited behind another request on one.
  app.addHook('onRequest', async () => {
    if (closing) throw shuttingDown();
  });
  knowAddresses(app, proxies);
  pruning.start(metrics, app.log);
  sender.start(metrics, options.sealEveryMs);
  const brokenSeals = new BrokenSeals(path, audit, app.log);
  keyring.onBroken = (cause) => void brokenSeals.alert(cause).catch(() => undefined);
  families.log = app.log;
  app.faults.onBrokenSeal = (cause, request) => void brokenSeals.alert(cause, request).catch(() => undefined);
  evidence.start({ sink: options.auditSink, everyMs: options.sealEveryMs }, outbound, app.log, metrics);
  parseBodies(app);
  authenticate(app, keys, keyring, audit, lastSeen);
  const redis = options.redisUrl === undefined ? undefined : await connectRedis(options.redisUrl, app.log);
  const shared = redis && new SharedCounts(redis, limitNames(options.authSecret));
  const limits = new Limits(options.limits ?? DEFAULT_LIMITS, shared);
  enforceLimits(app, limits, audit);
  putIntoOneScope(app, serviceTokens);
  tellParts(metrics, {
    pools: { db, changes, path },
    access,
    audit,
    answers,
    events,
    writes,
    limits,
    redis,
    faults: app.faults,
    families,
  });
  await documentApi(app, VERSION);
  const health = new HealthCheck({
    db: path,
    opens: (fingerprint) => keyring.opens(fingerprint),
    redis: async () => redis?.check() ?? 'off',
    stopping: () => stopping,
  });
  await registerRoutes(app, parts, { health, stream: options.events, shortcut });
  await started;
  // A trace is made by Fastify's hooks, of each part of a request.
  if (!tracing)
    shortcut.open({ reads: parts.reads, limits, ids, addressOf: addressesBehind(proxies), log: app.log, lastSeen });
  return app;
}

/** Loaded only where it is used. */
async function startTracing(options: TracingOptions, app: FastifyInstance, pools: Pools) {
  const { Tracing } = await import('./tracing/tracing.ts');
  const tracing = new Tracing(options);
  tracing.followRequests(app);
  for (const pool of Object.values(pools) as Database[]) pool.followStatements(tracing);
  return tracing;
}

/** Loaded only where it is used: the client holds 5 MB. */
async function connectRedis(url: string, log: FastifyInstance['log']) {
  const { RedisCounter } = await import('./limits/redis.ts');
  return new RedisCounter(url, log);
}
