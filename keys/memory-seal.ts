import { generateKeySync, type KeyObject } from 'node:crypto';
import { frame } from './frame.ts';
import { gcmOpen, gcmSeal } from './gcm.ts';

/**
 * Seals what a process keeps in its own memory, such as ready answers. The key is made with the object, is held by
 * OpenSSL and never leaves it: a heap snapshot, a swapped-out page of the JavaScript heap or an entry handed to the
 * wrong caller shows nothing. Someone who reads the whole memory of the process gets both; they could wait for the
 * plaintext of the next request just as well.
 */
export class MemorySeal {
  readonly #key: KeyObject = generateKeySync('aes', { length: 256 });
  #sealed = 0n;

  /** Seals content under an id, without which it does not open. */
  seal(id: string, content: Buffer): Buffer {
    // Counted, not random: the key is this object's alone, and a busy process would pass 2^32 random nonces in a week.
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64BE(this.#sealed++, 4);
    return gcmSeal(this.#key, frame([id]), content, nonce);
  }

  /** @throws SealBroken when it was sealed under another id or by another object, or was altered. */
  open(id: string, sealed: Buffer): Buffer {
    return gcmOpen(this.#key, frame([id]), sealed);
  }
}
