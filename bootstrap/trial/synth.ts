import { spawn } from 'node:child_process';
import { readdir, readFile, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { parse } from 'yaml';
import { UserError } from '../problem.ts';

/** The files that a synth wrote, and the folder that they are in. */
export interface Manifests {
  readonly folder: string;
  readonly files: readonly string[];
}

/**
 * Writes the Kubernetes manifests: runs the app that cdk8s.yaml names, as `cdk8s synth` does. Without its command line,
 * which takes seconds to load and asks the network for newer versions of itself.
 */
export async function synthesize(root: string): Promise<Manifests> {
  const settings = parse(await readFile(join(root, 'cdk8s.yaml'), 'utf8')) as { app: string; output?: string };
  const folder = settings.output ?? 'dist';
  // What an earlier version of the app wrote would be applied with the rest; cdk8s empties the folder too.
  await rm(join(root, folder), { recursive: true, force: true });
  await run(settings.app, root, folder);
  const files = (await readdir(join(root, folder))).filter((file) => file.endsWith('.yaml')).sort();
  if (files.length === 0) throw new UserError(`the app of cdk8s.yaml wrote no manifest into ${folder}/`);
  return { folder, files };
}

function run(command: string, root: string, folder: string): Promise<void> {
  const path = [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter);
  const env = { ...process.env, PATH: path, CDK8S_OUTDIR: folder };
  return new Promise((resolve, reject) => {
    const child = spawn(command, { cwd: root, env, shell: true, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-8192);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) return resolve();
      const lines = said.split('\n').filter((line) => line.trim() !== '');
      const line = lines.find((text) => /error/i.test(text)) ?? lines.at(-1) ?? `it ended with ${code}`;
      reject(new UserError(`the manifests could not be made: ${line.trim()}`, `see it whole with: ${command}`));
    });
  });
}
