import { choose, refuseUnfitNames } from './choose.js';
import { Failure } from './failure.js';
import { readInputs } from './inputs.js';
import { githubToken, login, readSecrets, revoke } from './kms.js';
import { masksOf } from './masks.js';
import { append, command } from './runner.js';

/** The step of action.yaml: everything is read and judged before the job gets anything of it. */
async function main(env) {
  if (typeof fetch !== 'function' || typeof URL.canParse !== 'function')
    throw new Failure(`the runner has Node ${process.versions.node}: 18.17 or newer is needed`);
  const inputs = readInputs(env);
  const mask = (value) => masksOf(value).map((text) => command('add-mask', text));
  const token = await login(inputs.url, await credentialsOf(inputs.login, env, mask));
  mask(token);
  const values = await readAndRevoke(token, inputs);
  const chosen = choose(values, inputs.keys);
  const toEnv = inputs.exportTo !== 'outputs';
  if (toEnv) refuseUnfitNames([...chosen.keys()]);
  [...chosen.values()].forEach(mask);
  if (toEnv) append(env.GITHUB_ENV, chosen);
  if (inputs.exportTo !== 'env') append(env.GITHUB_OUTPUT, [['secrets', JSON.stringify(Object.fromEntries(chosen))]]);
  process.stdout.write(`${chosen.size} secrets of ${inputs.project} in ${inputs.environment}\n`);
}

async function credentialsOf({ identityId, audience, ...universal }, env, mask) {
  if (identityId === undefined) {
    mask(universal.clientSecret);
    return universal;
  }
  const jwt = await githubToken(env, audience);
  mask(jwt);
  return { identityId, jwt };
}

async function readAndRevoke(token, inputs) {
  try {
    return await readSecrets(inputs.url, token, inputs);
  } finally {
    // It ends by itself after its time.
    await revoke(inputs.url, token).catch(({ message }) => command('warning', `the token was not revoked: ${message}`));
  }
}

await main(process.env).catch((error) => {
  command('error', `KMS: ${error instanceof Failure ? error.message : 'an unexpected answer'}`);
  process.exitCode = 1;
});
