import { type Entries, listed } from './keys.ts';
import { SyncProblem } from './problem.ts';
import { render } from './template.ts';

/** What one managed object is to hold: text by key. */
export type Content = ReadonlyMap<string, string>;

interface Template {
  readonly includeAllSecrets: boolean;
  readonly data?: Readonly<Record<string, string>> | undefined;
}

/** Kubernetes' own bounds of Secrets and ConfigMaps: a key's characters, and the bytes of an object. */
const KEY = /^[-._a-zA-Z0-9]{1,253}$/;
const MAX_BYTES = 1024 * 1024;

/**
 * What an object is to hold, by its template; without one, every key as it is.
 *
 * @throws SyncProblem KeyNotAllowed, TooLarge, TemplateInvalid or KeysMissing
 */
export function contentOf(entries: Entries, template: Template | undefined): Content {
  const content = new Map<string, string>();
  if (template?.includeAllSecrets !== false) for (const [key, { value }] of entries) content.set(key, value);
  for (const [key, text] of Object.entries(template?.data ?? {})) content.set(key, render(key, text, entries));
  const refused = [...content.keys()].filter((key) => !KEY.test(key));
  if (refused.length > 0)
    throw new SyncProblem(
      'KeyNotAllowed',
      `${listed(refused)}: a key of a Kubernetes object is made of letters, digits, "-", "_" and "."; rename it in KMS, or name the ones to take in template.data with includeAllSecrets: false`,
    );
  let bytes = 0;
  for (const [key, value] of content) bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  if (bytes > MAX_BYTES)
    throw new SyncProblem(
      'TooLarge',
      `${content.size} keys of ${bytes} bytes: an object of Kubernetes holds ${MAX_BYTES}; take a part by secretsPath or template.data`,
    );
  return content;
}
