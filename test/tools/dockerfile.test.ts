import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App } from 'cdk8s';
import { describe, expect, test } from 'vitest';
import { KmsInstallation } from '../../constructs/index.ts';
import { RESTRICTED_CONTAINER, RESTRICTED_POD } from '../../constructs/restricted.ts';
import { isAdmitted } from '../support/dockerignore.ts';

const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
const { version, bin } = JSON.parse(read('package.json'));

/** The Dockerfile's instructions, without comments and with continued lines joined. */
const instructions = read('Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => {
    const [word = '', ...rest] = line.split(' ');
    return { word, rest: rest.join(' ') };
  });
const all = (word: string) => instructions.filter((each) => each.word === word).map(({ rest }) => rest);

describe('the Dockerfile', () => {
  test('has no step besides the script that these tests run', () => {
    expect(all('RUN')).toEqual(['["node", "tools/image/build.mjs", "/image"]']);
    expect(all('COPY')).toEqual(['. .', '--from=build /image/ /']);
    const words = new Set(instructions.map(({ word }) => word));
    expect([...words].sort()).toEqual([
      'ARG',
      'CMD',
      'COPY',
      'ENV',
      'EXPOSE',
      'FROM',
      'HEALTHCHECK',
      'LABEL',
      'RUN',
      'USER',
      'WORKDIR',
    ]);
  });

  test('takes the digest of each base as an argument', () => {
    const pinned = (name: string) => `\${${name}}\${${name}_DIGEST:+@\${${name}_DIGEST}}`;
    expect(all('FROM')).toEqual([`${pinned('BUILD')} AS build`, pinned('BASE')]);
    const named = all('ARG')
      .slice(0, 4)
      .map((argument) => argument.split('=')[0]);
    expect(named).toEqual(['BUILD', 'BUILD_DIGEST', 'BASE', 'BASE_DIGEST']);
    expect(
      all('ARG').filter((argument) => /:latest|=[^:"]+$/.test(argument) && !argument.startsWith('VERSION')),
    ).toEqual([]);
  });

  test('runs as the user of the manifests, and starts what they start', () => {
    expect(all('USER')).toEqual([`${RESTRICTED_POD.runAsUser}:${RESTRICTED_POD.runAsGroup}`]);
    expect(RESTRICTED_CONTAINER.readOnlyRootFilesystem).toBe(true);
    const [command, health] = [all('CMD'), all('HEALTHCHECK').map((check) => check.replace(/^.* CMD /, ''))];
    expect([command, health]).toEqual([['["kms-server"]'], ['["kms-health"]']]);
    expect(Object.keys(bin)).toEqual(expect.arrayContaining(['kms-server', 'kms-operator', 'kms-bootstrap']));
  });

  test('has every program that a pod of ours starts in it', () => {
    const services = [{ name: 'gateway' }];
    const bootstrap = { enabled: true, inventory: read('examples/hanzo/kms.yaml') };
    const pods = new KmsInstallation(new App(), 'kms', {
      kubernetesVersion: '1.28',
      services,
      bootstrap,
    }).toJson() as any[];
    const ours = pods
      .flatMap(({ spec }) => spec?.template?.spec?.containers ?? [])
      .filter(({ image }) => image.startsWith('ghcr.io/hanzoai/kms:'));
    const started = ours.flatMap(({ command, lifecycle }) => [command?.[0], lifecycle?.preStop?.exec?.command[0]]);
    expect(ours).toHaveLength(3);
    expect(new Set(started)).toEqual(new Set([undefined, 'node', 'kms-operator', 'kms-bootstrap']));
    for (const { securityContext } of ours) expect(securityContext).toMatchObject(RESTRICTED_CONTAINER);
  });

  test("names the version and the variables of the package's programs", () => {
    expect(all('ARG')).toContain(`VERSION=${version}`);
    const variables = Object.values<string>(bin).flatMap((path) => read(path).match(/^#!.* -S (\S+=\S+)/)?.[1] ?? []);
    for (const variable of variables) expect(all('ENV').join(' ').split(' ')).toContain(variable);
    expect(new Set(variables).size).toBe(1);
  });
});

test('the context of the build holds no key and nothing of a trial', () => {
  const admitted = isAdmitted(read('.dockerignore'));
  const refused = [
    '.git/config',
    '.kms/kms.env',
    'kms.env',
    'tools/kms.env',
    'node_modules/zod/package.json',
    'server/x.log',
  ];
  expect(refused.filter(admitted)).toEqual([]);
  expect(['package.json', 'server/main.ts', 'docs/keys.md', '.npmrc'].filter(admitted)).toHaveLength(4);
});
