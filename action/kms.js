import { Failure } from './failure.js';

const TRIES = 4;
const TIMEOUT_MS = 15_000;
const LONGEST_PAUSE_MS = 10_000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One answer, after as many tries as make sense. Redirects are not followed: credentials go where the workflow says. */
async function ask(url, { who, ...init }) {
  for (let tried = 1; ; tried++) {
    const answer = await fetch(url, {
      ...init,
      headers: { 'user-agent': 'kms-action', ...init.headers },
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((error) => new Failure(`${who} cannot be reached at ${url.origin}: ${error.cause?.code ?? error.name}`));
    const passing = answer instanceof Failure || answer.status === 429 || answer.status >= 500;
    if (!passing || tried === TRIES) return read(answer, who);
    const asked = answer instanceof Failure ? 0 : Number(answer.headers.get('retry-after')) * 1000;
    await pause(Math.min(LONGEST_PAUSE_MS, asked || 250 * 2 ** tried));
  }
}

async function read(answer, who) {
  if (answer instanceof Failure) throw answer;
  const body = await answer.json().catch(() => undefined);
  if (answer.ok && body !== undefined) return body;
  const said = typeof body?.message === 'string' ? `: ${body.message}` : '';
  throw new Failure(`${who} answers ${answer.status}${said}`);
}

const at = (base, path, query = {}) => {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
};

const post = (url, body) =>
  ask(url, {
    who: 'KMS',
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

/**
 * GitHub's token for this job. The runner offers it when the job may have one.
 *
 * @throws Failure that says which permission is missing
 */
export async function githubToken(env, audience) {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: from, ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer } = env;
  if (!from || !bearer)
    throw new Failure('GitHub offers this job no OIDC token: give it `permissions` with `id-token: write`');
  const headers = { authorization: `Bearer ${bearer}`, accept: 'application/json' };
  const { value } = await ask(at(from, '', { audience }), { who: 'GitHub', headers });
  return value;
}

/** An access token, which the caller revokes. */
export async function login(base, credentials) {
  const way = 'jwt' in credentials ? 'oidc-auth' : 'universal-auth';
  const { accessToken } = await post(at(base, `api/v1/auth/${way}/login`), credentials);
  if (typeof accessToken !== 'string') throw new Failure('what answers at the input url is not KMS');
  return accessToken;
}

/** Values by key: with imports, references expanded; a folder's own win over imported ones. */
export async function readSecrets(base, token, { project, environment, path, recursive }) {
  const query = {
    ...{ workspaceSlug: project, environment, secretPath: path, recursive: String(recursive) },
    ...{ includeImports: 'true', expandSecretReferences: 'true' },
  };
  const { imports, secrets } = await ask(at(base, 'api/v3/secrets/raw', query), {
    who: 'KMS',
    headers: { authorization: `Bearer ${token}` },
  });
  const values = new Map();
  const folders = new Map();
  for (const { secretKey, secretValue, secretValueHidden } of [...imports.flatMap((each) => each.secrets), ...secrets])
    values.set(secretKey, secretValueHidden ? undefined : secretValue);
  for (const { secretKey, secretPath } of secrets) {
    const other = folders.get(secretKey);
    if (other !== undefined) throw new Failure(`${secretKey} is in ${other} and in ${secretPath}`);
    folders.set(secretKey, secretPath);
  }
  return values;
}

export async function revoke(base, token) {
  await post(at(base, 'api/v1/auth/token/revoke'), { accessToken: token });
}
