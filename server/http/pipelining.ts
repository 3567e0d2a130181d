import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests that wait on one connection. No client that is well has more under way without reading an answer. */
const WAITING_AT_MOST = 100;

interface Turn {
  /** The answer that is being made, or was made last. */
  answer: ServerResponse;
  readonly waiting: [IncomingMessage, ServerResponse][];
}

/**
 * Requests that share a connection are answered one after the other, and the next is begun when the answer before it has
 * left. Node hands over all that came in one piece, so a client that asks and never reads would have every answer made
 * and held for it: twenty small requests were 160 MB. Whoever waits for an answer before it asks again, as all but a few
 * clients do, is never held up.
 */
export function answerInTurn(server: Server): void {
  const [handle] = server.listeners('request') as RequestListener[];
  const turns = new WeakMap<Socket, Turn>();
  server.removeAllListeners('request');
  server.on('request', (request: IncomingMessage, answer: ServerResponse) => {
    const { socket } = request;
    const turn = turns.get(socket);
    if (turn === undefined) turns.set(socket, { answer, waiting: [] });
    else if (turn.waiting.length > 0 || !isOver(turn.answer)) {
      wait(turn, request, answer, handle!);
      return;
    } else turn.answer = answer;
    handle!(request, answer);
  });
}

const isOver = (answer: ServerResponse) => answer.writableFinished || answer.destroyed;

function wait(turn: Turn, request: IncomingMessage, answer: ServerResponse, handle: RequestListener): void {
  if (turn.waiting.length >= WAITING_AT_MOST) {
    request.socket.destroy();
    return;
  }
  if (turn.waiting.push([request, answer]) === 1) turn.answer.once('close', () => next(turn, handle));
}

function next(turn: Turn, handle: RequestListener): void {
  const [request, answer] = turn.waiting.shift()!;
  if (request.socket.destroyed) {
    turn.waiting.length = 0;
    return;
  }
  turn.answer = answer;
  if (turn.waiting.length > 0) answer.once('close', () => next(turn, handle));
  handle(request, answer);
}
