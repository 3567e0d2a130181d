import Fastify, { type FastifyInstance, LogController } from 'fastify';
import { serializerCompiler } from 'fastify-type-provider-zod';
import { VERSION } from '../contracts/index.ts';
import { type AuthSecret, limitNames, MemorySeal, type RootKey, signingKeys } from '../keys/index.ts';
import { Access } from './access/access.ts';
import { Explain } from './access/explain.ts';
import { accessRoutes } from './access/routes.ts';
import { adminRoutes } from './admin/routes.ts';
import { Admin } from './admin/service.ts';
import { Audit } from './audit/audit.ts';
import { BrokenSeals } from './audit/broken-seals.ts';
import { Evidence } from './audit/evidence.ts';
import { auditRoutes } from './audit/routes.ts';
import { AuditQueries } from './audit/service.ts';
import { Unchanged } from './audit/unchanged.ts';
import { auditStreamsRoutes } from './audit-streams/routes.ts';
import { StreamSender } from './audit-streams/sender.ts';
import { AuditStreams } from './audit-streams/service.ts';
import { Database, POINT_LOOKUPS } from './database/database.ts';
import { environmentsRoutes } from './environments/routes.ts';
import { Environments } from './environments/service.ts';
import { ChangeFeed } from './events/feed.ts';
import { eventsRoutes } from './events/routes.ts';
import { Events, type EventsOptions } from './events/service.ts';
import type { StreamOptions } from './events/stream.ts';
import { foldersRoutes } from './folders/routes.ts';
import { Folders } from './folders/service.ts';
import { groupListsRoutes, groupsRoutes } from './groups/routes.ts';
import { Groups } from './groups/service.ts';
import { Pruning } from './history/pruning.ts';
import { Rollbacks } from './history/rollback.ts';
import { historyRoutes } from './history/routes.ts';
import { History } from './history/service.ts';
import { Snapshots } from './history/snapshots.ts';
import { authenticate } from './http/authentication.ts';
import { knowAddresses } from './http/client-address.ts';
import { type ConnectionLimits, connectionOptions, limitConnections } from './http/connections.ts';
import { documentApi } from './http/documents.ts';
import { answerBrokenRequest, answerError } from './http/errors.ts';
import { parseBodies } from './http/parsing.ts';
import { Queries } from './http/queries.ts';
import { RequestIds } from './http/request-ids.ts';
import { secureAnswers } from './http/security-headers.ts';
import { TrustedProxies, type TrustedProxiesOptions } from './http/trusted-proxies.ts';
import { IdentityMemberships } from './identities/memberships.ts';
import { identitiesRoutes } from './identities/routes.ts';
import { identitySearchRoutes } from './identities/search-routes.ts';
import { Identities } from './identities/service.ts';
import { importsRoutes } from './imports/routes.ts';
import { Imports } from './imports/service.ts';
import { invitationsRoutes } from './invitations/routes.ts';
import { Invitations } from './invitations/service.ts';
import { openKeyring } from './keyring/keyring.ts';
import { kubernetesAuthRoutes } from './kubernetes-auth/routes.ts';
import { KubernetesAuth } from './kubernetes-auth/service.ts';
import { DEFAULT_LIMITS, type Limits as LimitsPerMinute } from './limits/classes.ts';
import { enforceLimits } from './limits/enforce.ts';
import { Limits } from './limits/limits.ts';
import { SharedCounts } from './limits/shared-counts.ts';
import { absentLogin } from './machine-logins/absent.ts';
import { MachineLogins } from './machine-logins/service.ts';
import { GroupsOfProjects, PeopleOfProjects } from './memberships/holders.ts';
import { membershipsRoutes } from './memberships/routes.ts';
import { Memberships } from './memberships/service.ts';
import { Faults } from './metrics/faults.ts';
import { Metrics } from './metrics/metrics.ts';
import { tellParts } from './metrics/parts.ts';
import { meterRequests } from './metrics/requests.ts';
import { mfaRoutes } from './mfa/routes.ts';
import { Mfa } from './mfa/service.ts';
import { oidcAuthRoutes } from './oidc-auth/routes.ts';
import { OidcAuth } from './oidc-auth/service.ts';
import { ExplainOrganization } from './organization-roles/explain.ts';
import { organizationRolesRoutes } from './organization-roles/routes.ts';
import { OrganizationRoles } from './organization-roles/service.ts';
import { organizationsRoutes } from './organizations/routes.ts';
import { Organizations } from './organizations/service.ts';
import { Outbound } from './outbound/outbound.ts';
import { Accounts } from './people/account.ts';
import { Devices } from './people/devices.ts';
import { Links } from './people/links.ts';
import { PasswordLogin } from './people/login.ts';
import { Passwords } from './people/passwords.ts';
import { Resets } from './people/resets.ts';
import { peopleRoutes } from './people/routes.ts';
import { People } from './people/service.ts';
import { Throttle } from './people/throttle.ts';
import { olderPrivilegesRoutes, privilegesRoutes } from './privileges/routes.ts';
import { Privileges } from './privileges/service.ts';
import { projectsRoutes } from './projects/routes.ts';
import { Projects } from './projects/service.ts';
import { notFound } from './refusal.ts';
import { Replicas, type ReplicasOptions } from './replicas/replicas.ts';
import { rolesRoutes } from './roles/routes.ts';
import { Roles } from './roles/service.ts';
import { Answers } from './secrets/answers.ts';
import { endToEndRoutes, moveRoutes } from './secrets/move-routes.ts';
import { Moves } from './secrets/moves.ts';
import { PersonalWrites } from './secrets/personal.ts';
import { importedSecretsRoutes, secretReadRoutes } from './secrets/read-routes.ts';
import { Reads } from './secrets/reads.ts';
import { secretsRoutes } from './secrets/routes.ts';
import { Writes } from './secrets/writes.ts';
import { serviceTokensRoutes } from './service-tokens/routes.ts';
import { ServiceTokens } from './service-tokens/service.ts';
import { putIntoOneScope } from './service-tokens/single-scope.ts';
import { sessionsRoutes } from './sessions/routes.ts';
import { Sessions } from './sessions/service.ts';
import { settingsRoutes } from './settings/routes.ts';
import { Settings } from './settings/service.ts';
import { sharesRoutes } from './shares/routes.ts';
import { Shares } from './shares/service.ts';
import { Providers } from './sso/provider.ts';
import { ssoRoutes } from './sso/routes.ts';
import { Sso } from './sso/service.ts';
import { SsoSettings } from './sso/settings.ts';
import { HealthCheck } from './status/health.ts';

import { statusRoutes } from './status/routes.ts';
import { tagsRoutes } from './tags/routes.ts';
import { Tags } from './tags/service.ts';
import { tokenAuthRoutes } from './token-auth/routes.ts';
import { TokenAuth } from './token-auth/service.ts';
import { Tokens } from './tokens/service.ts';
import type { TracingOptions } from './tracing/tracing.ts';
import { universalAuthRoutes } from './universal-auth/routes.ts';
import { UniversalAuth } from './universal-auth/service.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Makes this replica not ready, while it still answers: load balancers look elsewhere before it closes. */
    drain(): void;
    /** What this server tells about itself; served on a port of its own (metrics/listener.ts). */
    readonly metrics: Metrics;
  }
}

export interface AppOptions {
  /** Connection string of a migrated database. */
  readonly databaseUri: string;
  readonly rootKey: RootKey;
  /** The root key that a rotation comes from. */
  readonly previousRootKey?: RootKey | undefined;
  readonly authSecret: AuthSecret;
  /** Its tokens and proofs are accepted too. */
  readonly previousAuthSecret?: AuthSecret | undefined;
  /** Where replicas share what they count. @default each counts for itself */
  readonly redisUrl?: string | undefined;
  /** Requests a minute, by class. @default limits/classes.ts */
  readonly limits?: LimitsPerMinute | undefined;
  /** Accept the first-admin call without a proof of kms-secrets. @default false */
  readonly allowUnprovenBootstrap?: boolean;
  /** Where people reach this server; links and single sign-on begin with it. @default none */
  readonly siteUrl?: string | undefined;
  /** Whether single sign-on carries the powers of an instance admin. @default false */
  readonly ssoInstanceAdmins?: boolean;
  /** @default 'silent' */
  readonly logLevel?: string;
  /** What may be called beyond the open internet; see outbound/allow-list.ts. @default [] */
  readonly outboundAllow?: readonly string[] | undefined;
  /** Where log lines go. @default standard output */
  readonly logStream?: { write(line: string): void };
  /** Whose forwarded headers say where a request came from. @default nobody's: the connection tells */
  readonly trustedProxies?: TrustedProxiesOptions | undefined;
  /** How often this replica reports what it holds; tests report more often. */
  readonly replicas?: Pick<ReplicasOptions, 'everyMs' | 'name'>;
  /** Bounds of event streams; tests make them small. */
  readonly events?: Partial<Pick<EventsOptions, 'checkEveryMs' | 'closeWithinMs' | 'longestMs' | 'streams'>> &
    StreamOptions;
  /** How long and how many connections may be. @default http/connections.ts */
  readonly connections?: ConnectionLimits | undefined;
  /** Runs before any route is there; tests watch every answer from here. */
  readonly prepare?: (app: FastifyInstance) => void;
  /** Bytes of answers held in memory; 0 holds none. @default 64 MiB */
  readonly answersLimit?: number | undefined;
  /** Where the signed heads of the audit go; see audit/sink.ts. @default the log */
  readonly auditSink?: string | undefined;
  /** Where traces go. @default there are none, and what makes them is not loaded */
  readonly tracing?: TracingOptions | undefined;
  /** How often the audit is sealed and sent on, in milliseconds; 0: never, for tests. @default 1000 */
  readonly sealEveryMs?: number | undefined;
  /** Runs between the check and the fill of a read; tests pause here. */
  readonly beforeFill?: () => Promise<void>;
  /** Runs before an answer with imports or references is admitted; tests pause here. */
  readonly beforeAdmission?: () => Promise<void>;
}

const BODY_LIMIT_BYTES = 1024 * 1024;

/**
 * Wires the server: every part is made here, and handed to its routes as a plugin option. The app is ready to `inject`
 * or to `listen`; closing it lets requests in flight finish, writes out what the audit holds, and ends the connections.
 *
 * @throws WrongRootKey when the database was made with another root key
 */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  // Several pools: what holds a transaction may wait for the audit or for a verdict, which must then not wait for a connection.
  const db = new Database({ uri: options.databaseUri, connections: 8 });
  // Four writers of projects (access/access.ts), two groups of writes (access/shared-changes.ts), and what belongs to no project. A change asks who its caller is: to plan that
  // anew each time took twice as long as all of the change.
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

interface Pools {
  readonly db: Database;
  readonly changes: Database;
  readonly path: Database;
}

async function wire(options: AppOptions, pools: Pools): Promise<FastifyInstance> {
  const { db, changes, path } = pools;
  const keyring = await openKeyring(db, options.rootKey, options.previousRootKey);
  const keys = signingKeys(options.authSecret, options.previousAuthSecret);
  const audit = new Audit(path, keyring.audit);
  const metrics = new Metrics();
  const unchanged = new Unchanged(path);
  unchanged.start(metrics);
  const [evidence] = await Promise.all([Evidence.of({ db, changes, path, audit, keyring }), audit.start(metrics)]);
  const access = new Access(changes, path, audit);
  const tokens = new Tokens({ db, audit, keys });
  tokens.start(metrics);
  const sessions = new Sessions({
    db,
    access,
    audit,
    keyring,
    tokens,
    ssoInstanceAdmins: options.ssoInstanceAdmins ?? false,
  });
  sessions.start(metrics);
  const passwords = new Passwords();
  const throttle = new Throttle({ db, keyring });
  const devices = new Devices(keyring);
  const accounts = new Accounts({ db, access });
  const login = new PasswordLogin({ db, audit, passwords, throttle, sessions });
  const people = new People({ access, audit, accounts, passwords, throttle, sessions });
  const links = new Links({ keyring, siteUrl: options.siteUrl });
  const resets = new Resets({ db, access, audit, links, passwords, sessions });
  const invitations = new Invitations({ db, access, audit, accounts, links, passwords, sessions });
  const mfa = new Mfa({ db, audit, accounts, keyring, sessions, throttle });
  const organizations = new Organizations({ db, access, audit });
  const projects = new Projects({ db, access, audit, keyring });
  const environments = new Environments({ db, access, keyring });
  const folders = new Folders({ db, access });
  const tags = new Tags({ db, access });
  const imports = new Imports({ db, access });
  const shares = new Shares({ db, access });
  const roles = new Roles({ db, access });
  const identities = new Identities({ db, access, audit });
  const groups = new Groups({ db, access, audit });
  const projectMemberships = new Memberships({ db, access });
  const memberships = new IdentityMemberships({ db, identities, memberships: projectMemberships });
  const universalAuth = new UniversalAuth({ db, path, access, audit, identities, keyring, tokens });
  const outbound = new Outbound({ allow: options.outboundAllow });
  const settings = new Settings({ db: path, access, audit });
  const logins = new MachineLogins({ db, access, audit, identities, tokens, settings });
  const tokenAuth = new TokenAuth({ db, access, identities, tokens, settings });
  const serviceTokens = new ServiceTokens({ db, access, keyring, settings });
  const oidcAuth = new OidcAuth({ logins, outbound });
  const kubernetesAuth = new KubernetesAuth({ logins, outbound, keyring });
  const queries = new AuditQueries({ db, access, audit });
  const answers = new Answers(options.answersLimit);
  const reads = new Reads({
    unchanged,
    db: path,
    access,
    keyring,
    answers,
    seal: new MemorySeal(),
    beforeFill: options.beforeFill,
    beforeAdmission: options.beforeAdmission,
  });
  const writes = new Writes({ access, keyring });
  const moves = new Moves({ access, keyring });
  const history = new History({ db, access, keyring });
  const rollbacks = new Rollbacks({ access, keyring });
  const snapshots = new Snapshots({ db, access, keyring, rollbacks });
  const personal = new PersonalWrites({ access, keyring });
  const events = new Events({ db: path, access, feed: new ChangeFeed({ db: path }), ...options.events });
  const replicas = new Replicas({ db: path, keyring, keys, subscribers: () => events.count, ...options.replicas });
  // The database answers while the routes are made.
  const started = Promise.all([events.start(metrics), replicas.start(metrics)]);
  started.catch(() => undefined);
  const { authSecret, allowUnprovenBootstrap: allowUnproven = false } = options;
  const authSecrets = [authSecret, ...(options.previousAuthSecret ? [options.previousAuthSecret] : [])];
  const providers = new Providers(outbound);
  const { siteUrl, ssoInstanceAdmins = false } = options;
  const ssoSettings = new SsoSettings({ db, access, audit, keyring, providers });
  const sso = new Sso({
    ...{ db, audit, accounts, keyring, providers, sessions, siteUrl },
    instanceAdmins: ssoInstanceAdmins,
  });
  const admin = new Admin({ db, audit, keyring, tokens, passwords, sessions, authSecrets, allowUnproven });
  const pruning = new Pruning({ db });
  const sender = new StreamSender({ db, keyring, outbound });

  const proxies = options.trustedProxies && new TrustedProxies(options.trustedProxies);
  const app = newServer(options, new RequestIds(proxies));
  limitConnections(app, options.connections ?? {}, proxies);
  options.prepare?.(app);
  const tracing = options.tracing ? await startTracing(options.tracing, app, pools) : undefined;
  app.decorate('metrics', metrics);
  meterRequests(app, metrics);
  let stopping = false;
  const drain = () => {
    stopping = true;
  };
  app.decorate('drain', drain);
  app.addHook('preClose', async () => {
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
    outbound.close();
    await audit.stop().catch(() => undefined);
    await tracing?.close();
    await Promise.all([db.close(), changes.close(), path.close()]);
  });
  // First of all: a request that is refused below is answered with these headers too.
  secureAnswers(app);
  knowAddresses(app, proxies);
  pruning.start(metrics, app.log);
  sender.start(metrics, options.sealEveryMs);
  const brokenSeals = new BrokenSeals(path, audit);
  app.faults.onBrokenSeal = (cause, request) => void brokenSeals.alert(cause, request).catch(() => undefined);
  evidence.start({ sink: options.auditSink, everyMs: options.sealEveryMs }, outbound, app.log, metrics);
  parseBodies(app);
  authenticate(app, keys, keyring, audit);
  const redis = options.redisUrl === undefined ? undefined : await connectRedis(options.redisUrl, app.log);
  const shared = redis && new SharedCounts(redis, limitNames(authSecret));
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
  });
  await documentApi(app, VERSION);
  const health = new HealthCheck({
    db: path,
    opens: (fingerprint) => keyring.opens(fingerprint),
    redis: async () => redis?.check() ?? 'off',
    stopping: () => stopping,
  });
  await app.register(statusRoutes, { health, version: VERSION });
  await app.register(adminRoutes, { admin });
  await app.register(settingsRoutes, { settings });
  await app.register(universalAuthRoutes, { universalAuth, tokens });
  await app.register(sessionsRoutes, { login, sessions, people, devices });
  await app.register(peopleRoutes, { people, resets, organizations, devices });
  await app.register(invitationsRoutes, { invitations, devices });
  await app.register(ssoRoutes, { sso, settings: ssoSettings });
  await app.register(mfaRoutes, { mfa, people, devices });
  await app.register(tokenAuthRoutes, { logins, tokenAuth });
  await app.register(serviceTokensRoutes, { serviceTokens });
  await app.register(oidcAuthRoutes, { oidcAuth });
  await app.register(kubernetesAuthRoutes, { kubernetesAuth });
  await app.register(organizationsRoutes, { organizations });
  await app.register(organizationRolesRoutes, {
    organizationRoles: new OrganizationRoles({ db, access, audit }),
    explain: new ExplainOrganization({ db, access, audit }),
  });
  await app.register(projectsRoutes, { projects });
  await app.register(accessRoutes, { explain: new Explain({ db, access }) });
  await app.register(rolesRoutes, { roles });
  await app.register(environmentsRoutes, { environments });
  await app.register(foldersRoutes, { folders });
  await app.register(tagsRoutes, { tags });
  await app.register(importsRoutes, { imports });
  await app.register(sharesRoutes, { shares });
  await app.register(identitiesRoutes, { identities, memberships });
  await app.register(identitySearchRoutes, { identities });
  await app.register(groupsRoutes, { groups });
  await app.register(groupListsRoutes, { groups });
  const privileges = new Privileges({ db, access });
  await app.register(privilegesRoutes, { privileges });
  await app.register(olderPrivilegesRoutes, { privileges });
  await app.register(membershipsRoutes, {
    people: new PeopleOfProjects(projectMemberships),
    groups: new GroupsOfProjects(projectMemberships),
  });
  await app.register(secretReadRoutes, { reads });
  await app.register(importedSecretsRoutes, { reads });
  await app.register(secretsRoutes, { writes, personal });
  await app.register(moveRoutes, { moves });
  await app.register(historyRoutes, { history, rollbacks, snapshots });
  await app.register(endToEndRoutes);
  await app.register(eventsRoutes, { events, stream: options.events });
  await app.register(auditRoutes, { queries });
  await app.register(auditStreamsRoutes, {
    streams: new AuditStreams({ db, access, audit, keyring, outbound }),
  });
  await started;
  return app;
}

function newServer({ logLevel = 'silent', logStream, connections = {} }: AppOptions, ids: RequestIds): FastifyInstance {
  const queries = new Queries();
  const app = Fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    ...connectionOptions(connections),
    genReqId: (request) => ids.of(request),
    return503OnClosing: true,
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
