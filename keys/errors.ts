/** A key or secret given by a person is not one. The message says how to make one, and never repeats what was given. */
export class KeyFormatError extends Error {
  override readonly name = 'KeyFormatError';
}

/**
 * Something sealed does not open: altered, cut, taken from another place, or sealed under another key. Which of these
 * cannot be told apart, and the message carries neither key nor content.
 */
export class SealBroken extends Error {
  override readonly name = 'SealBroken';
}

/** Something sealed begins with a format number that this version does not read. */
export class UnknownFormat extends Error {
  override readonly name = 'UnknownFormat';
  readonly format: number;

  constructor(format: number) {
    super(`sealed in format ${format}, which this version does not read: a newer one wrote it, or it is damaged`);
    this.format = format;
  }
}

/** Whether an error says that something sealed does not open. */
export const isBrokenSeal = (error: unknown): error is SealBroken | UnknownFormat =>
  error instanceof SealBroken || error instanceof UnknownFormat;

/** Why an access token was refused: a field for metrics and tests. The caller of the API is told none of it. */
export type TokenRefusal = 'size' | 'encoding' | 'header' | 'algorithm' | 'key' | 'signature' | 'claims';

/** An access token that this instance did not sign, or that says nothing it could have signed. */
export class TokenInvalid extends Error {
  override readonly name = 'TokenInvalid';
  readonly reason: TokenRefusal;

  constructor(reason: TokenRefusal) {
    super(`access token refused: ${reason}`);
    this.reason = reason;
  }
}
