import { z } from 'zod';
import { KMS_SECRET_GROUP } from '../../contracts/kms-secret.ts';
import type { Former } from '../kms/clients.ts';
import type { Digest } from '../kubernetes/digest.ts';
import type { Metadata, Secret } from '../kubernetes/resources.ts';

/** What the operator writes into a Secret of credentials; its keys are the operator's alone then. */
export const RENEWAL_MANAGER = 'kms-operator-renewal';
/** On a Secret of credentials that the operator renews: what it knows of the client secret in it. No value. */
const RENEWAL_ANNOTATION = `${KMS_SECRET_GROUP}/renewal`;
/** Beside `clientSecret`, the one before, until that has worked. */
const PREVIOUS_KEY = 'previousClientSecret';
/** Of so many before it a digest is kept. */
const FORMER_AT_MOST = 8;

const Note = z.object({
  /** Digest of the client secret that it is about: somebody may put another one there. */
  of: z.string(),
  renewAt: z.iso.datetime(),
  endsAt: z.iso.datetime(),
  /** Digests of those before it. */
  former: z.array(z.string()).max(FORMER_AT_MOST),
  /** The KMS that made them. */
  at: z.string(),
  /** Digest of all of it: who may write the Secret must not tell the operator when to renew, nor what had its time. */
  seal: z.string(),
});
type Note = z.infer<typeof Note>;

/** A Secret of credentials, as the operator reads it. */
export interface StoredCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
  /** The one before, when nobody has seen the present one work. */
  readonly previous: string | undefined;
  /** About the present one; undefined: somebody else put it there. */
  readonly note: Note | undefined;
  /** Those that had their time. */
  readonly former: Former;
  /** Whether the present one is one of those: somebody has put it back. */
  readonly isFormer: boolean;
}

/** @returns undefined when one of the two is missing */
export function readCredentials(
  { data = {}, metadata }: Pick<Secret, 'data' | 'metadata'>,
  digest: Digest,
): StoredCredentials | undefined {
  const [clientId, clientSecret, previous] = ['clientId', 'clientSecret', PREVIOUS_KEY].map((key) => textOf(data[key]));
  if (!clientId || !clientSecret) return undefined;
  const note = readNote(metadata, clientId, digest);
  const own = digest(clientSecret);
  return {
    clientId,
    clientSecret,
    previous: previous === clientSecret ? undefined : previous,
    note: note?.of === own ? note : undefined,
    former: { at: note?.at ?? '', secrets: note?.former ?? [] },
    isFormer: note?.former.includes(own) ?? false,
  };
}

/** The Secret with the next client secret, and with the one before beside it: one write, so that a crash loses neither. */
export function withNext(
  secret: Secret,
  { clientId, clientSecret: before, former }: StoredCredentials,
  next: { readonly clientSecret: string; readonly renewAt: Date; readonly endsAt: Date; readonly at: string },
  digest: Digest,
): Secret {
  const earlier = former.at === next.at ? former.secrets : [];
  const said = {
    of: digest(next.clientSecret),
    renewAt: next.renewAt.toISOString(),
    endsAt: next.endsAt.toISOString(),
    former: [digest(before), ...earlier.filter((one) => one !== digest(before))].slice(0, FORMER_AT_MOST),
    at: next.at,
  };
  const note: Note = { ...said, seal: sealOf(said, secret.metadata, clientId, digest) };
  return written(secret, note, { clientId, clientSecret: next.clientSecret, [PREVIOUS_KEY]: before });
}

/** The Secret without the one before: the present one has worked. */
export function withoutPrevious(secret: Secret, { clientId, clientSecret, note }: StoredCredentials): Secret {
  return written(secret, note, { clientId, clientSecret });
}

/** Names the version that was read: whoever has changed it meanwhile is not overwritten. */
function written(
  { metadata: { name, namespace, resourceVersion } }: Secret,
  note: Note | undefined,
  texts: Readonly<Record<string, string>>,
): Secret {
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(note && { annotations: { [RENEWAL_ANNOTATION]: JSON.stringify(note) } }),
    },
    data: Object.fromEntries(
      Object.entries(texts).map(([key, text]) => [key, Buffer.from(text, 'utf8').toString('base64')]),
    ),
  };
}

function readNote({ annotations, ...metadata }: Metadata, clientId: string, digest: Digest): Note | undefined {
  try {
    const note = Note.parse(JSON.parse(annotations?.[RENEWAL_ANNOTATION] ?? ''));
    return note.seal === sealOf(note, metadata, clientId, digest) ? note : undefined;
  } catch {
    return undefined;
  }
}

/** A byte that no text has: the digest of a client secret, which anybody may choose and then read here, is never one of these. */
const NO_TEXT = Buffer.from([0xff]);

function sealOf(
  { of, renewAt, endsAt, former, at }: Omit<Note, 'seal'>,
  { namespace, name }: Pick<Metadata, 'name' | 'namespace'>,
  clientId: string,
  digest: Digest,
): string {
  const said = JSON.stringify([namespace, name, clientId, of, renewAt, endsAt, former, at]);
  return digest(Buffer.concat([NO_TEXT, Buffer.from(said)]));
}

export function textOf(base64: string | undefined): string | undefined {
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString('utf8');
}
