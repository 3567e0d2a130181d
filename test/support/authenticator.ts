import { generate } from 'otplib';

/** An authenticator app, made from what the server shows for its QR code. */
export class Authenticator {
  readonly seed: string;
  #shown = 0;

  constructor(otpUrl: string) {
    this.seed = new URL(otpUrl).searchParams.get('secret')!;
  }

  /** The code of the time step that lies so many steps from now. */
  code(steps = 0): Promise<string> {
    return generate({ secret: this.seed, epoch: Date.now() / 1000 + steps * 30 });
  }

  /** A code that was not used yet. Its owner would wait for it; a test takes the next one, which drift allows. */
  async next(): Promise<string> {
    const now = Math.floor(Date.now() / 30_000);
    this.#shown = Math.max(now - 1, this.#shown + 1);
    if (this.#shown > now + 1) throw new Error('three codes are used: let the database forget the last step');
    return this.code(this.#shown - now);
  }

  /** After the server was made to forget which codes were used. */
  forget(): void {
    this.#shown = 0;
  }
}
