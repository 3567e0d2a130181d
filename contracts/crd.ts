import { z } from 'zod';
import { KMS_SECRET_GROUP, KMS_SECRET_KIND, KMS_SECRET_VERSION, KmsSecretSpec, KmsSecretStatus } from './kms-secret.ts';

/** A JSON Schema node; what Kubernetes calls JSONSchemaProps. */
type Node = { [keyword: string]: unknown };

/** What a node of a structural schema may say; an API server refuses or forgets the rest (JSONSchemaProps). */
const KEPT = new Set([
  ...['type', 'format', 'nullable', 'title', 'description', 'default', 'enum'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  ...['minLength', 'maxLength', 'pattern', 'minItems', 'maxItems', 'minProperties', 'maxProperties', 'required'],
  ...['x-kubernetes-list-type', 'x-kubernetes-list-map-keys', 'x-kubernetes-map-type', 'x-kubernetes-validations'],
]);

/**
 * A zod schema as a structural OpenAPI v3 schema (Kubernetes, "Specifying a structural schema"): every node has a type, no
 * `$ref`, and no `additionalProperties: false`, since the API server prunes unknown fields by itself. Defaults, enums,
 * bounds, patterns and descriptions are kept.
 *
 * @throws Error when the schema says something that a structural schema cannot; dropped in silence, the cluster would
 *   accept what the schema refuses
 */
export function structuralSchema(schema: z.ZodType): Node {
  const written = z.toJSONSchema(schema, { io: 'input', target: 'openapi-3.0', reused: 'inline' });
  return structural(written as Node, 'schema');
}

function structural(node: Node, where: string): Node {
  const { properties, items, additionalProperties, ...rest } = node;
  const kept: Node = {};
  for (const [keyword, value] of Object.entries(rest)) {
    if (!KEPT.has(keyword)) throw new Error(`${where}: a structural schema has no ${keyword}`);
    // The API server knows the formats of OpenAPI; the pattern that zod writes beside them says the same again, at length.
    if (keyword === 'pattern' && node.format === 'date-time') continue;
    kept[keyword] = value;
  }
  if (typeof kept.type !== 'string') throw new Error(`${where}: every node of a structural schema has a type`);
  if (kept.type === 'integer') kept.format = 'int64';
  if (items) kept.items = structural(items as Node, `${where}[]`);
  if (properties) {
    if (additionalProperties) throw new Error(`${where}: a structural schema is an object or a map, not both`);
    kept.properties = Object.fromEntries(
      Object.entries(properties as Record<string, Node>).map(([name, child]) => [
        name,
        structural(child, `${where}.${name}`),
      ]),
    );
  } else if (additionalProperties) {
    kept.additionalProperties = structural(additionalProperties as Node, `${where}{}`);
  }
  return kept;
}

/** The CustomResourceDefinition of KMSSecret, generated from its zod schema. */
export function kmsSecretCrd() {
  const conditionIs = (type: string) => `.status.conditions[?(@.type=="${type}")].status`;
  const reasonOf = (type: string) => `.status.conditions[?(@.type=="${type}")].reason`;
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
        // Not "secrets": kubectl looks at categories first, and `kubectl get secrets` would list these instead.
        categories: ['hanzo', 'kms'],
      },
      versions: [
        {
          name: KMS_SECRET_VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [
            { name: 'Ready', type: 'string', jsonPath: conditionIs('Ready') },
            // A column has one path: of the project's two names, the one that people read.
            { name: 'Project', type: 'string', jsonPath: `${scope}.projectSlug` },
            { name: 'Environment', type: 'string', jsonPath: `${scope}.envSlug` },
            { name: 'Secret', type: 'string', jsonPath: '.spec.managedSecretReference.secretName' },
            { name: 'Synced', type: 'string', jsonPath: conditionIs('Synced') },
            // With -o wide.
            { name: 'Reason', type: 'string', priority: 1, jsonPath: reasonOf('Synced') },
            { name: 'Keys', type: 'integer', priority: 1, jsonPath: '.status.keys' },
            { name: 'Version', type: 'integer', priority: 1, jsonPath: '.status.version' },
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
