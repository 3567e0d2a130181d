import { Kms, Unauthorized } from '../../sdk/index.ts';
import { listenForCode } from '../logins/browser.ts';
import { cookieJar } from '../logins/cookie.ts';
import { addressOf, type Login, loginsFile, readLogins } from '../logins/logins.ts';
import { hasBrowser, openBrowser } from '../logins/open-browser.ts';
import { findReach } from '../logins/reach.ts';
import { findRepository } from '../logins/repository-file.ts';
import { forgetLogin, keepLogin, STORES, type Tokens, tokensOf } from '../logins/tokens.ts';
import { UserError } from '../problem.ts';
import { failureOf } from '../terminal/failure.ts';
import { print, printJson, readStdin, say, type Terminal } from '../terminal/terminal.ts';

const USER_AGENT = 'kms-cli';

/** Options of `kms login`. */
export interface LoginOptions {
  /** Where KMS answers. @default - KMS_URL, .kms.yaml, or the last login's */
  readonly url?: string;
  readonly email?: string;
  /** The organization's slug, for who has several. */
  readonly org?: string;
  /** Log in by browser, even where none is seen: its address is shown. */
  readonly browser?: boolean;
  /** Ask for the password here. */
  readonly password?: boolean;
  /** Where the token is kept. @default - the keychain where there is one */
  readonly store?: string;
}

/** Somebody who is logged in. */
interface LoggedIn extends Tokens {
  readonly email: string;
  readonly organization: string;
}

/**
 * Logs a person in, by browser or by password and second factor, and keeps the token in the keychain or in a file of mode 0600. Standard input
 * that is no terminal has the password in its first line, and the code in its second.
 */
export async function logIn(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  options: LoginOptions,
): Promise<number> {
  const store = STORES.find((each) => each === options.store);
  if (options.store !== undefined && !store) throw new UserError(`--store: use one of ${STORES.join(', ')}`);
  const kept = await readLogins(loginsFile(environment));
  const repository = await findRepository(process.cwd());
  const url = addressToLogInTo(options.url ?? environment.KMS_URL?.trim(), kept.current, repository.url);
  const asksHere = options.password || options.email !== undefined || !terminal.stdin.isTTY;
  const byBrowser = options.browser || (!asksHere && hasBrowser(environment) && (await hasPage(url)));
  const { email, organization, token, refresh } = byBrowser
    ? await logInByBrowser(terminal, environment, url)
    : await logInByPassword(terminal, url, { email: options.email, org: options.org ?? repository.org });
  const login = { email, organization, at: new Date().toISOString() };
  const where = await keepLogin(environment, url, login, { token, refresh }, store);
  const place = where === 'keychain' ? 'the keychain' : loginsFile(environment);
  say(terminal, `logged in to ${url} as ${email}, organization ${organization} (kept in ${place})`);
  return 0;
}

async function logInByBrowser(terminal: Terminal, environment: NodeJS.ProcessEnv, url: string): Promise<LoggedIn> {
  if (!(await hasPage(url)))
    throw new UserError(`${url} has no page to log in at`, 'kms login --password does without a browser');
  const listening = await listenForCode(url);
  try {
    say(
      terminal,
      `Your browser opens ${listening.address}`,
      `and shows ${listening.words} when it asks for this command line.`,
    );
    openBrowser(environment, listening.address);
    const { code, verifier } = await listening.brought;
    const answer = await new Kms({ url, userAgent: USER_AGENT }).people.redeem(code, verifier);
    const { email, organizationSlug: organization, token, refreshToken: refresh } = answer;
    return { email, organization, token, refresh };
  } finally {
    listening.close();
  }
}

/** Whether a server has the page: older ones, and others of this API, have none. */
async function hasPage(url: string): Promise<boolean> {
  const asked = fetch(`${url}/login/command-line`, { redirect: 'error', signal: AbortSignal.timeout(5_000) });
  const { status, headers } = await asked.catch(() => ({ status: 0, headers: new Headers() }));
  return status === 200 && (headers.get('content-type') ?? '').startsWith('text/html');
}

async function logInByPassword(
  terminal: Terminal,
  url: string,
  given: { readonly email: string | undefined; readonly org: string | undefined },
): Promise<LoggedIn> {
  const jar = cookieJar();
  const at = (token?: string) =>
    new Kms({
      url,
      userAgent: USER_AGENT,
      fetch: jar.fetch,
      ...(token === undefined ? {} : { credentials: { token } }),
    }).people;
  const ask = await asker(terminal);
  const email = given.email ?? (await ask('E-mail address', false));
  const password = await ask(`Password of ${email} at ${url}`, true);
  const mine = at(await at().logIn(email, password));
  const organizations = await mine.organizations();
  const [first] = organizations;
  const organization =
    given.org === undefined && organizations.length === 1
      ? first
      : organizations.find((each) => each.slug === given.org);
  if (!organization) {
    const slugs = organizations.map((each) => each.slug).join(', ') || 'none';
    throw new UserError(
      given.org === undefined
        ? `you belong to several organizations or to none: ${slugs}`
        : `you do not belong to "${given.org}", but to: ${slugs}`,
      'name one by --org',
    );
  }
  const entered = await mine.enter(organization.id);
  const token = entered.isMfaEnabled
    ? await at(entered.token).verify(await ask('Code of your authenticator, or a recovery code', true))
    : entered.token;
  return { email, organization: organization.slug, token, refresh: jar.refresh() };
}

/** Hosts to which a password goes without TLS: this machine, and Services of the cluster that this runs in. */
const PLAIN = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\]|[a-z0-9-]+\.[a-z0-9-]+\.svc(\.cluster\.local)?)$/;

/** A password goes to no address that only a file in a repository names: whoever wrote it could be collecting them. */
function addressToLogInTo(
  named: string | undefined,
  last: string | undefined,
  repositoryUrl: string | undefined,
): string {
  const url = named || last;
  if (!named && repositoryUrl !== undefined && (!last || addressOf(repositoryUrl) !== last))
    throw new UserError(
      `.kms.yaml names ${repositoryUrl}, where you have not logged in yet`,
      `if that is your KMS: kms login --url ${repositoryUrl}`,
    );
  if (url && URL.canParse(url)) {
    const { protocol, hostname } = new URL(url);
    if (protocol !== 'https:' && !PLAIN.test(hostname))
      throw new UserError(
        `a password does not travel over plain http to ${hostname}`,
        'name the address with https://',
      );
    return addressOf(url);
  }
  throw new UserError('it is not said where KMS is', 'name it by --url or KMS_URL');
}

/** Asks at a terminal, or takes the lines of standard input in order. */
async function asker(terminal: Terminal): Promise<(question: string, isSecret: boolean) => Promise<string>> {
  if (!terminal.stdin.isTTY) {
    const lines = (await readStdin(terminal)).split(/\r?\n/);
    return async (question) => {
      const line = lines.shift();
      if (line) return line;
      throw new UserError(`standard input ended where this was to come: ${question}`);
    };
  }
  const prompts = await import('@clack/prompts');
  return async (message, isSecret) => {
    const answer = await (isSecret ? prompts.password : prompts.text)({ message, output: terminal.stderr });
    if (typeof answer === 'string' && answer !== '') return answer;
    throw new UserError('not logged in');
  };
}

/** Ends a session at the server and forgets its token. */
export async function logOut(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  options: { readonly url?: string },
): Promise<number> {
  const { current, logins } = await readLogins(loginsFile(environment));
  const given = options.url ?? environment.KMS_URL?.trim() ?? (await findRepository(process.cwd())).url ?? current;
  const url = given && URL.canParse(given) ? addressOf(given) : undefined;
  const login = url === undefined ? undefined : logins[url];
  if (url === undefined || !login) {
    say(terminal, `not logged in${url === undefined ? '' : ` to ${url}`}: there was nothing to do`);
    return 0;
  }
  const left = await endSession(url, login);
  await forgetLogin(environment, url);
  if (left === undefined) say(terminal, `logged out of ${url}`);
  else
    say(
      terminal,
      `the token for ${url} is forgotten here, and the session goes on there: ${failureOf(left).errors.join('; ')}`,
    );
  return left === undefined ? 0 : 1;
}

/** Ends it by whichever of its tokens is still good. What went wrong, if so. */
async function endSession(url: string, login: Login): Promise<unknown> {
  try {
    const { token, refresh } = await tokensOf(url, login);
    const jar = cookieJar(refresh);
    const { people } = new Kms({ url, userAgent: USER_AGENT, retries: 1, fetch: jar.fetch, credentials: { token } });
    await (refresh === undefined ? people.logOut() : people.logOutByCookie());
    return undefined;
  } catch (error) {
    // A session that is over needs no end.
    return error instanceof Unauthorized ? undefined : error;
  }
}

/** Tells where KMS is, whether it serves, who asks, and which folder is meant here. */
export async function status(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  options: { readonly state: string; readonly json?: boolean },
): Promise<number> {
  const repository = await findRepository(process.cwd());
  const { connection, credentials } = await findReach(environment, options.state, repository.url);
  const kms = new Kms({ ...connection, ...(credentials ? { credentials } : {}) });
  const server = await kms.admin.status();
  const { logins } = await readLogins(loginsFile(environment));
  const login = logins[addressOf(connection.url)];
  const isLogin =
    login !== undefined &&
    credentials !== undefined &&
    'token' in credentials &&
    credentials.token === (await tokensOf(addressOf(connection.url), login)).token;
  // Answers only to who is known: a token that was refused must not look like one that works.
  const projects = credentials ? (await kms.projects.list()).map(({ slug }) => slug).toSorted() : [];
  const who = isLogin
    ? `${login.email} (${login.organization})`
    : !credentials
      ? 'nobody'
      : kms.identityId === undefined
        ? 'a token'
        : `machine identity ${kms.identityId}`;
  const { file, project, env, path } = repository;
  if (options.json) {
    const folder = file === undefined ? null : { file, project, env, path };
    printJson(terminal, { url: connection.url, version: server.version, who, projects, folder });
    return 0;
  }
  print(
    terminal,
    `KMS      ${connection.url} (version ${server.version})`,
    `you      ${who}`,
    `projects ${projects.join(', ') || 'none'}`,
    `folder   ${file === undefined ? 'no .kms.yaml here' : `${project ?? '?'} ${env ?? '?'} ${path ?? '/'} (${file})`}`,
  );
  return 0;
}
