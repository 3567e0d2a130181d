import { MemorySeal, signingKeys } from '../keys/index.ts';
import { Access } from './access/access.ts';
import { Explain } from './access/explain.ts';
import { OwnPermissions } from './access/own-permissions.ts';
import { Proofs } from './admin/proofs.ts';
import { Admin } from './admin/service.ts';
import type { AppOptions } from './app-options.ts';
import { Audit } from './audit/audit.ts';
import { Evidence } from './audit/evidence.ts';
import { AuditQueries } from './audit/service.ts';
import { Unchanged } from './audit/unchanged.ts';
import { StreamSender } from './audit-streams/sender.ts';
import { AuditStreams } from './audit-streams/service.ts';
import { CommandLines } from './command-line/service.ts';
import type { Database } from './database/database.ts';
import { Environments } from './environments/service.ts';
import { ChangeFeed } from './events/feed.ts';
import { Events } from './events/service.ts';
import { Folders } from './folders/service.ts';
import { Groups } from './groups/service.ts';
import { Past } from './history/past.ts';
import { Pruning } from './history/pruning.ts';
import { Rollbacks } from './history/rollback.ts';
import { History } from './history/service.ts';
import { Snapshots } from './history/snapshots.ts';
import { IdentityMemberships } from './identities/memberships.ts';
import { Identities } from './identities/service.ts';
import { Imports } from './imports/service.ts';
import { Invitations } from './invitations/service.ts';
import { openKeyring } from './keyring/open.ts';
import { KubernetesAuth } from './kubernetes-auth/service.ts';
import { LastSeen } from './last-seen/last-seen.ts';
import { MachineLogins } from './machine-logins/service.ts';
import { GroupsOfProjects, PeopleOfProjects } from './memberships/holders.ts';
import { Memberships } from './memberships/service.ts';
import { Metrics } from './metrics/metrics.ts';
import { Mfa } from './mfa/service.ts';
import { OidcAuth } from './oidc-auth/service.ts';
import { ExplainOrganization } from './organization-roles/explain.ts';
import { OrganizationRoles } from './organization-roles/service.ts';
import { Members } from './organizations/members.ts';
import { Organizations } from './organizations/service.ts';
import { Outbound } from './outbound/outbound.ts';
import { Accounts } from './people/account.ts';
import { Devices } from './people/devices.ts';
import { Links } from './people/links.ts';
import { PasswordLogin } from './people/login.ts';
import { Passwords } from './people/passwords.ts';
import { Resets } from './people/resets.ts';
import { People } from './people/service.ts';
import { Throttle } from './people/throttle.ts';
import { Privileges } from './privileges/service.ts';
import { Projects } from './projects/service.ts';
import { Replicas } from './replicas/replicas.ts';
import { Roles } from './roles/service.ts';
import { Answers } from './secrets/answers.ts';
import { Moves } from './secrets/moves.ts';
import { PersonalWrites } from './secrets/personal.ts';
import { Reads } from './secrets/reads.ts';
import { ReadsById } from './secrets/reads-by-id.ts';
import { ReferenceReads } from './secrets/reference-reads.ts';
import { Writes } from './secrets/writes.ts';
import { ServiceTokens } from './service-tokens/service.ts';
import { Sessions } from './sessions/service.ts';
import { Settings } from './settings/service.ts';
import { Shares } from './shares/service.ts';
import { Providers } from './sso/provider.ts';
import { Sso } from './sso/service.ts';
import { SsoSettings } from './sso/settings.ts';
import { Tags } from './tags/service.ts';
import { TokenAuth } from './token-auth/service.ts';
import { Tokens } from './tokens/service.ts';
import { ClientSecretFamilies } from './universal-auth/families.ts';
import { UniversalAuthLogin } from './universal-auth/login.ts';
import { UniversalAuth } from './universal-auth/service.ts';
import { WrongSecrets } from './universal-auth/wrong-secrets.ts';

/** Connections by what they are for: what holds a transaction may wait for the audit or a verdict, which must not wait for it. */
export interface Pools {
  /** What is asked and changed rarely, and whole transactions of it. */
  readonly db: Database;
  /** Changes of projects. */
  readonly changes: Database;
  /** Verdicts, records and fills: the request path. */
  readonly path: Database;
}

/**
 * Makes every part of the server, each from those before it. The audit, counts, tokens and sessions have begun their work by the clock;
 * the others begin when the server is wired (app.ts).
 *
 * @throws WrongRootKey when the database was made with another root key
 */
export async function makeParts(options: AppOptions, pools: Pools) {
  const { db, changes, path } = pools;
  const keyring = await openKeyring(db, options.rootKey, options.previousRootKey);
  const keys = signingKeys(options.authSecret, options.previousAuthSecret);
  const audit = new Audit(path, keyring);
  const metrics = new Metrics();
  const unchanged = new Unchanged(path);
  unchanged.start(metrics);
  const lastSeen = new LastSeen(db);
  lastSeen.start(metrics);
  const [evidence] = await Promise.all([Evidence.of({ db, changes, path, audit, keyring }), audit.start(metrics)]);
  const access = new Access(changes, path, audit);
  const tokens = new Tokens({ db, audit, keys, lastSeen });
  tokens.start(metrics);
  const sessions = new Sessions({
    db,
    access,
    audit,
    keyring,
    tokens,
    lastSeen,
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
  const commandLines = new CommandLines({ db, access, accounts, audit, keyring, sessions });
  const mfa = new Mfa({ db, audit, accounts, keyring, sessions, throttle });
  const organizations = new Organizations({ db, access, audit });
  const members = new Members({ db, access, audit, lastSeen });
  const projects = new Projects({ db, access, audit, keyring });
  const environments = new Environments({ db, access, keyring });
  const folders = new Folders({ db, access });
  const tags = new Tags({ db, access });
  const imports = new Imports({ db, access });
  const shares = new Shares({ db, access });
  const roles = new Roles({ db, access });
  const identities = new Identities({ db, access, audit, lastSeen });
  const groups = new Groups({ db, access, audit });
  const projectMemberships = new Memberships({ db, access });
  const memberships = new IdentityMemberships({ db, identities, memberships: projectMemberships });
  const wrongSecrets = new WrongSecrets();
  const universalAuth = new UniversalAuth({ db, access, identities, keyring, wrongSecrets });
  const families = new ClientSecretFamilies({ changes, audit, keyring });
  const universalAuthLogin = new UniversalAuthLogin({
    db,
    path,
    audit,
    keyring,
    tokens,
    wrongSecrets,
    lastSeen,
    families,
  });
  const outbound = new Outbound({ allow: options.outboundAllow });
  const settings = new Settings({ db: path, access, audit });
  const logins = new MachineLogins({ db, access, audit, identities, tokens, settings, lastSeen });
  const tokenAuth = new TokenAuth({ db, access, identities, tokens, settings, lastSeen });
  const serviceTokens = new ServiceTokens({ db, access, keyring, settings, lastSeen });
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
  const readsById = new ReadsById({ db: path, access, reads });
  const references = new ReferenceReads({ db: path, access, keyring, reads });
  const writes = new Writes({ access, keyring });
  const moves = new Moves({ access, keyring });
  const history = new History({ db, access, keyring });
  const past = new Past({ db, access, keyring });
  const rollbacks = new Rollbacks({ access, keyring });
  const snapshots = new Snapshots({ db, access, keyring, rollbacks });
  const personal = new PersonalWrites({ access, keyring });
  const events = new Events({ db: path, access, feed: new ChangeFeed({ db: path }), ...options.events });
  const replicas = new Replicas({ db: path, keyring, keys, subscribers: () => events.count, ...options.replicas });
  const { authSecret, allowUnprovenBootstrap: allowUnproven = false } = options;
  const authSecrets = [authSecret, ...(options.previousAuthSecret ? [options.previousAuthSecret] : [])];
  const providers = new Providers(outbound);
  const { siteUrl, ssoInstanceAdmins = false } = options;
  const ssoSettings = new SsoSettings({ db, access, audit, keyring, providers });
  const sso = new Sso({
    ...{ db, audit, accounts, keyring, providers, sessions, siteUrl },
    instanceAdmins: ssoInstanceAdmins,
  });
  const proofs = new Proofs({ db, audit, authSecrets });
  const admin = new Admin({ db, audit, keyring, tokens, passwords, sessions, proofs, allowUnproven });
  const pruning = new Pruning({ db });
  const sender = new StreamSender({ db, keyring, outbound });

  const organizationRoles = new OrganizationRoles({ db, access, audit });
  const explainOrganization = new ExplainOrganization({ db, access, audit });
  const explain = new Explain({ db, access });
  const ownPermissions = new OwnPermissions({ db, access });
  const privileges = new Privileges({ db, access });
  const peopleOfProjects = new PeopleOfProjects(projectMemberships);
  const groupsOfProjects = new GroupsOfProjects(projectMemberships);
  const streams = new AuditStreams({ db, access, audit, keyring, outbound });
  return {
    keyring,
    keys,
    audit,
    metrics,
    unchanged,
    access,
    tokens,
    sessions,
    commandLines,
    devices,
    login,
    people,
    resets,
    invitations,
    mfa,
    organizations,
    members,
    projects,
    environments,
    folders,
    tags,
    imports,
    shares,
    roles,
    identities,
    groups,
    memberships,
    universalAuth,
    universalAuthLogin,
    families,
    outbound,
    settings,
    logins,
    tokenAuth,
    serviceTokens,
    oidcAuth,
    kubernetesAuth,
    queries,
    answers,
    reads,
    readsById,
    references,
    writes,
    moves,
    history,
    past,
    rollbacks,
    snapshots,
    personal,
    events,
    replicas,
    ssoSettings,
    sso,
    admin,
    pruning,
    sender,
    organizationRoles,
    explainOrganization,
    explain,
    ownPermissions,
    privileges,
    peopleOfProjects,
    groupsOfProjects,
    streams,
    evidence,
    lastSeen,
  };
}

export type Parts = Awaited<ReturnType<typeof makeParts>>;
