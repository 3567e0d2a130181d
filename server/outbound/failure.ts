import { isTlsFault } from '../tls-fault.ts';

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

/** Its address is not one of the open internet, and was not allowed. */
export const notAllowed = (host: string) =>
  new OutboundFailure(
    'not-allowed',
    `${host} is not called: it is, or stands for, an address inside of a network (private, loopback, link-local or ` +
      'reserved); whoever runs this server can allow it with KMS_OUTBOUND_ALLOW',
  );

/** It would be called without TLS, which was not allowed. */
export const notPlain = (host: string) =>
  new OutboundFailure(
    'not-allowed',
    `${host} is not called without TLS; use https, or whoever runs this server can allow it with KMS_OUTBOUND_ALLOW=http://${host}`,
  );

/** What went wrong with a call, by the code of Node's error. */
export function asFailure(error: unknown, host: string, timedOut: boolean): OutboundFailure {
  if (error instanceof OutboundFailure) return error;
  const code = String((error as { code?: unknown }).code ?? '');
  if (timedOut) return new OutboundFailure('too-slow', `${host} did not answer in time`);
  if (isTlsFault(code)) {
    return new OutboundFailure('tls', `${host} has no certificate that is trusted here (${code})`, error);
  }
  if (code.startsWith('HPE_'))
    return new OutboundFailure('bad-answer', `${host} answered with something that is no HTTP`, error);
  return new OutboundFailure('unreachable', `${host} could not be reached`, error);
}
