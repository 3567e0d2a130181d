import { hash } from 'node:crypto';

const HASH_BYTES = 32;
const sha256 = (bytes: Buffer): Buffer => hash('sha256', bytes, 'buffer') as Buffer;

/**
 * The root of a Merkle tree as RFC 6962 (2.1) builds it, over leaves that are hashed already (32 bytes each, one after the
 * other). Nodes are hashed behind a 1 and leaves behind a 0, so that no node can pass for a leaf.
 */
export function merkleRoot(leaves: Buffer): Buffer {
  const count = leaves.length / HASH_BYTES;
  if (!Number.isInteger(count)) throw new TypeError('leaves are of 32 bytes each');
  if (count === 0) return sha256(Buffer.alloc(0));
  // Level by level: an odd node at the end moves up as it is, which gives the tree of the RFC.
  let level = Buffer.from(leaves);
  const pair = Buffer.alloc(1 + 2 * HASH_BYTES, 1);
  for (let nodes = count; nodes > 1; nodes = (nodes + 1) >> 1) {
    for (let n = 0; n + 1 < nodes; n += 2) {
      level.copy(pair, 1, n * HASH_BYTES, (n + 2) * HASH_BYTES);
      sha256(pair).copy(level, (n / 2) * HASH_BYTES);
    }
    if (nodes % 2 === 1)
      level.copy(level, ((nodes - 1) / 2) * HASH_BYTES, (nodes - 1) * HASH_BYTES, nodes * HASH_BYTES);
  }
  level = level.subarray(0, HASH_BYTES);
  return Buffer.from(level);
}
