import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toolAtHand } from '../../tools/cluster/programs.ts';
import { blocksOf, ROOT, startWorld, TRICKY, type World } from '../action/world.ts';
import { type Listener, listen } from '../support/listener.ts';

/** The workflows of docs/ci.md, judged and run by programs that others wrote for workflows of GitHub Actions. */

const run = promisify(execFile);
const workflows = {
  deploy: (await blocksOf('GitHub Actions'))[0]!,
  publish: (await blocksOf('GitHub Actions'))[2]!,
  hip27: (await blocksOf("HIP-27's job, as it stands"))[0]!,
  move: /^```yaml\n(name: Move secrets[\s\S]*?)^```/m.exec(await readFile(`${ROOT}docs/migration.md`, 'utf8'))![1]!,
};
/** Without carriage returns and line ends at the end, which act drops from the files of a runner; GitHub's own keeps them. */
const kept = TRICKY.filter((value) => !/\r|\n$/.test(value));
const tricky = Object.fromEntries(kept.map((value, index) => [`TRICKY_${index}`, value]));

describe.skipIf(!toolAtHand('actionlint'))('actionlint', () => {
  test.each(Object.keys(workflows))('finds nothing wrong with %s', async (name) => {
    const child = run(toolAtHand('actionlint')!, ['-no-color', '-shellcheck=', '-pyflakes=', '-']);
    child.child.stdin!.end(workflows[name as keyof typeof workflows]);
    expect((await child).stdout).toBe('');
  });
});

describe.skipIf(!toolAtHand('act'))('act runs', () => {
  let world: World;
  let github: Listener;
  let folder: string;
  let repository: string;

  beforeAll(async () => {
    world = await startWorld();
    github = await listen(async (request, response) => {
      const aud = new URL(request.url!, 'http://github').searchParams.get('audience');
      response.end(JSON.stringify({ value: await world.issuer.token({ aud }) }));
    });
    const { server } = world.live;
    await server.setSecrets(world.projectId, 'prod', {
      DATABASE_URL: 'postgres://a-b-c',
      REGISTRY_TOKEN: 'dckr_$1"\n2nd',
    });
    const body = { workspaceId: world.projectId, environment: 'prod', path: '/', name: 'tricky' };
    await server.do('POST', '/api/v1/folders', { body });
    await server.setSecrets(world.projectId, 'prod', tricky, '/tricky');
    const { id } = await server.project('my-service');
    const memberships = `/api/v2/workspace/${id}/identity-memberships/${world.machine.id}`;
    await server.do('POST', memberships, { body: { roles: [{ role: 'viewer' }] } });
    await server.setSecrets(id, 'prod', { DOCKERHUB_USERNAME: 'hanzo', DOCKERHUB_TOKEN: 'dckr_pat_123' });
    folder = await mkdtemp(join(tmpdir(), 'kms-act-'));
    repository = join(folder, 'repository');
    await mkdir(join(folder, 'action'));
    await cp(`${ROOT}action.yaml`, join(folder, 'action/action.yaml'));
    await cp(`${ROOT}action`, join(folder, 'action/action'), { recursive: true });
    await writeFile(join(folder, 'action/package.json'), '{"type":"module"}');
    await mkdir(join(repository, '.github/workflows'), { recursive: true });
    for (const script of ['deploy', 'publish'])
      await writeFile(
        join(repository, `${script}.sh`),
        `#!/bin/sh\nnode -e 'fs.writeFileSync(process.env.OUT, JSON.stringify(process.env))'\n`,
        { mode: 0o755 },
      );
    await run('git', ['init', '-q'], { cwd: repository });
  }, 60_000);
  afterAll(async () => {
    await world.close();
    await github.close();
    await rm(folder, { recursive: true });
  });

  /** Runs a workflow as it is on the page, with the server's address for the one there. */
  async function act(event: string, workflow: string) {
    await writeFile(
      join(repository, '.github/workflows/workflow.yaml'),
      workflow.replaceAll('https://kms.hanzo.ai', world.live.url),
    );
    const git = (...args: string[]) =>
      run('git', ['-c', 'user.name=a', '-c', 'user.email=a@b.test', ...args], { cwd: repository });
    await git('add', '-A');
    await git('commit', '-qm', 'change', '--allow-empty');
    const out = join(folder, 'out.json');
    await rm(out, { force: true });
    const { stdout, stderr } = await run(
      toolAtHand('act')!,
      [
        ...[event, '-P', 'ubuntu-latest=-self-hosted', '--action-cache-path', join(folder, 'cache')],
        ...['--local-repository', `hanzoai/kms@v0.1.0=${join(folder, 'action')}`],
        ...['--var', `KMS_IDENTITY_ID=${world.machine.id}`, '--env', `OUT=${out}`],
        ...['--env', `ACTIONS_ID_TOKEN_REQUEST_URL=http://127.0.0.1:${github.port}/?v=2`],
        ...['--env', 'ACTIONS_ID_TOKEN_REQUEST_TOKEN=of-the-runner'],
        // Values of secrets come from the environment.
        ...['-s', 'KMS_CLIENT_ID', '-s', 'KMS_CLIENT_SECRET'],
      ],
      {
        cwd: repository,
        env: {
          ...{ HOME: folder, PATH: [dirname(process.execPath), process.env.PATH].join(delimiter) },
          ...{ KMS_CLIENT_ID: world.machine.clientId, KMS_CLIENT_SECRET: world.machine.clientSecret },
        },
      },
    ).catch((error: Error & { stdout: string }) => {
      throw new Error(`${error.message}\n${error.stdout}`);
    });
    return { log: stdout + stderr, seen: JSON.parse(await readFile(out, 'utf8').catch(() => '{}')) };
  }

  test("the action with GitHub's token", async () => {
    const { log, seen } = await act('push', workflows.deploy);
    expect(seen).toMatchObject({ DATABASE_URL: 'postgres://a-b-c', DOCKERHUB_TOKEN: 'dckr_$1"\n2nd' });
    expect(log).not.toContain('postgres://a-b-c');
  });

  test('the action with a client secret, and one output', async () => {
    const { seen } = await act('workflow_dispatch', workflows.publish);
    expect([seen.NPM_TOKEN, seen.DATABASE_URL]).toEqual(['dckr_$1"\n2nd', undefined]);
  });

  test("HIP-27's job", async () => {
    const show = '\n      - run: ./deploy.sh\n';
    const checkout = workflows.hip27.replace('    steps:\n', '    steps:\n      - uses: actions/checkout@v4\n');
    const { seen } = await act('push', `${checkout.trimEnd()}${show}`);
    expect(seen).toMatchObject({ DOCKERHUB_USERNAME: 'hanzo', DOCKERHUB_TOKEN: 'dckr_pat_123' });
  });

  test('the action with every tricky value', async () => {
    const all = workflows.publish.replace('export-to: outputs', 'path: /tricky').replace(/ {8}env:\n.*\n/, '');
    expect((await act('workflow_dispatch', all)).seen).toMatchObject(tricky);
  });
});
