import type { FastifyContextConfig } from 'fastify';

/**
 * Requests an identity, or an address, may make in a minute. The classes are Infisical's, and `machine` besides: logins of
 * machines, whose secrets nobody can guess, are many where people's are few.
 *
 * Identities have so much that only a loop gone wrong meets its limit: one service may read 20,000 times a second. What
 * strangers can do without a token is counted by their address, and what is dear or can be guessed (people's passwords and
 * their second factor, invitations) has Infisical's numbers.
 */
export const DEFAULT_LIMITS = {
  secrets: 1_200_000,
  read: 1_200_000,
  write: 600_000,
  creation: 60_000,
  machine: 600_000,
  auth: 60,
  mfa: 20,
  invite: 30,
  public: 600,
} as const;

/** What a request is counted as. */
export type LimitClass = keyof typeof DEFAULT_LIMITS;

/** Requests a minute, by class; one that is missing is not limited. */
export type Limits = Readonly<Partial<Record<LimitClass, number>>>;

const LIMIT_CLASSES = Object.keys(DEFAULT_LIMITS) as LimitClass[];

/**
 * Reads KMS_RATE_LIMITS: `off` for no limits at all, or the classes that differ from the defaults, such as
 * `auth=120,public=off`.
 *
 * @throws Error that says what is wrong
 */
export function parseLimits(text: string): Limits {
  if (text.trim() === 'off') return {};
  const limits: Partial<Record<LimitClass, number>> = { ...DEFAULT_LIMITS };
  for (const part of text.split(',').map((one) => one.trim())) {
    if (part === '') continue;
    const [, name, number] = /^([a-z]+)=(off|\d{1,9})$/.exec(part) ?? [];
    if (!LIMIT_CLASSES.includes(name as LimitClass) || number === '0') {
      throw new Error(
        `must be "off", or classes (${LIMIT_CLASSES.join(', ')}) with a number of requests a minute, such as auth=120,public=off`,
      );
    }
    if (number === 'off') delete limits[name as LimitClass];
    else limits[name as LimitClass] = Number(number);
  }
  return limits;
}

interface Route {
  readonly method: string;
  readonly url: string;
  readonly config: FastifyContextConfig | undefined;
}

const MACHINE_LOGIN = /^\/api\/v1\/auth\/(universal-auth|oidc-auth|kubernetes-auth|token-auth|token)\//;
const SECRETS = /^\/api\/v\d\/secrets\b/;
/** What is made by these is dear to make, or there for long. */
const CREATION = /^\/api\/v\d\/(projects|workspace|identities|organizations?)$/;

/** The class of a route; the route itself may name another (`config.rateLimit`), or none (`false`). */
export function classOf({ method, url, config }: Route): LimitClass | false {
  if (config?.rateLimit !== undefined) return config.rateLimit;
  if (/\bmfa\b|totp/.test(url)) return 'mfa';
  if (config?.public) {
    if (MACHINE_LOGIN.test(url)) return 'machine';
    if (/invit|signup/.test(url)) return 'invite';
    return /\/auth\/|^\/api\/v1\/admin\/.|\/password|\/sso/.test(url) && method !== 'GET' ? 'auth' : 'public';
  }
  if (method === 'GET') return SECRETS.test(url) ? 'secrets' : 'read';
  return method === 'POST' && CREATION.test(url) ? 'creation' : 'write';
}
