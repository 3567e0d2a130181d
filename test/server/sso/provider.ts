import { createHash, randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { type Listener, listen } from '../../support/listener.ts';

export interface Claims {
  sub: string;
  email?: string;
  email_verified?: boolean;
  groups?: string[];
  [name: string]: unknown;
}

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
/** One for all, since making one takes a tenth of a second. */
let shared: Promise<Keys> | undefined;

interface Granted {
  readonly claims: Claims;
  readonly challenge: string;
  readonly redirectUri: string;
  readonly nonce: string;
}

/**
 * An OpenID Connect provider on 127.0.0.1, as strict as one should be: it checks the client's secret, the redirect URI, PKCE,
 * and lets a code be used once. A test can have it lie.
 */
export class TestProvider {
  readonly clientId = 'hanzo-kms';
  readonly clientSecret = `secret & + of ${randomUUID()}`;
  issuer = '';
  /** Changes what the ID token says, after it is right. */
  lie: (claims: JWTPayload) => JWTPayload = (claims) => claims;
  /** What the user info endpoint answers. */
  userinfo: Record<string, unknown> | undefined;
  namesItself = false;
  readonly refused: string[] = [];
  readonly #codes = new Map<string, Granted>();
  /** How often the published keys were asked for. */
  keyFetches = 0;
  #kid = 'key';
  readonly #published = new Map<string, Keys>();
  #signer: Keys['privateKey'] | undefined;
  #listener!: Listener;
  readonly redirectUri: string;

  constructor(redirectUri: string) {
    this.redirectUri = redirectUri;
  }

  async start(): Promise<this> {
    shared ??= generateKeyPair('RS256');
    this.#published.set(this.#kid, await shared);
    this.#listener = await listen((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        const body = new URLSearchParams(Buffer.concat(chunks).toString());
        void this.#answer(request.url!, body, request.headers.authorization).then(([status, json]) => {
          response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
        });
      });
    });
    this.issuer = `http://127.0.0.1:${this.#listener.port}`;
    return this;
  }

  get discoveryUrl(): string {
    return `${this.issuer}/.well-known/openid-configuration`;
  }

  /** Signs with another key from now on, published beside the former one. */
  async rotate(kid: string): Promise<void> {
    this.#kid = kid;
    this.#published.set(kid, await generateKeyPair('RS256'));
  }

  /** Publishes a key no more. */
  forget(kid: string): void {
    this.#published.delete(kid);
  }

  /** Goes back to signing with a key. */
  signWith(kid: string, keys?: Keys): void {
    this.#kid = kid;
    if (keys) this.#signer = keys.privateKey;
  }

  keysOf(kid: string): Keys {
    return this.#published.get(kid)!;
  }

  /** Signs with a key that the provider does not publish. */
  async forgeSignatures(): Promise<void> {
    this.#signer = (await generateKeyPair('RS256')).privateKey;
  }

  /** The person says yes; where the browser is sent back to. */
  authorize(url: string, claims: Claims): URL {
    const asked = new URL(url).searchParams;
    const wanted = {
      response_type: 'code',
      client_id: this.clientId,
      redirect_uri: this.redirectUri,
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(wanted)) {
      if (asked.get(name) !== value) throw new Error(`the provider refuses ${name}=${asked.get(name)}`);
    }
    const code = randomUUID();
    this.#codes.set(code, {
      claims,
      challenge: asked.get('code_challenge')!,
      redirectUri: asked.get('redirect_uri')!,
      nonce: asked.get('nonce')!,
    });
    const back = new URL(asked.get('redirect_uri')!);
    back.searchParams.set('code', code);
    back.searchParams.set('state', asked.get('state')!);
    if (this.namesItself) back.searchParams.set('iss', this.issuer);
    return back;
  }

  close(): Promise<void> {
    return this.#listener.close();
  }

  async #answer(url: string, form: URLSearchParams, authorization: string | undefined): Promise<[number, unknown]> {
    if (url === '/.well-known/openid-configuration') return [200, this.#discovery()];
    if (url === '/keys') {
      this.keyFetches++;
      const keys = [...this.#published].map(async ([kid, { publicKey }]) => ({
        ...(await exportJWK(publicKey)),
        alg: 'RS256',
        kid,
      }));
      return [200, { keys: await Promise.all(keys) }];
    }
    if (url === '/userinfo') return [200, this.userinfo ?? {}];
    if (url === '/token') return this.#token(form, authorization);
    return [404, {}];
  }

  #discovery() {
    return {
      issuer: this.issuer,
      authorization_endpoint: `${this.issuer}/authorize`,
      token_endpoint: `${this.issuer}/token`,
      jwks_uri: `${this.issuer}/keys`,
      userinfo_endpoint: `${this.issuer}/userinfo`,
      authorization_response_iss_parameter_supported: this.namesItself,
    };
  }

  async #token(form: URLSearchParams, authorization: string | undefined): Promise<[number, unknown]> {
    const refuse = (error: string): [number, unknown] => {
      this.refused.push(error);
      return [400, { error }];
    };
    const credentials = Buffer.from(authorization?.replace('Basic ', '') ?? '', 'base64').toString();
    const [id, secret] = credentials.split(':').map((part) => new URLSearchParams(`x=${part}`).get('x'));
    if (id !== this.clientId || secret !== this.clientSecret) return refuse('invalid_client');
    const granted = this.#codes.get(form.get('code') ?? '');
    this.#codes.delete(form.get('code') ?? '');
    if (!granted || granted.redirectUri !== form.get('redirect_uri')) return refuse('invalid_grant');
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (challenge !== granted.challenge) return refuse('invalid_grant: pkce');
    const now = Math.floor(Date.now() / 1000);
    const claims = this.lie({
      ...granted.claims,
      iss: this.issuer,
      aud: this.clientId,
      nonce: granted.nonce,
      iat: now,
      exp: now + 300,
    });
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: this.#kid })
      .sign(this.#signer ?? this.#published.get(this.#kid)!.privateKey);
    return [200, { id_token: token, access_token: 'access', token_type: 'Bearer' }];
  }
}
