import { isUtf8 } from 'node:buffer';
import type { Document } from 'yaml';
import { z } from 'zod';
import { UserError } from '../problem.ts';
import type { Gathered } from './source.ts';

const Texts = z.record(z.string(), z.string()).nullish();
const KubernetesSecret = z.object({
  kind: z.string(),
  metadata: z.object({ name: z.string() }),
  type: z.string().optional(),
  data: Texts,
  stringData: Texts,
});
const KubernetesList = z.object({ items: z.array(z.unknown()) });

/** What the cluster or its tools make for themselves. */
const OF_THE_CLUSTER = /^(kubernetes\.io\/service-account-token|bootstrap\.kubernetes\.io\/token|helm\.sh\/.*)$/;

/** Secrets as `kubectl get secret -o json` or `-o yaml` prints them: one, a list, or several documents. */
export async function fromKubernetes(text: string, found: Gathered, file: string): Promise<void> {
  const { parseAllDocuments } = await import('yaml');
  const documents = parseAllDocuments(text);
  if (documents.some(({ errors }) => errors.length > 0)) throw new UserError(`${file} is neither YAML nor JSON`);
  const objects = documents.flatMap((document) => {
    const object = plainOf(document, file);
    const list = KubernetesList.safeParse(object);
    return list.success ? list.data.items : [object];
  });
  for (const object of objects) takeSecret(object, found, file);
}

/** The parser's own words show what a reference names, which is a value that somebody did not quote. */
function plainOf(document: Document, file: string): unknown {
  try {
    return document.toJS();
  } catch {
    throw new UserError(`${file} refers to what is not in it, or to too much`);
  }
}

function takeSecret(object: unknown, found: Gathered, file: string): void {
  const { kind } = z.object({ kind: z.string() }).catch({ kind: '' }).parse(object);
  if (kind === 'SealedSecret')
    throw new UserError(
      `${file} holds a SealedSecret, which the controller of its cluster alone can open`,
      'take the Secret that the controller made of it: kubectl get secret <name> -o json | kms import --from k8s -',
    );
  const secret = KubernetesSecret.safeParse(object);
  if (kind !== 'Secret' || !secret.success) throw new UserError(`${file} holds something that is no Secret`);
  const { metadata, type = 'Opaque', data, stringData } = secret.data;
  if (OF_THE_CLUSTER.test(type)) {
    found.refuse(metadata.name, `is of the type ${type}, which belongs to the cluster: leave it there`);
    return;
  }
  const decoded = Object.entries(data ?? {}).filter(([key]) => stringData?.[key] === undefined);
  for (const [key, base64] of decoded) {
    const bytes = Buffer.from(base64, 'base64');
    if (isUtf8(bytes)) found.take(key, bytes.toString(), `the Secret ${metadata.name}`);
    else found.refuse(key, `of ${metadata.name} is no UTF-8 text: encode it, and decode it where it is read`);
  }
  for (const [key, value] of Object.entries(stringData ?? {})) found.take(key, value, `the Secret ${metadata.name}`);
}
