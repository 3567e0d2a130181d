import { Failure } from './failure.js';

/** The action's inputs, all of them looked at before anything is sent. @throws Failure that names the input */
export function readInputs(env) {
  const given = (input) => (env[`KMS_ACTION_${input.replaceAll('-', '_').toUpperCase()}`] ?? '').trim();
  const needed = (input, why = '') => {
    if (given(input) === '') throw new Failure(`the input ${input} is empty${why}`);
    return given(input);
  };
  const oneOf = (input, words) => {
    if (words.includes(given(input))) return given(input);
    throw new Failure(`the input ${input} is ${JSON.stringify(given(input))}: write one of ${words.join(', ')}`);
  };
  const url = addressOf(needed('url'));
  const method = oneOf('method', ['universal', 'oidc']);
  const forMethod = `, which method ${method} needs`;
  return {
    url,
    login:
      method === 'oidc'
        ? { identityId: needed('identity-id', forMethod), audience: given('audience') || given('url') }
        : { clientId: needed('client-id', forMethod), clientSecret: needed('client-secret', forMethod) },
    project: needed('project'),
    environment: needed('environment'),
    path: given('path') || '/',
    recursive: oneOf('recursive', ['true', 'false']) === 'true',
    keys: chosenKeys(given('keys')),
    exportTo: oneOf('export-to', ['env', 'outputs', 'both']),
  };
}

/** Hosts that are spoken to without TLS: this machine, and Services of the cluster that a runner is in. */
const PLAIN = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\]|[a-z0-9-]+\.[a-z0-9-]+\.svc(\.cluster\.local)?)$/;

function addressOf(text) {
  const url = URL.canParse(text) ? new URL(text.endsWith('/') ? text : `${text}/`) : undefined;
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && PLAIN.test(url.hostname));
  if (safe && url.username === '' && url.password === '' && url.search === '' && url.hash === '') return url;
  throw new Failure('the input url is no address such as https://kms.hanzo.ai; secrets do not travel over plain http');
}

/** `KEY` and `KEY as NAME`, by the name that each gets. */
function chosenKeys(text) {
  const chosen = new Map();
  for (const part of text.split(/[\n,]/).map((each) => each.trim())) {
    if (part === '') continue;
    const [, key = part, name = part] = /^(.*?)\s+as\s+(.*)$/.exec(part) ?? [];
    if (chosen.has(name)) throw new Failure(`the input keys gives the name ${name} twice`);
    chosen.set(name, key);
  }
  return chosen;
}
