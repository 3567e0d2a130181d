import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import type { FastifyInstance } from 'fastify';
import { createApp } from './app.ts';
import { type Config, ConfigError } from './config.ts';
import { Database } from './database/database.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './database/embedded/index.ts';
import { migrate } from './database/migrate.ts';
import { durability } from './keyring/store.ts';
import { type MetricsListener, serveMetrics } from './metrics/listener.ts';

/** How long a stop may take before the process ends anyway. Kubernetes gives 30 seconds by default. */
const STOP_WITHIN_MS = 25_000;
/** When the database is gone there is nothing left to wait for. */
const END_WITHIN_MS = 2_000;

/**
 * Connections that may wait to be taken. With Node's 511, of a thousand that come at once some were told nothing and tried again
 * after a second.
 */
const BACKLOG = 4096;

/**
 * How much the heap may grow before what is dead in it is let go of. V8 would let it grow to three times: a crowd of a thousand
 * connections then took 50 MB more. Looking more often costs what the busiest lists do not feel.
 */
const HEAP_GROWS_PERCENT = 40;

/** Starts the server, and stops it on SIGTERM, on SIGINT, or when the process that spawned it is gone. */
export async function serve(config: Config): Promise<void> {
  keepMemoryInside();
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWS_PERCENT}`);
  const running: Running = {};
  stopWhenTold(running, config.KMS_DRAIN_SECONDS);
  try {
    await start(running, config);
  } catch (error) {
    await running.embedded?.stop();
    throw error;
  }
}

/** What runs so far. A signal that comes before all of it does is noted, and obeyed by the start itself. */
interface Running {
  embedded?: EmbeddedPostgres;
  app?: FastifyInstance;
  metrics?: MetricsListener;
  /** Why to stop, once somebody has said so. */
  stopping?: string;
}

async function start(running: Running, config: Config): Promise<void> {
  if (config.DB_CONNECTION_URI === undefined) {
    running.embedded = await startEmbeddedPostgres({
      dataDir: config.KMS_DATA_DIR,
      port: config.PORT,
      log: say,
      onEnd: () => endWithDatabase(running),
    });
  }
  const databaseUri = config.DB_CONNECTION_URI ?? running.embedded!.uri;
  await requireDurableCommits(databaseUri);
  await migrate(databaseUri);
  const app = await createApp({
    databaseUri,
    rootKey: config.ROOT_ENCRYPTION_KEY,
    previousRootKey: config.ROOT_ENCRYPTION_KEY_PREVIOUS,
    authSecret: config.AUTH_SECRET,
    previousAuthSecret: config.AUTH_SECRET_PREVIOUS,
    redisUrl: config.REDIS_URL,
    limits: config.KMS_RATE_LIMITS,
    siteUrl: config.SITE_URL,
    ssoInstanceAdmins: config.KMS_SSO_INSTANCE_ADMINS,
    connections: { perAddress: config.KMS_CONNECTIONS_PER_ADDRESS },
    allowUnprovenBootstrap: config.KMS_ALLOW_UNPROVEN_BOOTSTRAP,
    logLevel: config.LOG_LEVEL,
    outboundAllow: config.KMS_OUTBOUND_ALLOW,
    trustedProxies: config.KMS_TRUSTED_PROXIES && {
      networks: config.KMS_TRUSTED_PROXIES,
      header: config.KMS_FORWARDED_HEADER,
    },
    tls:
      config.TLS_CERT_FILE === undefined || config.TLS_KEY_FILE === undefined
        ? undefined
        : { certFile: config.TLS_CERT_FILE, keyFile: config.TLS_KEY_FILE },
    auditSink: config.KMS_AUDIT_SINK,
    tracing:
      config.OTEL_EXPORTER_OTLP_ENDPOINT === undefined
        ? undefined
        : { endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT, ratio: config.OTEL_TRACES_SAMPLER_ARG },
  });
  if (running.stopping === undefined) {
    running.app = app;
    await listen(running, app, config);
  } else {
    await app.close();
    await end(running);
  }
}

async function listen(running: Running, app: FastifyInstance, config: Config): Promise<void> {
  try {
    if (config.KMS_METRICS_PORT !== undefined) {
      running.metrics = await serveMetrics(app.metrics, {
        host: config.KMS_METRICS_HOST,
        port: config.KMS_METRICS_PORT,
      });
      say(`metrics on ${running.metrics.address}`);
    }
    const address = await app.listen({ host: config.HOST, port: config.PORT, backlog: BACKLOG });
    say(`ready on ${address}`);
    process.send?.({ ready: address });
  } catch (error) {
    await running.metrics?.close();
    await app.close();
    throw error;
  }
}

/** An audit record that a crash can take back is none: the server does not run on a database that loses commits. */
async function requireDurableCommits(uri: string): Promise<void> {
  const db = new Database({ uri, connections: 1 });
  try {
    const found = await durability(db);
    const lossy =
      found.synchronousCommit === 'off' ? 'synchronous_commit' : found.fsync === 'off' ? 'fsync' : undefined;
    if (lossy) throw new ConfigError(`the database runs with ${lossy} off, and would lose audit records; set it on`);
  } finally {
    await db.close();
  }
}

/** From the first moment: a signal while the embedded Postgres starts must not leave it behind. */
function stopWhenTold(running: Running, drainSeconds: number): void {
  const stop = async (why: string) => {
    if (running.stopping !== undefined) return;
    running.stopping = why;
    say(`stopping: ${why}`);
    setTimeout(() => process.exit(1), STOP_WITHIN_MS + drainSeconds * 1000).unref();
    if (running.app === undefined) return;
    running.app.drain();
    await sleep(drainSeconds * 1000);
    await running.app.close();
    await end(running);
  };
  const onSignal = (signal: string) => stop(signal).catch(() => process.exit(1));
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on(
    'disconnect',
    () => void stop('the program that started this server is gone').catch(() => process.exit(1)),
  );
}

async function end(running: Running): Promise<void> {
  await running.metrics?.close();
  await running.embedded?.stop();
  if (process.connected) process.disconnect();
  say('stopped');
}

/** Without its own database this process could only answer 503, and would hold the port and the folder of the next start. */
function endWithDatabase(running: Running): void {
  say('error: the embedded Postgres ended; start again, nothing that was answered is lost');
  setTimeout(() => process.exit(1), END_WITHIN_MS).unref();
  void running.app
    ?.close()
    .catch(() => undefined)
    .finally(() => process.exit(1));
}

/**
 * A core dump would carry keys and values to the disk: nothing of this process's memory goes into one (core(5)). And
 * SIGUSR1 would open the inspector, which shows all of it to whoever reaches the port. `--disable-sigusr1` keeps it shut
 * from the first moment; a listener of our own takes the signal where the server was started without that flag.
 */
function keepMemoryInside(): void {
  process.on('SIGUSR1', () => undefined);
  if (process.platform !== 'linux') return;
  try {
    writeFileSync('/proc/self/coredump_filter', '0');
  } catch {
    // A read-only /proc: the container's own limit holds then.
  }
}

function say(message: string): void {
  process.stderr.write(`kms-server: ${message}\n`);
}
