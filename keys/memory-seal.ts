import { generateKeySync, type KeyObject } from 'node:crypto';
import { frame } from './frame.ts';
import { gcmOpen, gcmSeal } from './gcm.ts';

/**
 * Seals what a process keeps in its own memory, such as ready answers. The key is made with the object, lies outside
 * the JavaScript heap and is never stored: a heap snapshot, or an entry handed to the wrong caller, shows nothing.
 * Someone who reads the whole memory of the process gets both; they could wait for the next request's plaintext as well.
 */
export class MemorySeal {
  readonly #key: KeyObject = generateKeySync('aes', { length: 256 });
  #sealed = 0n;

  /** Seals content under an id, without which it does not open. */
  seal(content: Buffer, id: string): Buffer {
    // Counted, not random: the key is this object's alone, and a busy process would pass 2^32 random nonces in a week.
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64BE(this.#sealed++, 4);
    return gcmSeal(this.#key, frame([id]), content, nonce);
  }

  /** @throws SealBroken when it was sealed under another id or by another object, or was altered. */
  open(sealed: Buffer, id: string): Buffer {
    return gcmOpen(this.#key, frame([id]), sealed);
  }
}
