import { Ajv } from 'ajv';
import type { KubernetesSchemas, Schema } from '../../tools/cluster/published.ts';

/** Says what an object has that a version of Kubernetes does not know, or misses. */
export type Judge = (object: { readonly apiVersion: string; readonly kind: string }) => string[];

/**
 * Kubernetes' own schemas, strictly: a field that they do not have is a problem, as `kubectl apply --validate=strict` has it. What an
 * API server checks beside its schema, such as names, is not in them.
 */
export function judgeBy({ version, kinds, definitions }: KubernetesSchemas): Judge {
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema({
    $id: 'kubernetes',
    definitions: Object.fromEntries(Object.entries(definitions).map(([name, schema]) => [name, strict(name, schema)])),
  });
  return (object) => {
    const apiVersion = object.apiVersion.includes('/') ? object.apiVersion : `/${object.apiVersion}`;
    const name = kinds[`${apiVersion} ${object.kind}`];
    if (!name) return [`Kubernetes ${version} has no ${object.apiVersion} ${object.kind}`];
    const validate = ajv.getSchema(`kubernetes#/definitions/${name}`)!;
    if (validate(object)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${object.kind} ${instancePath} ${message} ${params.additionalProperty ?? ''}`,
    );
  };
}

function strict(name: string, schema: Schema): Schema {
  // Written as text or as a number, whatever their type says.
  if (/\.(IntOrString|Quantity)$/.test(name)) return { type: ['string', 'integer', 'number'] };
  return tightened(schema) as Schema;
}

function tightened(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(tightened);
  if (typeof node !== 'object' || node === null) return node;
  const children = Object.fromEntries(Object.entries(node).map(([key, child]) => [key, tightened(child)]));
  return 'properties' in node && !('additionalProperties' in node)
    ? { ...children, additionalProperties: false }
    : children;
}
