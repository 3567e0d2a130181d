import { MOST_KEYS } from '../kubernetes/kept-object.ts';
import { type Entries, listed } from './keys.ts';
import { SyncProblem } from './problem.ts';
import { MAX_BYTES, render, Work } from './template.ts';

/** What one managed object is to hold: text by key. */
export type Content = ReadonlyMap<string, string>;

interface Template {
  readonly includeAllSecrets: boolean;
  readonly data?: Readonly<Record<string, string>> | undefined;
}

/** What Kubernetes lets the key of a Secret or a ConfigMap be. */
const KEY = /^(?!\.$|\.\.)[-._a-zA-Z0-9]{1,253}$/;

/**
 * What an object is to hold, by its template; without one, every key as it is.
 *
 * @throws SyncProblem KeyNotAllowed, TooLarge, TemplateInvalid or KeysMissing
 */
export function contentOf(entries: Entries, template: Template | undefined): Content {
  const content = new Map<string, string>();
  const work = new Work();
  let bytes = 0;
  const put = (key: string, value: string) => {
    content.set(key, value);
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  };
  if (template?.includeAllSecrets !== false) for (const [key, { value }] of entries) put(key, value);
  for (const [key, text] of Object.entries(template?.data ?? {})) {
    // Not all of them first: what a short template repeats is more than there is memory for.
    if (bytes > MAX_BYTES) break;
    const before = content.get(key);
    if (before !== undefined) bytes -= Buffer.byteLength(key) + Buffer.byteLength(before);
    put(key, render(key, text, entries, work));
  }
  const refused = [...content.keys()].filter((key) => !KEY.test(key));
  if (refused.length > 0)
    throw new SyncProblem(
      'KeyNotAllowed',
      `${listed(refused)}: a key of a Kubernetes object is made of letters, digits, "-", "_" and ".", and begins with no "..": rename it in KMS, or name the ones to take in template.data with includeAllSecrets: false`,
    );
  if (bytes > MAX_BYTES)
    throw new SyncProblem(
      'TooLarge',
      `${content.size} keys of ${bytes} bytes: an object of Kubernetes holds ${MAX_BYTES}; take a part by secretsPath or template.data`,
    );
  if (content.size > MOST_KEYS)
    throw new SyncProblem(
      'TooLarge',
      `${content.size} keys: the operator keeps up to ${MOST_KEYS} in an object; take a part by secretsPath or template.data`,
    );
  return content;
}
