/** Why a call to another server came to nothing. */
export type OutboundReason =
  | 'bad-url'
  | 'not-allowed'
  | 'busy'
  | 'unreachable'
  | 'tls'
  | 'too-slow'
  | 'too-large'
  | 'redirected'
  | 'bad-answer';

/**
 * A call to another server that was not made, or that failed. The message is for whoever configured the URL: it names the
 * host and never what stands behind it (an address, a body), which would tell of the inside of the network.
 */
export class OutboundFailure extends Error {
  override readonly name = 'OutboundFailure';
  readonly reason: OutboundReason;

  constructor(reason: OutboundReason, message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}
