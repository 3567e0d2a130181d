import { z } from 'zod';
import { Installation } from '../../contracts/index.ts';
import { HANZO_K8S } from '../../stacks/hanzo-k8s/defaults.ts';
import { StackSettings } from '../../stacks/settings.ts';
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

/** The page about the chart, with the table of all values in its place. */
export const withValues = (page: string) => withTable(page, valuesTable(valuesSchema(), ChartValues.parse({})));

/** The page about the stack, with the table of everything that `pulumi config` may say. */
export function withStackSettings(page: string): string {
  const settings = z.strictObject({ ...StackSettings.shape, ...Installation.shape });
  const schema = z.toJSONSchema(settings, { io: 'input', reused: 'inline' }) as SchemaNode;
  return withTable(page, valuesTable(schema, { ...StackSettings.parse({}), ...Installation.parse(HANZO_K8S) }));
}

function withTable(page: string, table: string): string {
  const [before, after] = [page.split(START)[0], page.split(END)[1]];
  if (before === undefined || after === undefined) throw new Error(`the page has no place between ${START} and ${END}`);
  return `${before}${START}\n${table}\n${END}${after}`;
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
