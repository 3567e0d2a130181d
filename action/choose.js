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
  /^(PATH|PATHEXT|COMSPEC|HOME|USERPROFILE|XDG_CONFIG_HOME|SHELL|ZDOTDIR|LD_.*|DYLD_.*|GLIBC_TUNABLES|GCONV_PATH|BASH_ENV|BASH_FUNC_.*|ENV|IFS|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|EDITOR|VISUAL|PAGER|BROWSER|LESSOPEN|LESSCLOSE|NODE_OPTIONS|NODE_PATH|NODE_REPL_EXTERNAL_MODULE|NODE_TLS_REJECT_UNAUTHORIZED|BUN_OPTIONS|NPM_CONFIG_.*|YARN_YARN_PATH|PYTHONPATH|PYTHONSTARTUP|PYTHONHOME|PYTHONBREAKPOINT|PYTHONWARNINGS|PYTHONINSPECT|PYTHONUSERBASE|PERLLIB|PERL5LIB|PERL5OPT|PERL5DB|PERL5SHELL|RUBYOPT|RUBYLIB|RUBYSHELL|GEM_HOME|GEM_PATH|BUNDLE_GEMFILE|JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|_JAVA_OPTIONS|JAVA_OPTS|MAVEN_OPTS|GRADLE_OPTS|CLASSPATH|DOTNET_STARTUP_HOOKS|DOTNET_ADDITIONAL_DEPS|CORECLR_.*|COR_PROFILER.*|COR_ENABLE_PROFILING|PHPRC|PHP_INI_SCAN_DIR|LUA_INIT.*|LUA_PATH.*|LUA_CPATH.*|ERL_FLAGS|ERL_AFLAGS|ERL_ZFLAGS|ERL_LIBS|ELIXIR_ERL_OPTIONS|R_PROFILE.*|R_ENVIRON.*|GOFLAGS|RUSTFLAGS|RUSTC_WRAPPER|RUSTC_WORKSPACE_WRAPPER|MAKEFLAGS|GIT_CONFIG.*|GIT_DIR|GIT_EXEC_PATH|GIT_TEMPLATE_DIR|GIT_SSH|GIT_SSH_COMMAND|GIT_PROXY_COMMAND|GIT_ASKPASS|GIT_EDITOR|GIT_SEQUENCE_EDITOR|GIT_PAGER|GIT_EXTERNAL_DIFF|SSH_ASKPASS|SUDO_ASKPASS|OPENSSL_CONF|OPENSSL_ENGINES|OPENSSL_MODULES|KMS_URL|INFISICAL_API_URL|INFISICAL_DOMAIN)$/i;

/** @throws Failure that names what cannot be, or must not be, a variable of the job */
export function refuseUnfitNames(names) {
  const unfit = names.filter((name) => !IDENTIFIER.test(name) || RUNNERS_OWN.test(name) || LOADERS.test(name));
  if (unfit.length > 0)
    throw new Failure(
      `no variable of a job is called ${unfit.map((name) => JSON.stringify(name)).join(', ')}: choose keys, with "KEY as NAME", or export to outputs`,
    );
}
