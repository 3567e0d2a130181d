import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * npm by the Node that runs it now, which is not the one that it may be about to replace in node_modules.
 *
 * @param {string[]} args
 * @param {string} cwd
 */
export function spawnNpm(args, cwd) {
  const { npm_execpath: script, npm_node_execpath: node } = process.env;
  // Settings of the npm that runs us, such as another prefix, are not meant for this one.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^npm_config_(global|prefix|local_prefix|workspaces?|dry_run|omit)$/i.test(name),
    ),
  );
  const [program, ...before] = script && node ? [node, script] : ['npm'];
  return spawn(program, [...before, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
}

/**
 * What npm prints.
 *
 * @param {string[]} args
 * @param {string} cwd
 * @returns {Promise<string>}
 * @throws {Error} with npm's own words, when it fails
 */
export async function npm(args, cwd) {
  const child = spawnNpm([...args, '--loglevel=error', '--no-progress'], cwd);
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`npm ${args[0]} ended with exit code ${code}\n${errors}${output}`);
  return output;
}
