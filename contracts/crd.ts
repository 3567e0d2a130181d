import { z } from 'zod';
import { KMS_SECRET_GROUP, KMS_SECRET_KIND, KMS_SECRET_VERSION, KmsSecretSpec, KmsSecretStatus } from './kms-secret.ts';

/** A JSON Schema node; what Kubernetes calls JSONSchemaProps. */
type Node = { [keyword: string]: unknown };

/** Keywords of JSON Schema that a structural schema must not have, or that mean nothing to the API server. */
const DROPPED = new Set(['$schema', '$id', 'additionalProperties', 'id']);

/**
 * A zod schema as a structural OpenAPI v3 schema (Kubernetes, "Specifying a structural schema"): every node has a type, no
 * `$ref`, and no `additionalProperties: false`, since the API server prunes unknown fields by itself. Defaults, enums,
 * bounds, patterns and descriptions are kept.
 *
 * @throws Error when the schema says something that a structural schema cannot
 */
export function structuralSchema(schema: z.ZodType): Node {
  const written = z.toJSONSchema(schema, { io: 'input', target: 'draft-7', reused: 'inline' });
  return structural(written as Node, 'schema');
}

function structural(node: Node, where: string): Node {
  const kept: Node = {};
  for (const [keyword, value] of Object.entries(node)) {
    if (
      keyword === '$ref' ||
      keyword === 'anyOf' ||
      keyword === 'oneOf' ||
      keyword === 'allOf' ||
      keyword === 'const'
    ) {
      throw new Error(`${where}: a structural schema has no ${keyword}`);
    }
    if (DROPPED.has(keyword)) continue;
    // The API server knows the formats of OpenAPI; the pattern that zod writes beside them says the same again, at length.
    if (keyword === 'pattern' && node.format === 'date-time') continue;
    kept[keyword] = value;
  }
  if (typeof kept.type !== 'string') throw new Error(`${where}: every node of a structural schema has a type`);
  if (kept.type === 'object') {
    const properties = Object.entries((node.properties ?? {}) as Record<string, Node>);
    kept.properties = Object.fromEntries(
      properties.map(([name, child]) => [name, structural(child, `${where}.${name}`)]),
    );
  }
  if (kept.type === 'array') kept.items = structural(node.items as Node, `${where}[]`);
  if (kept.type === 'integer') kept.format = 'int64';
  return kept;
}

/** The CustomResourceDefinition of KMSSecret, generated from its zod schema. */
export function kmsSecretCrd() {
  const conditionIs = (type: string) => `.status.conditions[?(@.type=="${type}")].status`;
  const scope = '.spec.authentication.universalAuth.secretsScope';
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `kmssecrets.${KMS_SECRET_GROUP}`,
      labels: { 'app.kubernetes.io/name': 'kms-operator', 'app.kubernetes.io/part-of': 'hanzo-universe' },
    },
    spec: {
      group: KMS_SECRET_GROUP,
      scope: 'Namespaced',
      names: {
        kind: KMS_SECRET_KIND,
        listKind: `${KMS_SECRET_KIND}List`,
        plural: 'kmssecrets',
        singular: 'kmssecret',
        shortNames: ['kmss'],
        categories: ['hanzo', 'secrets'],
      },
      versions: [
        {
          name: KMS_SECRET_VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [
            { name: 'Ready', type: 'string', jsonPath: conditionIs('Ready') },
            { name: 'Project', type: 'string', jsonPath: `${scope}.projectSlug` },
            { name: 'Environment', type: 'string', jsonPath: `${scope}.envSlug` },
            { name: 'Secret', type: 'string', jsonPath: '.spec.managedSecretReference.secretName' },
            { name: 'Synced', type: 'string', jsonPath: conditionIs('Synced') },
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
          ],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: 'Keeps a Kubernetes Secret equal to a folder of KMS.',
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: structuralSchema(KmsSecretSpec),
                status: structuralSchema(KmsSecretStatus),
              },
            },
          },
        },
      ],
    },
  };
}
