import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { services } from '../../stacks/hanzo-k8s/services.ts';
import { runProgram } from './engine.ts';

/** Pulumi.yaml and its program, as Pulumi's own runner starts them. */

const settings = readFileSync(new URL('../../Pulumi.yaml', import.meta.url), 'utf8');
const { resources, outputs, code, said } = await runProgram(settings);
const component = resources.find(({ type }) => type === 'hanzo:kms:KmsCluster');
const objects = resources.filter(({ type }) => type.startsWith('kubernetes:'));
const ofKind = (kind: string) => objects.filter(({ type }) => type.endsWith(`:${kind}`));

test('the program runs to its end, and says nothing', () => {
  expect({ code, said }).toEqual({ code: 0, said: '' });
});

test('each object is registered once, below the component', () => {
  expect(new Set(objects.map(({ urn }) => urn)).size).toBe(objects.length);
  expect(new Set(objects.map(({ parent }) => parent))).toEqual(new Set([component?.urn]));
  expect(Object.fromEntries(objects.map(({ type }) => [type, ofKind(type.split(':')[2] ?? '').length]))).toEqual({
    'kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy': 1,
    'kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding': 1,
    'kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition': 1,
    'kubernetes:rbac.authorization.k8s.io/v1:ClusterRole': 1,
    'kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding': 1,
    'kubernetes:rbac.authorization.k8s.io/v1:Role': 2,
    'kubernetes:rbac.authorization.k8s.io/v1:RoleBinding': 2,
    'kubernetes:core/v1:ServiceAccount': 2,
    'kubernetes:core/v1:Service': 1,
    'kubernetes:apps/v1:Deployment': 2,
    'kubernetes:secrets.lux.network/v1alpha1:KMSSecret': 10,
  });
});

test('each KMSSecret waits for the CRD, and for nothing else', () => {
  const [crd] = ofKind('CustomResourceDefinition');
  expect(ofKind('KMSSecret').map(({ dependencies }) => dependencies)).toEqual(services.map(() => [crd?.urn]));
});

test('the component and the stack give the same outputs', () => {
  const given = {
    namespace: 'hanzo',
    url: 'http://kms.hanzo.svc:8080',
    secretNames: Object.fromEntries(services.map(({ name }) => [name, `${name}-secrets`])),
  };
  expect(outputs['hanzo:kms:KmsCluster']).toEqual(given);
  expect(outputs['pulumi:pulumi:Stack']).toEqual(given);
});

test('a program that fails is told by its exit code', async () => {
  const missing = settings.replace('stacks/hanzo-k8s/index.ts', 'stacks/hanzo-k8s/missing.ts');
  expect(await runProgram(missing)).toMatchObject({ code: 32, said: expect.stringContaining('missing.ts') });
});
