import { generateKeyPairSync, randomUUID } from 'node:crypto';
import {
  type Adapter,
  type AdapterPayload,
  type ClientMetadata,
  type Configuration,
  type JWK,
  Provider,
} from 'oidc-provider';
import { Agent, fetch } from 'undici';
import { newAuthority } from './certificates.ts';
import { type Listener, listen } from './listener.ts';

/** Who the provider says somebody is, besides the subject. */
export type Profile = Record<string, unknown>;

export interface OpenIdProviderOptions {
  /** Speaks TLS under a CA of its own. @default false */
  readonly secure?: boolean;
  /** The name that it gives itself, and puts into what it signs. @default where it is */
  readonly issuer?: string;
  /** Where the provider may send browsers back to. @default nowhere: machines alone come */
  readonly redirectUri?: string;
  /** Puts what it knows of a person into the ID token, and not into the user info alone. @default false, as the standard has it */
  readonly inIdToken?: boolean;
}

/**
 * The npm package `oidc-provider` on 127.0.0.1: an OpenID provider that others wrote and the OpenID Foundation certified. It
 * cannot be made to lie, for which sso has one written by hand; what it does is what real ones do.
 */
export class OpenIdProvider {
  readonly clientId = 'hanzo-kms';
  readonly clientSecret = `secret & + of ${randomUUID()}`;
  /** Another program that the same people log in to. */
  readonly otherClientId = 'another-program';
  /** A program that logs in as itself. */
  readonly workload = { id: 'workload', secret: randomUUID() };
  readonly ca: string;
  readonly #listener: Listener;
  readonly #options: OpenIdProviderOptions;
  readonly #people = new Map<string, Profile>();
  readonly #agent: Agent;
  readonly #stored = new Map<string, AdapterPayload>();
  #keys: JWK[] = [];
  #provider!: Provider;
  #handle!: ReturnType<Provider['callback']>;

  private constructor(ca: string, listener: Listener, options: OpenIdProviderOptions) {
    this.ca = ca;
    this.#listener = listener;
    this.#options = options;
    this.#agent = new Agent({ connect: { ca } });
  }

  static async start(options: OpenIdProviderOptions = {}): Promise<OpenIdProvider> {
    const authority = newAuthority();
    let self: OpenIdProvider | undefined;
    const listener = await listen(
      (request, response) => {
        const { url = '', headers } = request;
        if (!url.startsWith('/interaction/')) return void self!.#handle(request, response);
        const accountId = headers['x-person'];
        const result =
          typeof accountId === 'string'
            ? { login: { accountId } }
            : { error: 'access_denied', error_description: 'no' };
        void self!.#provider.interactionFinished(request, response, result);
      },
      options.secure ? authority.issue('127.0.0.1') : undefined,
    );
    self = new OpenIdProvider(authority.cert, listener, options);
    self.rotate();
    return self;
  }

  get issuer(): string {
    return this.#options.issuer ?? this.#url;
  }

  get #url(): string {
    return `${this.#options.secure ? 'https' : 'http'}://127.0.0.1:${this.#listener.port}`;
  }

  get discoveryUrl(): string {
    return `${this.issuer}/.well-known/openid-configuration`;
  }

  get keyFetches(): number {
    return this.#listener.seen.filter((line) => line === 'GET /jwks').length;
  }

  /** Signs with a new key from now on. The former stays published, unless it is to be dropped. */
  rotate({ drop = false } = {}): void {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' } as JWK;
    this.#keys = [key, ...(drop ? [] : this.#keys)];
    this.#provider = new Provider(this.issuer, this.#configuration());
    this.#handle = this.#provider.callback();
  }

  /**
   * The person, at a browser of their own, logs in and says yes; where the browser is sent back to.
   *
   * @param profile what the provider knows of the person; without one, the person says no
   */
  async authorize(url: string, subject: string, profile?: Profile): Promise<URL> {
    if (profile) this.#people.set(subject, profile);
    const cookies = new Map<string, string>();
    let next = url;
    while (next.startsWith(this.#url)) {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const headers = { cookie, ...(profile ? { 'x-person': subject } : {}) };
      const answer = await fetch(next, { headers, redirect: 'manual' });
      for (const line of answer.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
        cookies.set(name!, value!);
      }
      const location = answer.headers.get('location');
      if (location === null) throw new Error(`the provider answers ${answer.status}: ${await answer.text()}`);
      next = new URL(location, next).href;
    }
    return new URL(next);
  }

  /** A token that a program gets for itself, made for an audience. */
  async workloadToken(audience: string): Promise<string> {
    const { id, secret } = this.workload;
    const answer = await fetch(`${this.#url}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: audience }),
      headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
      dispatcher: this.#agent,
    });
    if (!answer.ok) throw new Error(`the provider answers ${answer.status}: ${await answer.text()}`);
    return ((await answer.json()) as { access_token: string }).access_token;
  }

  async close(): Promise<void> {
    await this.#agent.close();
    await this.#listener.close();
  }

  #configuration(): Configuration {
    const { redirectUri, inIdToken = false } = this.#options;
    const client_secret = this.clientSecret;
    const redirect_uris = redirectUri === undefined ? [] : [redirectUri];
    const browserClient = {
      redirect_uris,
      client_secret,
      response_types: ['code'],
      grant_types: ['authorization_code'],
    };
    const machineClient = { redirect_uris: [], response_types: [], grant_types: ['client_credentials'] };
    return {
      adapter: () => memory(this.#stored),
      jwks: { keys: this.#keys },
      cookies: { keys: ['any'] },
      clients: [
        ...(redirectUri === undefined
          ? []
          : [this.clientId, this.otherClientId].map(
              (client_id) => ({ client_id, ...browserClient }) as ClientMetadata,
            )),
        { client_id: this.workload.id, client_secret: this.workload.secret, ...machineClient } as ClientMetadata,
      ],
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['groups'] },
      conformIdTokenClaims: !inIdToken,
      pkce: { required: () => true },
      findAccount: (_, accountId) => ({
        accountId,
        claims: async () => ({ sub: accountId, ...this.#people.get(accountId) }),
      }),
      loadExistingGrant: async ({ oidc }) => {
        const grant = new oidc.provider.Grant({ accountId: oidc.session!.accountId!, clientId: oidc.client!.clientId });
        grant.addOIDCScope('openid profile email');
        await grant.save();
        return grant;
      },
      interactions: { url: (_, { uid }) => `/interaction/${uid}` },
      ttl: { Session: 300, Grant: 300, Interaction: 300, IdToken: 300, AccessToken: 300, ClientCredentials: 300 },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => [],
          getResourceServerInfo: (_, audience) => ({ scope: '', audience, accessTokenFormat: 'jwt' }),
        },
      },
    };
  }
}

/** Where a provider keeps sessions, codes and tokens. Ids are random, whatever they are of. */
function memory(stored: Map<string, AdapterPayload>): Adapter {
  const found = (test: (payload: AdapterPayload) => boolean) => [...stored.entries()].filter(([, one]) => test(one));
  return {
    upsert: async (id, payload) => void stored.set(id, payload),
    find: async (id) => stored.get(id),
    findByUid: async (uid) => found((one) => one.uid === uid && one.kind === 'Session')[0]?.[1],
    findByUserCode: async () => undefined,
    consume: async (id) => void stored.set(id, { ...stored.get(id), consumed: Math.floor(Date.now() / 1000) }),
    destroy: async (id) => void stored.delete(id),
    revokeByGrantId: async (grantId) => {
      for (const [id] of found((one) => one.grantId === grantId)) stored.delete(id);
    },
  };
}
