import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** Looks within the time that a connection may stand still: it ends by two of them late, at most. */
const LOOKS = 12;

interface Quiet {
  /** Since when nothing moved, and when that was looked at last, in milliseconds. */
  readonly since: number;
  readonly lookedAt: number;
  readonly moved: number;
}

/** How often Node is to look at a connection that nothing was heard of; what {@link endStalled} expects of `server.timeout`. */
export const lookEveryMs = (stalledMs: number) => Math.ceil(stalledMs / LOOKS);

/**
 * Ends a connection on which nothing moved for `stalledMs`. Node's own timeout takes up to twice as long with a client that
 * reads nothing: when it is over Node first finds out that some of the answer has left since the last time, and begins anew.
 * So it is a short one, which Node tells us of only after a stretch without any movement, and we add the stretches up.
 */
export function endStalled(server: Server, stalledMs: number): void {
  const every = lookEveryMs(stalledMs);
  const quiet = new WeakMap<Socket, Quiet>();
  server.on('timeout', (socket: Socket) => {
    // Kept alive between two requests for as long as it may be.
    if (socket.timeout !== every) {
      socket.destroy();
      return;
    }
    const now = performance.now();
    const moved = socket.bytesRead + socket.bytesWritten - socket.writableLength;
    const before = quiet.get(socket);
    // A look that Node did not tell us of found movement.
    const goesOn = before !== undefined && before.moved === moved && now - before.lookedAt < 1.5 * every;
    const since = goesOn ? before.since : now - every;
    if (now - since >= stalledMs) {
      socket.destroy();
      return;
    }
    quiet.set(socket, { since, lookedAt: now, moved });
    socket.setTimeout(every);
  });
}
