import type { Document, Node } from 'yaml';
import { UserError } from '../problem.ts';
import { documentsOf, nodeAt, pairsOf, textOf } from './nodes.ts';
import type { Gathered } from './source.ts';

/** The environment of one service of a compose file, or of all of them. What compose takes from elsewhere has to be set. */
export async function fromCompose(text: string, found: Gathered, file: string, service?: string): Promise<void> {
  const { isMap } = await import('yaml');
  const [document] = await documentsOf(text, file);
  const services = document && (await nodeAt(document, 'services'));
  if (!document || !isMap(services)) throw new UserError(`${file} has no services: it is no compose file`);
  const all = [...(await pairsOf(document, services)).keys()];
  if (service !== undefined && !all.includes(service))
    throw new UserError(`${file} has no service ${JSON.stringify(service)}: it has ${all.join(', ')}`);
  for (const name of service === undefined ? all : [service]) {
    const environment = await nodeAt(document, 'services', name, 'environment');
    for (const [key, value] of await variablesOf(document, environment)) takeInterpolated(found, key, value, name);
    const files = await nodeAt(document, 'services', name, 'env_file');
    if (files) found.fill(`env_file of ${name}`, 'is a file of its own: import that too');
  }
}

async function variablesOf(document: Document, node: Node | undefined): Promise<[string, string | undefined][]> {
  const { isMap, isScalar, isSeq } = await import('yaml');
  if (isSeq(node))
    return node.items.map((item) => {
      const line = isScalar(item) ? textOf(item) : '';
      const at = line.indexOf('=');
      return at < 0 ? [line, undefined] : [line.slice(0, at), line.slice(at + 1)];
    });
  if (!isMap(node)) return [];
  return [...(await pairsOf(document, node))].map(([key, value]) => [
    key,
    isScalar(value) && value.value !== null ? textOf(value) : undefined,
  ]);
}

/** Compose writes a dollar as `$$`, and puts something in where one stands alone. */
function takeInterpolated(found: Gathered, key: string, value: string | undefined, service: string): void {
  if (value === undefined) found.fill(key, `is taken from the environment of compose (${service})`);
  else if (/(^|[^$])(\$\$)*\$[A-Za-z_{]/.test(value)) found.fill(key, `is put together by compose (${service})`);
  else
    found.take(
      key,
      value.replaceAll('$$', () => '$'),
      `service ${service}`,
    );
}
