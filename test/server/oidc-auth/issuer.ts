import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { newAuthority } from '../../support/certificates.ts';
import { type Listener, listen } from '../../support/listener.ts';

/** An issuer of tokens on 127.0.0.1, over TLS under its own CA: what GitHub or a cluster is to the server. */
export class Issuer {
  readonly ca: string;
  readonly listener: Listener;
  /** The keys that it publishes, by their ids. */
  readonly keys = new Map<string, { privateKey: KeyObject; publicKey: KeyObject }>();
  current = '';
  /** Answers nothing but this, when set. */
  broken: number | undefined;
  extraKeys: object[] = [];

  private constructor(ca: string, listener: Listener) {
    this.ca = ca;
    this.listener = listener;
  }

  static async start(): Promise<Issuer> {
    const authority = newAuthority();
    let issuer: Issuer | undefined;
    const listener = await listen((request, response) => {
      if (issuer!.broken) response.writeHead(issuer!.broken).end();
      else if (request.url === '/.well-known/openid-configuration') {
        response.end(JSON.stringify({ issuer: issuer!.url, jwks_uri: `${issuer!.url}/keys` }));
      } else response.end(JSON.stringify({ keys: issuer!.published() }));
    }, authority.issue('127.0.0.1'));
    issuer = new Issuer(authority.cert, listener);
    issuer.rotate('first');
    return issuer;
  }

  get url(): string {
    return `https://127.0.0.1:${this.listener.port}`;
  }

  /** Takes a new key into use; those before stay published until `forget`. */
  rotate(kid: string, type: 'rsa' | 'ec' = 'rsa'): void {
    this.keys.set(
      kid,
      type === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    );
    this.current = kid;
  }

  forget(kid: string): void {
    this.keys.delete(kid);
  }

  published(): object[] {
    const own = [...this.keys].map(([kid, { publicKey }]) => ({
      ...publicKey.export({ format: 'jwk' }),
      kid,
      use: 'sig',
    }));
    return [...own, ...this.extraKeys];
  }

  /** A token as its issuer makes it; `claims` and `header` replace or (as undefined) leave out what is usual. */
  async token(claims: Record<string, unknown> = {}, header: { kid?: string; alg?: string } = {}): Promise<string> {
    const kid = header.kid ?? this.current;
    const { privateKey } = this.keys.get(kid)!;
    const alg = header.alg ?? (privateKey.asymmetricKeyType === 'ec' ? 'ES256' : 'RS256');
    return new SignJWT(this.claims(claims)).setProtectedHeader({ alg, kid }).sign(privateKey);
  }

  claims(more: Record<string, unknown> = {}): Record<string, unknown> {
    const now = Math.floor(Date.now() / 1000);
    const usual = {
      iss: this.url,
      aud: 'kms',
      sub: 'repo:hanzoai/gateway:ref:refs/heads/main',
      iat: now,
      exp: now + 300,
    };
    return Object.fromEntries(Object.entries({ ...usual, ...more }).filter(([, value]) => value !== undefined));
  }

  /** A token that nobody signed, or that was signed with HMAC under whatever bytes. */
  forged(alg: string, secret?: string | Buffer, header: object = { kid: this.current }): string {
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const signed = `${encode({ alg, ...header })}.${encode(this.claims())}`;
    const hash = alg.replace('HS', 'sha');
    return `${signed}.${secret === undefined ? '' : createHmac(hash, secret).update(signed).digest('base64url')}`;
  }

  publicPem(): string {
    return createPublicKey(this.keys.get(this.current)!.publicKey.export({ format: 'pem', type: 'spki' }))
      .export({ format: 'pem', type: 'spki' })
      .toString();
  }

  fetches(): number {
    return this.listener.seen.filter((line) => line === 'GET /keys').length;
  }

  close(): Promise<void> {
    return this.listener.close();
  }
}
