import { generate } from 'otplib';

/** An authenticator app, made from what the server shows for its QR code. */
export class Authenticator {
  readonly seed: string;

  constructor(otpUrl: string) {
    this.seed = new URL(otpUrl).searchParams.get('secret')!;
  }

  /** The code of the time step that lies so many steps from now. */
  code(steps = 0): Promise<string> {
    return generate({ secret: this.seed, epoch: Date.now() / 1000 + steps * 30 });
  }
}
