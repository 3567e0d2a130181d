import { Kms, type KmsError, Unauthorized } from '../../sdk/index.ts';
import { addressOf, type Login, loginsFile, readLogins, writeLogins } from '../logins/logins.ts';
import { findReach } from '../logins/reach.ts';
import { findRepository } from '../logins/repository-file.ts';
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
}

/**
 * Logs a person in by password and second factor, and keeps the token in a file of mode 0600. At a terminal it asks; otherwise standard input
 * has the password in its first line, and the code in its second.
 */
export async function logIn(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  options: LoginOptions,
): Promise<number> {
  const file = loginsFile(environment);
  const kept = await readLogins(file);
  const repository = await findRepository(process.cwd());
  const url = addressToLogInTo(options.url ?? environment.KMS_URL?.trim(), kept.current, repository.url);
  const ask = await asker(terminal);
  const email = options.email ?? (await ask('E-mail address', false));
  const password = await ask(`Password of ${email} at ${url}`, true);
  const account = await new Kms({ url, userAgent: USER_AGENT }).people.logIn(email, password);
  const mine = new Kms({ url, userAgent: USER_AGENT, credentials: { token: account } }).people;
  const organizations = await mine.organizations();
  const slug = options.org ?? repository.org;
  const [first] = organizations;
  const organization =
    slug === undefined && organizations.length === 1 ? first : organizations.find((each) => each.slug === slug);
  if (!organization) {
    const slugs = organizations.map((each) => each.slug).join(', ') || 'none';
    throw new UserError(
      slug === undefined
        ? `you belong to several organizations or to none: ${slugs}`
        : `you do not belong to "${slug}", but to: ${slugs}`,
      'name one by --org',
    );
  }
  const entered = await mine.enter(organization.id);
  const token = entered.isMfaEnabled
    ? await new Kms({ url, userAgent: USER_AGENT, credentials: { token: entered.token } }).people.verify(
        await ask('Code of your authenticator, or a recovery code', true),
      )
    : entered.token;
  const login: Login = { email, organization: organization.slug, token, at: new Date().toISOString() };
  await writeLogins(file, { current: url, logins: { ...kept.logins, [url]: login } });
  say(terminal, `logged in to ${url} as ${email}, organization ${organization.slug}`);
  return 0;
}

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
  if (url && URL.canParse(url)) return addressOf(url);
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
  const file = loginsFile(environment);
  const { current, logins } = await readLogins(file);
  const given = options.url ?? environment.KMS_URL?.trim() ?? (await findRepository(process.cwd())).url ?? current;
  const url = given && URL.canParse(given) ? addressOf(given) : undefined;
  const login = url === undefined ? undefined : logins[url];
  if (url === undefined || !login) {
    say(terminal, `not logged in${url === undefined ? '' : ` to ${url}`}: there was nothing to do`);
    return 0;
  }
  let left: unknown;
  await new Kms({ url, userAgent: USER_AGENT, retries: 1, credentials: { token: login.token } }).people
    .logOut()
    .catch((error: KmsError) => {
      // A session that is over needs no end.
      if (!(error instanceof Unauthorized)) left = error;
    });
  const { [url]: _, ...others } = logins;
  await writeLogins(file, { ...(current === url ? {} : { current }), logins: others });
  if (left === undefined) say(terminal, `logged out of ${url}`);
  else
    say(
      terminal,
      `the token for ${url} is forgotten here, and the session goes on there: ${failureOf(left).errors.join('; ')}`,
    );
  return left === undefined ? 0 : 1;
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
    login !== undefined && credentials !== undefined && 'token' in credentials && credentials.token === login.token;
  // Answers only to who is known: a token that was refused must not look like one that works.
  const projects = credentials ? (await kms.projects.list()).map(({ slug }) => slug).toSorted() : [];
  const who = isLogin
    ? `${login.email} (${login.organization})`
    : credentials
      ? (kms.identityId ?? 'a token')
      : 'nobody';
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
