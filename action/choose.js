import { Failure } from './failure.js';

/** What the job gets, by name: the chosen keys, or all. @throws Failure that names each key that is not there or not readable */
export function choose(values, keys) {
  const chosen = keys.size > 0 ? keys : new Map([...values.keys()].map((key) => [key, key]));
  const missing = [...chosen.values()].filter((key) => !values.has(key));
  if (missing.length > 0) throw new Failure(`the folder has no ${missing.join(', ')}`);
  const hidden = [...chosen.values()].filter((key) => values.get(key) === undefined);
  if (hidden.length > 0) throw new Failure(`this identity may know of ${hidden.join(', ')} and not read the value`);
  return new Map([...chosen].map(([name, key]) => [name, values.get(key)]));
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** What the runner keeps for itself, or reads as an input of other actions. */
const RUNNERS_OWN = /^(GITHUB|RUNNER|ACTIONS|INPUT)_/i;
/** As in sdk/loaders.ts: who may write a secret could run code in every job. */
const LOADERS =
  /^(PATH|LD_.*|DYLD_.*|NODE_OPTIONS|NODE_PATH|BASH_ENV|ENV|IFS|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|PYTHONPATH|PYTHONSTARTUP|PYTHONHOME|PERL5LIB|PERL5OPT|RUBYOPT|RUBYLIB|JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|GIT_SSH_COMMAND|GCONV_PATH)$/;

/** @throws Failure that names what cannot be, or must not be, a variable of the job */
export function refuseUnfitNames(names) {
  const unfit = names.filter((name) => !IDENTIFIER.test(name) || RUNNERS_OWN.test(name) || LOADERS.test(name));
  if (unfit.length > 0)
    throw new Failure(
      `no variable of a job is called ${unfit.map((name) => JSON.stringify(name)).join(', ')}: choose keys, with "KEY as NAME", or export to outputs`,
    );
}
