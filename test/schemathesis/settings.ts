import { ALIASES, type Values } from './document.ts';

/** How often a field gets a value that exists; else it gets a made-up one. */
const PROBABILITY = 0.8;

export interface RunSettings {
  readonly values: Values;
  /** `fuzzing`: so many generated requests an operation. `coverage`: the bounds of every field, one after the other. */
  readonly phase: 'fuzzing' | 'coverage';
  readonly examples: number;
}

/** The settings of one run, as Schemathesis reads them (TOML). */
export function settingsOf({ values, phase, examples }: RunSettings): string {
  const names = Object.keys(values);
  const dictionaries = names.map((name) => `${name} = { values = ${JSON.stringify(values[name])} }`);
  const bindings = names.flatMap((name) =>
    [name, ...(ALIASES[name] ?? [])].flatMap((field) =>
      ['path', 'query', 'body'].map((place) => `"${place}.${field}" = ${binding(name)}`),
    ),
  );
  return `
workers = 1
continue-on-failure = true
request-timeout = 20
headers = { Authorization = "Bearer \${KMS_SCHEMATHESIS_TOKEN}" }
warnings = false
suppress-health-check = ["all"]

[generation]
max-examples = ${examples}
database = "none"
no-shrink = true

[phases]
examples.enabled = false
stateful.enabled = false
fuzzing.enabled = ${phase === 'fuzzing'}
coverage.enabled = ${phase === 'coverage'}

[checks]
enabled = false
not_a_server_error.enabled = true
status_code_conformance.enabled = true
content_type_conformance.enabled = true
response_headers_conformance.enabled = true
response_schema_conformance.enabled = true

[dictionaries]
${dictionaries.join('\n')}

[parameters]
${bindings.join('\n')}

# What the run itself stands on is not for it to delete.
[[operations]]
include-path = "/api/v2/organizations/{organizationId}"
include-method = "DELETE"
parameters = { "path.organizationId" = { dictionary = "spareOrganizationId", probability = 1.0 } }
`;
}

const binding = (dictionary: string) => `{ dictionary = "${dictionary}", probability = ${PROBABILITY} }`;
