import { readFileSync } from 'node:fs';
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { servicesOf } from '../../examples/hanzo/services.ts';
import { Secrets } from '../../operator/kubernetes/resources.ts';
import { toolAtHand } from '../../tools/cluster/programs.ts';
import { arePublishedAtHand, crdFile } from '../../tools/cluster/published.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { AppliedPods, type RunningPod } from './support/applied.ts';
import { TestCluster } from './support/cluster.ts';
import { AppliedJob, type Ended } from './support/jobs.ts';
import { Engine } from './support/pulumi.ts';

/**
 * docs/provision-hanzo-k8s.md, block by block, from an empty cluster to ten Secrets: real API server, real engine; server, operator and
 * Job as processes, from the objects that were applied. In place of the address of hanzo's own KMS there is that of this test.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/provision-hanzo-k8s.md'), 'utf8');
const [init, stack, look] = [...page.matchAll(/^```bash\n([\s\S]*?)^```/gm)].map(([, text]) => text!) as [
  string,
  string,
  string,
];
const services = servicesOf(join(root, 'examples/hanzo/kms.yaml'));
const pulumi = toolAtHand('pulumi');
const [SERVER, OPERATOR] = ['127.0.81.1', '127.0.81.2'];
const isSkipped = !pulumi || !arePublishedAtHand();

describe.skipIf(isSkipped)(
  `a cluster from nothing${isSkipped ? ' (not at hand: npm run cluster -- build)' : ''}`,
  () => {
    let cluster: TestCluster;
    let engine: Engine;
    let pods: AppliedPods;
    let database: TestDatabase;
    let kms: RunningPod;
    let operator: RunningPod;
    let job: Ended;
    const told: string[] = [];

    beforeAll(async () => {
      [cluster, database] = await Promise.all([TestCluster.start({ nodes: 3, crd: false }), createDatabase()]);
      engine = await Engine.start(pulumi!, cluster.plane.kubeconfig);
      for (const word of ['servicemonitors', 'prometheusrules']) await cluster.crd(await crdFile(word));
      await chmod(engine.folder, 0o700);
      for (const project of ['first', 'early']) {
        await mkdir(join(engine.folder, project));
        await copyFile(join(root, 'Pulumi.yaml'), join(engine.folder, project, 'Pulumi.yaml'));
        await symlink(join(root, 'stacks'), join(engine.folder, project, 'stacks'));
      }
      await mkdir(join(engine.folder, 'shims'));
      const shim = (name: string, ...lines: string[]) =>
        writeFile(join(engine.folder, 'shims', name), `#!/bin/sh\n${lines.join('\n')}\n`, { mode: 0o755 });
      await shim('npx', `name=$1; shift; exec "${process.execPath}" "${root}bin/$name.js" "$@"`);
      const up = `"${process.execPath}" "${root}test/cluster/support/pulumi-up.ts"`;
      await shim(
        'pulumi',
        `case "$1" in up|preview)`,
        `  exec ${up} "$1" "$(${engine.folder}/bin/pulumi stack --show-name)" "${root}stacks/hanzo-k8s/index.ts" "${engine.folder}";;`,
        'esac',
        `exec ${engine.folder}/bin/pulumi "$@"`,
      );
      await cluster.kubectl('config', 'rename-context', 'hanzo-kms', 'hanzo-k8s');
      pods = new AppliedPods(cluster, engine.folder);
    });
    afterAll(async () => {
      await pods?.stop();
      await engine?.stop();
      await cluster?.close();
      await database?.drop();
    });

    const run = (script: string, project = 'first') => {
      const { PATH: _, HOME: __, ...env } = engine.env;
      const variables = Object.entries(env).map(([name, value]) => `export ${name}='${value}'`);
      const path = `export PATH=${engine.folder}/shims:${engine.folder}/bin:$PATH`;
      return cluster
        .bash([...variables, path, `cd ${join(engine.folder, project)}`, script].join('\n'))
        .then((text) => {
          told.push(text);
          return text;
        });
    };

    test('a preview of an empty cluster warns that kms-secrets is missing, and what to run', async () => {
      const said = await run(stack.replace('pulumi up --yes', 'pulumi preview 2>&1').replace('prod', 'early'), 'early');
      expect(said).toContain(
        'kms-secrets is not in namespace hanzo; run: npx kms-bootstrap init --kube-context hanzo-k8s --namespace hanzo',
      );
      expect(said).toMatch(/\+ \d\d to create/);
    });

    test('what is set by its path is read, and what is wrong is told with what mends it', async () => {
      const shown = await run(
        ['--path monitoring.enabled false', '--path image.version 0.2.0', 'replicas 3', 'kubernetesVersion 1.31']
          .map((words) => `pulumi config set ${words}`)
          .concat('pulumi preview --diff 2>&1')
          .join('\n'),
        'early',
      );
      expect(shown).not.toMatch(/settings? (is|are) wrong|servicemonitor/i);
      const wrong = await run(
        "pulumi config set --path 'services[0].name' Gateway; pulumi preview 2>&1 || true",
        'early',
      );
      expect(wrong).toContain("pulumi config set --path 'services[0].name' <value>");
      await run('pulumi config rm services', 'early');
    });

    test('nothing is made without kms-secrets', async () => {
      const failed = await run('pulumi up 2>&1 || true', 'early');
      expect(failed).toMatch(/error: kms-secrets is not in namespace hanzo; run: npx kms-bootstrap init/);
      expect(failed).not.toMatch(/at requireKmsSecrets|kubernetes:core/);
    });

    test('the first block makes the namespace and the keys', async () => {
      await run(`export DB_CONNECTION_URI='${database.uri}'\n${init} 2>&1`);
      expect(Object.keys((await cluster.data('hanzo', 'kms-secrets'))!).sort()).toEqual([
        'AUTH_SECRET',
        'DB_CONNECTION_URI',
        'ROOT_ENCRYPTION_KEY',
      ]);
    });

    test('the second block makes all else, in one go', async () => {
      const here = `pulumi config set hostApi http://${SERVER}:8080`;
      const said = await run(stack.replace('pulumi up --yes', `${here}\npulumi up --yes 2>&1`));
      expect(said).toMatch(/\+ \d\d created/);
      expect(said).not.toMatch(/warning|kms-secrets is not/);
    });

    test('the applied server, operator and Job run, each from its objects', async () => {
      kms = await pods.run('kms', SERVER, 'kms-server');
      operator = await pods.run('kms-operator', OPERATOR, 'kms-operator');
      const [name] = (
        await cluster.kubectl('-n', 'hanzo', 'get', 'jobs', '-o', 'jsonpath={.items[*].metadata.name}')
      ).split(' ');
      const applied = await AppliedJob.of(cluster, 'hanzo', name!);
      job = await applied.run({ KMS_URL: kms.url });
      expect(job.code, job.stderr).toBe(0);
    });

    test('the third block finds all ten in sync', async () => {
      const seen = await run(look);
      for (const { name } of services) {
        expect(seen).toContain(`kmssecret.secrets.lux.network/${name}-kms-sync condition met`);
        expect(Object.keys((await cluster.data('hanzo', `${name}-secrets`))!).length, name).toBeGreaterThan(0);
      }
      expect(services).toHaveLength(10);
    });

    test('again nothing is left to change, and the stack says what to run next', async () => {
      const again = await run('pulumi up --yes 2>&1; pulumi stack output nextSteps');
      expect(again).toMatch(/\d\d unchanged/);
      expect(again).not.toMatch(/created|updated|replaced|deleted/);
      expect(again).toContain('kubectl -n hanzo logs job/kms-bootstrap-');
    });

    test('no value of the cluster is in the state, in what was printed, or in a log', async () => {
      const { items } = await cluster.api.list(Secrets, { namespace: 'hanzo' });
      const values = items.flatMap(({ data = {} }) =>
        Object.entries(data).flatMap(([key, value]) =>
          key === 'clientId' ? [] : [value, Buffer.from(value, 'base64').toString()],
        ),
      );
      expect(values.length).toBeGreaterThan(100);
      const texts = [await engine.kept(), ...told, kms.output(), operator.output(), job.stdout, job.stderr];
      for (const text of texts) expect(values.filter((value) => text.includes(value))).toEqual([]);
    });
  },
);
