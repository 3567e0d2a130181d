import type { IncomingMessage } from 'node:http';
import { OutboundFailure } from './failure.ts';

/**
 * The whole body of an answer.
 *
 * @throws OutboundFailure 'too-large' before more than `maxBytes` are held, 'bad-answer' when it is compressed: what it unpacks to has no bound
 */
export async function readBody(response: IncomingMessage, host: string, maxBytes: number): Promise<Buffer> {
  const tooLarge = () => new OutboundFailure('too-large', `${host} answered with more than ${maxBytes} bytes`);
  try {
    if (Number(response.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
    const encoding = response.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      throw new OutboundFailure('bad-answer', `${host} answered compressed, which was not asked for`);
    }
    const parts: Buffer[] = [];
    let length = 0;
    for await (const part of response as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > maxBytes) throw tooLarge();
      parts.push(part);
    }
    return Buffer.concat(parts);
  } finally {
    response.destroy();
  }
}
