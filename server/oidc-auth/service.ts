import type { AccessToken, AttachOidcAuthBody } from '../../contracts/index.ts';
import type { Caller } from '../access/access.ts';
import type { Origin } from '../audit/store.ts';
import { type Configure, LoginRefused, type MachineLogins } from '../machine-logins/service.ts';
import type { MachineLoginRow } from '../machine-logins/store.ts';
import { checkCa, checkUrl, unreachable } from '../machine-logins/urls.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { invalid } from '../refusal.ts';
import { binds, claimOf, matches, problemOf } from './claims.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { verifyForeign } from './verify.ts';

/** What a login is bound to. */
export type OidcSettings = Pick<
  AttachOidcAuthBody,
  | 'oidcDiscoveryUrl'
  | 'caCert'
  | 'boundIssuer'
  | 'boundAudiences'
  | 'boundClaims'
  | 'claimMetadataMapping'
  | 'boundSubject'
>;
type Given = Partial<{ [Key in keyof AttachOidcAuthBody]: AttachOidcAuthBody[Key] | undefined }>;
export type OidcRow = MachineLoginRow<OidcSettings>;

const METHOD = 'oidc-auth';

/** OIDC Auth: a token of an issuer that both sides know (GitHub Actions, GitLab, a cluster) for one of ours. Nothing is stored. */
export class OidcAuth {
  readonly #logins: MachineLogins;
  readonly #outbound: Outbound;
  readonly #keys: IssuerKeys;

  constructor(options: { logins: MachineLogins; outbound: Outbound; keys?: IssuerKeys | undefined }) {
    this.#logins = options.logins;
    this.#outbound = options.outbound;
    this.#keys = options.keys ?? new IssuerKeys(options.outbound);
  }

  attach(caller: Caller, identityId: string, given: AttachOidcAuthBody): Promise<OidcRow> {
    return this.#logins.attach(caller, identityId, METHOD, given, this.#configure(given));
  }

  get(caller: Caller, identityId: string): Promise<OidcRow> {
    return this.#logins.get(caller, identityId, METHOD);
  }

  update(caller: Caller, identityId: string, change: Given): Promise<OidcRow> {
    return this.#logins.update(caller, identityId, METHOD, change, this.#configure(change));
  }

  detach(caller: Caller, identityId: string): Promise<OidcRow> {
    return this.#logins.detach(caller, identityId, METHOD);
  }

  login(identityId: string, jwt: string, origin: Origin): Promise<AccessToken> {
    return this.#logins.login<OidcSettings>(METHOD, identityId, origin, async ({ settings }) => {
      const { oidcDiscoveryUrl: discoveryUrl, caCert, boundIssuer } = settings;
      const payload = await verifyForeign(this.#keys, { discoveryUrl, caCert, boundIssuer }, jwt).catch(unreachable);
      requireBound(settings, payload);
      const { iss: issuer, sub: subject, aud: audience, jti } = payload;
      return { issuer, subject, audience, ...(typeof jti === 'string' ? { jti } : {}) };
    });
  }

  #configure(given: Given): Configure<OidcSettings> {
    return async (_id, before) => {
      const old = before?.settings;
      const settings: OidcSettings = {
        oidcDiscoveryUrl: given.oidcDiscoveryUrl ?? old!.oidcDiscoveryUrl,
        caCert: given.caCert ?? old!.caCert,
        boundIssuer: given.boundIssuer ?? old!.boundIssuer,
        boundAudiences: given.boundAudiences ?? old!.boundAudiences,
        boundClaims: given.boundClaims ?? old!.boundClaims,
        claimMetadataMapping: given.claimMetadataMapping ?? old!.claimMetadataMapping,
        boundSubject: given.boundSubject ?? old!.boundSubject,
      };
      refuseMapping(given.claimMetadataMapping);
      checkUrl(this.#outbound, 'oidcDiscoveryUrl', settings.oidcDiscoveryUrl);
      checkCa(settings.caCert);
      checkBounds(settings);
      return { settings };
    };
  }
}

/** A rule that waits for a claim would never hold, and one that forbids would forbid nothing. */
function refuseMapping(mapping: Readonly<Record<string, string>> = {}): void {
  if (Object.keys(mapping).length === 0) return;
  throw invalid(
    ['claimMetadataMapping'],
    'claims are not carried into access rules here: bind the login by boundClaims, and leave claimMetadataMapping out',
  );
}

/** The subject is one entry: it may hold commas. */
const subjectMatches = (bound: string, subject: unknown) =>
  typeof subject === 'string' && (bound === subject || (!bound.includes(',') && matches(bound, subject)));

function requireBound(settings: OidcSettings, payload: Readonly<Record<string, unknown>>): void {
  const { boundSubject, boundAudiences, boundClaims } = settings;
  const refuse = (reason: string, what: string) => {
    throw new LoginRefused(reason, `Access denied: ${what} of this token is not one that this identity takes`);
  };
  if (boundSubject !== '' && !subjectMatches(boundSubject, payload.sub)) refuse('subject', 'the subject');
  if (boundAudiences !== '' && !matches(boundAudiences, payload.aud)) refuse('audience', 'the audience');
  for (const [name, list] of Object.entries(boundClaims)) {
    if (!matches(list, claimOf(payload, name))) refuse('claim', `the claim "${name}"`);
  }
}

function checkBounds({ boundSubject, boundAudiences, boundClaims }: OidcSettings): void {
  const lists: [string, string][] = [
    ['boundSubject', boundSubject],
    ['boundAudiences', boundAudiences],
    ...Object.values(boundClaims).map((list): [string, string] => ['boundClaims', list]),
  ];
  for (const [field, list] of lists) {
    const problem = problemOf(list);
    if (problem !== undefined) throw invalid([field], problem);
  }
  if (!lists.some(([, list]) => binds(list))) {
    throw invalid(
      ['boundSubject'],
      'bind this login by boundSubject, boundAudiences or boundClaims: an issuer gives tokens to others too',
    );
  }
}
