/**
 * Whether a variable decides which code a program runs, before it runs any of its own. Who may write a secret could otherwise run
 * programs wherever its name is put into an environment.
 */
export const decidesCode = (name: string): boolean => LOADERS.test(name);

const LOADERS =
  /^(PATH|LD_.*|DYLD_.*|NODE_OPTIONS|NODE_PATH|BASH_ENV|ENV|IFS|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|PYTHONPATH|PYTHONSTARTUP|PYTHONHOME|PERL5LIB|PERL5OPT|RUBYOPT|RUBYLIB|JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|GIT_SSH_COMMAND|GCONV_PATH)$/;
