import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { freePort } from '../../tools/cluster/free-ports.ts';
import { toolAtHand } from '../../tools/cluster/programs.ts';
import { thorough } from '../support/thorough.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const WORKFLOW = join(REPOSITORY, '.github/workflows/release.yml');
const text = readFileSync(WORKFLOW, 'utf8');
const { permissions, jobs } = parse(text) as {
  permissions: object;
  jobs: Record<
    string,
    { needs?: string; permissions: Record<string, string>; steps: { name?: string; run?: string }[] }
  >;
};
const manifest = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8'));
const stepOf = (job: string, name: string) => jobs[job]!.steps.find((step) => step.name === name)!.run!;

test('every action of the release is pinned by its commit', () => {
  const used = [...text.matchAll(/uses: (.*)$/gm)].map(([, action]) => action);
  expect(used.length).toBeGreaterThan(5);
  expect(used.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action!))).toEqual([]);
});

test('no job of the release has a right or a secret that it does not need', () => {
  expect(permissions).toEqual({});
  expect(Object.fromEntries(Object.entries(jobs).map(([name, { permissions: rights }]) => [name, rights]))).toEqual({
    check: { contents: 'read' },
    packages: { contents: 'read', 'id-token': 'write' },
    image: { contents: 'read', packages: 'write', 'id-token': 'write' },
    chart: { contents: 'read', packages: 'write', 'id-token': 'write' },
  });
  expect(text).not.toMatch(/secrets\./);
});

test('nothing is published before everything passed', () => {
  const publishing = Object.entries(jobs).filter(([, job]) => job.permissions['id-token'] === 'write');
  expect(publishing.map(([name, { needs }]) => [name, needs])).toEqual([
    ['packages', 'check'],
    ['image', 'check'],
    ['chart', 'image'],
  ]);
  expect(jobs.check!.steps.at(-1)!.run).toBe('.ci/run');
});

test.each([
  { tag: `v${manifest.version}`, code: 0 },
  { tag: 'v99.0.0', code: 1 },
  { tag: manifest.version, code: 1 },
])('the tag $tag ends the first step with $code', ({ tag, code }) => {
  const step = stepOf('check', 'The tag is the version');
  const env = { PATH: process.env.PATH, GITHUB_REF_NAME: tag };
  expect(spawnSync('bash', ['-e', '-c', step], { cwd: REPOSITORY, env }).status).toBe(code);
});

test('the release builds what the Dockerfile asks for, from the bases that it names', () => {
  const dockerfile = readFileSync(join(REPOSITORY, 'Dockerfile'), 'utf8');
  const asked = new Set([...dockerfile.matchAll(/^ARG (\w+)/gm)].map(([, name]) => name));
  const given = [...text.matchAll(/^ {12}([A-Z_]+)=\$\{\{/gm)].map(([, name]) => name);
  expect(new Set(given)).toEqual(asked);
  for (const name of ['BASE', 'BUILD'])
    expect(text).toContain(`${name}: ${new RegExp(`^ARG ${name}=(.+)$`, 'm').exec(dockerfile)![1]}`);
});

const noGo = spawnSync('go', ['version']).status !== 0;
thorough.skipIf(noGo)(
  `the release is a workflow that actionlint has nothing against${noGo ? ' (skipped: no Go)' : ''}`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kms-release-'));
    const broken = join(folder, 'broken.yml');
    writeFileSync(broken, text.replace('needs: check', 'needs: chekc'));
    const lint = (file: string) =>
      spawnSync('go', ['run', 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12', file], { encoding: 'utf8' });
    expect(lint(WORKFLOW)).toMatchObject({ status: 0, stdout: '' });
    expect(lint(broken).stdout).toContain('chekc');
    await rm(folder, { recursive: true });
  },
  240_000,
);

const helm = toolAtHand('helm');
thorough.skipIf(noGo || !helm)(
  `the chart is packed and pushed by the release's own lines${helm ? '' : ' (skipped: no helm)'}`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kms-release-'));
    const registry = 'github.com/google/go-containerregistry/cmd/registry@v0.22.1';
    execFileSync('go', ['install', registry], { env: { ...process.env, GOBIN: folder } });
    const port = await freePort();
    const server = spawn(join(folder, 'registry'), ['--port', String(port)], { stdio: 'ignore' });
    onTestFinished(() => void server.kill('SIGTERM'));
    const answers = () =>
      fetch(`http://127.0.0.1:${port}/v2/`).then(
        ({ ok }) => ok,
        () => false,
      );
    await expect.poll(answers, { timeout: 10_000 }).toBe(true);
    symlinkSync(join(REPOSITORY, 'charts'), join(folder, 'charts'));
    const lines = stepOf('chart', 'Package and push it').replace('helm push', 'helm push --plain-http');
    const { status } = spawnSync('bash', ['-e', '-c', lines], {
      cwd: folder,
      env: {
        PATH: `${dirname(helm!)}:${process.env.PATH}`,
        HOME: folder,
        CHARTS: `127.0.0.1:${port}/charts`,
        GITHUB_OUTPUT: join(folder, 'output'),
      },
    });
    expect(status).toBe(0);
    const [, digest] = /^digest=(sha256:[0-9a-f]{64})\n$/.exec(readFileSync(join(folder, 'output'), 'utf8'))!;
    const pushed = await fetch(`http://127.0.0.1:${port}/v2/charts/kms-standalone/manifests/${digest}`);
    expect(pushed.status).toBe(200);
    await rm(folder, { recursive: true, force: true });
  },
  240_000,
);
