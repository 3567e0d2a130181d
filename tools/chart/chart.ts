import { z } from 'zod';
import { templateFiles } from './files.ts';
import { type SchemaNode, valuesTable, valuesYaml } from './values.ts';
import { ChartValues } from './values-schema.ts';

/** All files of the chart that are written by the generator, by their path in the chart. */
export function chartFiles(): Record<string, string> {
  const schema = valuesSchema();
  const defaults = ChartValues.parse({});
  return {
    ...Object.fromEntries(Object.entries(templateFiles()).map(([name, text]) => [`templates/${name}`, text])),
    'values.schema.json': `${JSON.stringify({ ...schema, properties: { ...schema.properties, global: GLOBAL } }, null, 2)}\n`,
    'values.yaml': `${HEAD}\n${valuesYaml(schema, defaults)}\n`,
  };
}

const [START, END] = ['<!-- values: written by tools/chart.mjs -->', '<!-- end of values -->'];

/** The page of the documentation, with the table of all values in its place. */
export function withValues(page: string): string {
  const [before, after] = [page.split(START)[0], page.split(END)[1]];
  if (before === undefined || after === undefined)
    throw new Error(`docs/helm.md has no place between ${START} and ${END}`);
  return `${before}${START}\n${valuesTable(valuesSchema(), ChartValues.parse({}))}\n${END}${after}`;
}

const HEAD = `# Values of kms-standalone. Written by tools/chart.mjs from the schema that also checks them; docs/helm.md says more.
`;

function valuesSchema(): SchemaNode {
  return forHelm(z.toJSONSchema(ChartValues, { target: 'draft-7', io: 'input', reused: 'inline' })) as SchemaNode;
}

/** What a chart above this one tells all of its parts. */
const GLOBAL = { type: 'object', description: 'Values of a chart above this one; none of them is read.' };

/** Helm matches by Go's regular expressions, which cannot look ahead. */
function forHelm(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(forHelm);
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).filter(([key, value]) => key !== 'pattern' || !/\(\?[=!<]/.test(String(value)));
  return Object.fromEntries(entries.map(([key, value]) => [key, forHelm(value)]));
}
