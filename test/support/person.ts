import { Authenticator } from './authenticator.ts';
import type { Answer, TestServer } from './server.ts';

/** Somebody with a browser: keeps the cookies that the server sets, and sends them where their paths say. */
export class Browser {
  readonly #server: TestServer;
  readonly #cookies = new Map<string, { value: string; path: string }>();
  /** Headers that every request has. */
  readonly headers: Record<string, string> = { 'user-agent': 'a browser' };

  constructor(server: TestServer) {
    this.#server = server;
  }

  async send(
    method: string,
    url: string,
    options: { token?: string | undefined; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const cookie = [...this.#cookies]
      .filter(([, { path }]) => url.startsWith(path))
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ');
    const headers = { ...this.headers, ...(cookie === '' ? {} : { cookie }), ...options.headers };
    const answer = await this.#server.send(method, url, { ...options, headers });
    for (const line of [answer.headers['set-cookie'] ?? []].flat() as string[]) this.#keep(line);
    return answer;
  }

  cookie(name: string): string | undefined {
    return this.#cookies.get(name)?.value;
  }

  setCookie(name: string, value: string, path: string): void {
    this.#cookies.set(name, { value, path });
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split('; ');
    const [name = '', value = ''] = pair.split(/=(.*)/s);
    const path = attributes.find((attribute) => attribute.startsWith('Path='))?.slice(5) ?? '/';
    if (attributes.includes('Max-Age=0')) this.#cookies.delete(name);
    else this.#cookies.set(name, { value, path });
  }
}

export const PASSWORD = 'seven unrelated swans glide';

/** A person with a password, member of an organization. */
export class Person extends Browser {
  readonly email: string;
  readonly server: TestServer;
  password = PASSWORD;
  id = '';
  membershipId = '';
  authenticator: Authenticator | undefined;

  constructor(server: TestServer, email: string) {
    super(server);
    this.server = server;
    this.email = email;
  }

  /** Logs in; the token reaches the account alone. */
  async login(): Promise<string> {
    const answer = await this.send('POST', '/api/v3/auth/login', {
      body: { email: this.email, password: this.password },
    });
    if (answer.status !== 200) throw new Error(`login of ${this.email}: ${answer.status} ${answer.text}`);
    return answer.body.accessToken;
  }

  /** Logs in and enters an organization, with the second factor if there is one. */
  async enter(organizationId = this.server.organizationId): Promise<string> {
    const { status, body, text } = await this.select(await this.login(), organizationId);
    if (status !== 200) throw new Error(`${this.email} enters: ${status} ${text}`);
    if (!body.isMfaEnabled) return body.token;
    const verified = await this.send('POST', '/api/v2/auth/mfa/verify', {
      token: body.token,
      body: { mfaToken: await this.freshCode(), mfaMethod: 'totp' },
    });
    if (verified.status !== 200) throw new Error(`${this.email} verifies: ${verified.status} ${verified.text}`);
    return verified.body.token;
  }

  /** A code that counts as new, though a real owner would have to wait for one. */
  async freshCode(): Promise<string> {
    await this.server.sql.query('update totp_factors set last_step = 0 where user_id = $1', [this.id]);
    return this.authenticator!.code();
  }

  select(token: string, organizationId = this.server.organizationId): Promise<Answer> {
    return this.send('POST', '/api/v3/auth/select-organization', { token, body: { organizationId } });
  }

  /** Sets up a second factor. What it answers are the recovery codes. */
  async setUpMfa(): Promise<string[]> {
    const token = await this.login();
    const { body, status, text } = await this.send('POST', '/api/v1/user/me/totp/register', { token });
    if (status !== 200) throw new Error(`register: ${status} ${text}`);
    this.authenticator = new Authenticator(body.otpUrl);
    const totp = await this.authenticator.code();
    const verified = await this.send('POST', '/api/v1/user/me/totp/verify', { token, body: { totp } });
    if (verified.status !== 200) throw new Error(`verify: ${verified.status} ${verified.text}`);
    return body.recoveryCodes;
  }
}

/** Makes a person by invitation: with a password, and a member of the organization. */
export async function invitePerson(
  server: TestServer,
  email: string,
  at: { organizationId?: string; role?: string; projects?: unknown; by?: string } = {},
): Promise<Person> {
  const { organizationId = server.organizationId, role = 'member', projects, by = server.admin } = at;
  const code = await inviteCode(server, email, { organizationId, role, projects, by });
  const person = new Person(server, email);
  const answer = await person.send('POST', '/api/v3/signup/complete-account/invite', {
    token: code,
    body: { email, password: PASSWORD, firstName: 'Ada', lastName: 'Lovelace' },
  });
  if (answer.status !== 200) throw new Error(`${email} signs up: ${answer.status} ${answer.text}`);
  person.id = answer.body.user.id;
  const { rows } = await server.sql.query(
    'select id from organization_memberships where actor_id = $1 and organization_id = $2',
    [person.id, organizationId],
  );
  person.membershipId = rows[0].id;
  return person;
}

/** Invites an address; the token out of its link. */
export async function inviteCode(
  server: TestServer,
  email: string,
  at: { organizationId?: string; role?: string; projects?: unknown; by?: string } = {},
): Promise<string> {
  const { organizationId = server.organizationId, role = 'member', projects, by = server.admin } = at;
  const body = { inviteeEmails: [email], organizationId, organizationRoleSlug: role, projects };
  const { completeInviteLinks } = await server.do('POST', '/api/v1/invite-org/signup', { token: by, body });
  return codeOf(completeInviteLinks[0].link);
}

export const codeOf = (link: string): string => new URL(link, 'https://kms.test').searchParams.get('token')!;
