import {
  type AuditKeys,
  type AuditPublicKey,
  auditPublicKey,
  frame,
  isSignedBy,
  publicKeyBytes,
  signHead,
} from '../../keys/index.ts';
import type { Db } from '../database/database.ts';
import { readHandoverBatches } from './handover-store.ts';
import { asHead, type Head, isIntact, type SignedHead } from './head.ts';

/**
 * The audit's key is replaced by a checkpoint that both sign: the former one each in the note, the new one the head. From it on
 * nothing of a former key counts, however well it is signed; before it everything is held by the hash chain that the checkpoint
 * ends. So a former key need not be kept, and whoever has it can make up nothing that would be believed.
 */

/** Keys of the audit by their version, each good for the batches before `until`. */
export type TrustedKeys = ReadonlyMap<number, TrustedKey>;
export interface TrustedKey extends AuditPublicKey {
  /** The number of the checkpoint that ended it. @default - it is in force */
  readonly until?: number;
}

interface Former {
  readonly version: number;
  /** SPKI DER, in base64. */
  readonly publicKey: string;
  /** Over `handoverBytes`, in base64. */
  readonly signature: string;
}
interface Note {
  readonly handover: { readonly to: number; readonly former: readonly Former[] };
}

type Place = Pick<Head, 'instanceId' | 'number' | 'previous'>;

/** What a former key signs: that the next one takes over, and behind which batch. */
function handoverBytes({ instanceId, number, previous }: Place, from: AuditPublicKey, to: AuditPublicKey): Buffer {
  return frame([
    'hanzo-kms/v1/audit-key-handover',
    instanceId,
    number,
    previous,
    from.version,
    from.fingerprint,
    to.version,
    to.fingerprint,
  ]);
}

/** The note of the checkpoint by which `to` takes over from these. */
export function handoverNote(place: Place, former: readonly AuditKeys[], to: AuditPublicKey): string {
  const note: Note = {
    handover: {
      to: to.version,
      former: former.map((from) => ({
        version: from.version,
        publicKey: publicKeyBytes(from).toString('base64'),
        signature: signHead(from, handoverBytes(place, from, to)).toString('base64'),
      })),
    },
  };
  return JSON.stringify(note);
}

/** The keys that a handover ended; nothing when it is none, or not signed by all of them and by the one that took over. */
function endedBy(head: SignedHead, to: AuditPublicKey): AuditPublicKey[] | undefined {
  if (head.keyVersion !== to.version || !isIntact(to, head)) return undefined;
  try {
    const { handover } = JSON.parse(head.note ?? '') as Note;
    if (handover.to !== to.version) return undefined;
    return handover.former.map(({ version, publicKey, signature }) => {
      const from = auditPublicKey(Buffer.from(publicKey, 'base64'), version);
      if (version >= to.version || !isSignedBy(from, handoverBytes(head, from, to), Buffer.from(signature, 'base64')))
        throw new TypeError('not signed by the former key');
      return from;
    });
  } catch {
    return undefined;
  }
}

/**
 * The keys that count in this database. Believed is what this process holds, the newest of all, and from there backwards whatever
 * a believed key says that it took over from. A former key that somebody put back into the table is ended all the same.
 */
export async function trustedKeys(
  db: Db,
  { instanceId, auditKeys }: { readonly instanceId: string; readonly auditKeys: readonly AuditPublicKey[] },
): Promise<TrustedKeys> {
  const trusted = new Map<number, TrustedKey>(auditKeys.map((key) => [key.version, key]));
  const heads = (await readHandoverBatches(db)).sort((a, b) => b.number - a.number);
  for (const row of heads) {
    const to = trusted.get(row.keyVersion);
    if (to === undefined || row.number >= (to.until ?? Number.POSITIVE_INFINITY)) continue;
    for (const from of endedBy(asHead(row, instanceId, to), to) ?? []) {
      trusted.set(from.version, {
        ...from,
        until: Math.min(row.number, trusted.get(from.version)?.until ?? row.number),
      });
    }
  }
  return trusted;
}

/** The key of a head, when it counts there. */
export function keyAt(
  trusted: TrustedKeys,
  { number, keyVersion }: { number: number; keyVersion: number },
): TrustedKey | undefined {
  const key = trusted.get(keyVersion);
  return key !== undefined && number < (key.until ?? Number.POSITIVE_INFINITY) ? key : undefined;
}

/** The keys whose macs count: those that are held and that no handover ended. */
export const inForce = (held: readonly AuditKeys[], trusted: TrustedKeys): AuditKeys[] =>
  held.filter(({ version }) => trusted.get(version)?.until === undefined);
