import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toolAtHand } from '../../tools/cluster/programs.ts';
import { TestCluster } from './support/cluster.ts';

/** docs/migration.md, where a cluster or a program that is built from its source is needed. */

const ROOT = new URL('../../', import.meta.url).pathname;
const page = await readFile(`${ROOT}docs/migration.md`, 'utf8');
const commandsOf = (heading: string) => {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))!;
  return [...section.matchAll(/^```bash\n([\s\S]*?)^```/gm)].map(([, text]) => text!);
};

let cluster: TestCluster;
let folder: string;
beforeAll(async () => {
  cluster = await TestCluster.start();
  // First of all: the garbage collector hears of new kinds every half minute.
  await cluster.crd(`${ROOT}test/cluster/fixtures/sealed-secrets-crd.yaml`);
  await cluster.namespace('hanzo');
  folder = await mkdtemp(join(tmpdir(), 'kms-migration-'));
  // In a clone npx runs the package's own bin; here the clone is elsewhere.
  const npx = `#!/bin/sh\nshift\nKMS_URL='${cluster.url}' KMS_TOKEN='${cluster.kms.admin}' exec '${process.execPath}' '${ROOT}bin/kms.js' "$@"\n`;
  await writeFile(join(folder, 'npx'), npx, { mode: 0o700 });
});
afterAll(async () => {
  await cluster.close();
  await rm(folder, { recursive: true });
});

const bash = (script: string) =>
  cluster.bash(`set -euo pipefail; cd '${folder}'; export PATH='${folder}':"$PATH"; ${script}`);
const inKms = async (slug: string, environment = 'prod') => {
  const url = `/api/v3/secrets/raw?workspaceSlug=${slug}&environment=${environment}`;
  const { secrets } = await cluster.kms.do('GET', url);
  return Object.fromEntries(secrets.map((one: any) => [one.secretKey, one.secretValue]));
};
const uidOf = async (name: string) =>
  (await cluster.kubectl('-n', 'hanzo', 'get', 'secret', name, '-o', 'jsonpath={.metadata.uid}')).trim();

describe('Secrets of a namespace', () => {
  const gateway = { DB_URL: 'postgresql://u:p@host/db?a=b&c=$d', API_KEY: 'sk-\n1\n', EMPTY: '' };

  test('are taken over one by one or all at once, twice as well as once', async () => {
    for (const slug of ['gateway', 'chat']) await cluster.service(slug, 'hanzo', {});
    const literals = Object.entries(gateway).map(([key, value]) => `--from-literal=${key}=${value}`);
    await cluster.kubectl('-n', 'hanzo', 'create', 'secret', 'generic', 'gateway-secrets', ...literals);
    await cluster.kubectl('-n', 'hanzo', 'create', 'secret', 'generic', 'chat-secrets', '--from-literal=A=1');
    const [one, all] = commandsOf('kubectl create secret');
    expect(await bash(one!)).toContain('3 created, 0 changed.');
    expect(await inKms('gateway')).toEqual(gateway);
    await bash(all!);
    expect(await bash(all!)).not.toMatch(/created/);
    expect([await inKms('gateway'), await inKms('chat')]).toEqual([gateway, { A: '1' }]);
  });

  test('are adopted by KMSSecrets, as the objects that they are', async () => {
    const uid = await uidOf('gateway-secrets');
    const local = JSON.stringify({ stringData: { LOCAL: 'of the cluster' } });
    await cluster.kubectl('-n', 'hanzo', 'patch', 'secret', 'gateway-secrets', '-p', local);
    await cluster.operator();
    await cluster.kmsSecret('gateway', 'hanzo');
    await expect.poll(() => cluster.synced('gateway', 'hanzo')).toMatchObject({ status: 'True', reason: 'Synced' });
    expect(await cluster.data('hanzo', 'gateway-secrets')).toEqual({ ...gateway, LOCAL: 'of the cluster' });
    expect(await uidOf('gateway-secrets')).toBe(uid);
  });

  test('that another controller makes are let go of and then adopted', async () => {
    await cluster.service('flow', 'hanzo', {});
    const sealed =
      'apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: { name: flow-secrets, namespace: hanzo }\nspec: { encryptedData: { TOKEN: AgBy } }\n';
    await cluster.apply(sealed);
    const owner = (
      await cluster.kubectl('-n', 'hanzo', 'get', 'sealedsecret', 'flow-secrets', '-o', 'jsonpath={.metadata.uid}')
    ).trim();
    // What its controller makes of it.
    await cluster.apply(`apiVersion: v1
kind: Secret
metadata:
  name: flow-secrets
  namespace: hanzo
  ownerReferences:
    - { apiVersion: bitnami.com/v1alpha1, kind: SealedSecret, name: flow-secrets, uid: ${owner}, controller: true }
stringData: { TOKEN: opened }
`);
    const [commands] = commandsOf('Sealed Secrets');
    await expect(
      bash(
        `kubectl -n hanzo get sealedsecret flow-secrets -o json | npx kms import - --from k8s --project flow --env prod`,
      ),
    ).rejects.toThrow(/SealedSecret/);
    await bash(commands!.replaceAll('gateway', 'flow'));
    await expect
      .poll(() =>
        cluster.kubectl('-n', 'hanzo', 'get', 'secret', 'flow-secrets', '-o', 'jsonpath={.metadata.ownerReferences}'),
      )
      .toBe('');
    expect(await inKms('flow')).toEqual({ TOKEN: 'opened' });
    await cluster.kmsSecret('flow', 'hanzo');
    await expect.poll(() => cluster.synced('flow', 'hanzo')).toMatchObject({ status: 'True', reason: 'Synced' });
  });
});

describe.skipIf(!toolAtHand('sops'))('SOPS', () => {
  const secrets = { PIN: '0123', CERT: 'a\nb\n', QUOTED: `it's "x" $y` };
  const sops = (...args: string[]) =>
    promisify(execFile)(toolAtHand('sops')!, args, {
      cwd: folder,
      env: { HOME: folder, SOPS_AGE_KEY_FILE: join(folder, 'age.txt') },
    });

  test('files in YAML, JSON and .env, sealed by the real program, are taken over', async () => {
    await promisify(execFile)(toolAtHand('age-keygen')!, ['-o', join(folder, 'age.txt')]);
    const recipient = /age1\w+/.exec(await readFile(join(folder, 'age.txt'), 'utf8'))![0];
    await cluster.kms.project('vault');
    const files = {
      'secrets.enc.yaml': 'PIN: "0123"\nCERT: |\n  a\n  b\nQUOTED: it\'s "x" $y\n',
      'secrets.enc.json': JSON.stringify(secrets),
      'dev.enc.env': `PIN=0123\nTOKEN=a=b\n`,
    };
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(folder, name), text);
      await sops('encrypt', '--in-place', '--age', recipient, name);
    }
    await writeFile(
      join(folder, 'sops'),
      `#!/bin/sh\nSOPS_AGE_KEY_FILE='${folder}/age.txt' exec '${toolAtHand('sops')}' "$@"\n`,
      { mode: 0o700 },
    );
    const commands = commandsOf('SOPS')[0]!.replaceAll('--project gateway', '--project vault');
    await expect(bash('npx kms import secrets.enc.yaml --from yaml --project vault --env dev --yes')).rejects.toThrow(
      /sops decrypt/,
    );
    await bash(commands);
    const taken = await Promise.all(['dev', 'staging', 'prod'].map((environment) => inKms('vault', environment)));
    expect(taken).toEqual([secrets, secrets, { PIN: '0123', TOKEN: 'a=b' }]);
  });
});
