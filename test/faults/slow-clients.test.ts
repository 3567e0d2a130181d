import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { killLeftovers } from '../server/process/server-process.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { Instance } from './support/instance.ts';
import type { Load } from './support/load.ts';
import { Random } from './support/seeds.ts';

/** The product's own limits, in full length, while others are served; test/server/http/sockets.test.ts has them scaled down. */

const CUT_OFF = /^HTTP\/1\.1 408 .*RequestTimeout/s;
/** More than all buffers between the two sides hold. */
const BIG = { keys: 40, bytes: 200_000 };

let database: TestDatabase;
let instance: Instance;
let address: string;
let projectId: string;
let load: Load;
const sockets: Socket[] = [];

beforeAll(async () => {
  database = await createDatabase();
  instance = new Instance(() => database.uri);
  address = await instance.replica().ready();
  await instance.setUp(address);
  projectId = await instance.project(address);
  const value = 'x'.repeat(BIG.bytes);
  for (let n = 0; n < BIG.keys; n++) {
    const body = { projectId, environment: 'dev', secretValue: value };
    await instance.do(address, 'POST', `/api/v4/secrets/BIG_${n}`, body);
  }
  // Not so many that the machine is busy for all of a minute.
  load = await instance.load(() => address, new Random('slow clients'), { writers: 1, readers: 1, pauseMs: 50 });
  await load.start();
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await load?.stop();
  load?.expectOnly(200);
  await load?.settle(database.uri);
  killLeftovers();
  await database.drop();
});

async function open(): Promise<Socket> {
  const socket = connect(Number(new URL(address).port), '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Sends `head`, then a byte a second until it is cut off; answers with what came. */
async function drip(head: string, byte: string): Promise<string> {
  const socket = await open();
  let got = '';
  socket.on('data', (piece) => {
    got += piece.toString('latin1');
  });
  const closed = once(socket, 'close');
  socket.write(head);
  const dripping = setInterval(() => socket.writable && socket.write(byte), 1_000);
  await closed.finally(() => clearInterval(dripping));
  return got;
}

// All at once: what they wait for is time.
describe.concurrent('slow clients', () => {
  test('headers that come a byte a second are cut off with 408', async () => {
    const got = await drip('GET /api/status HTTP/1.1\r\nhost: kms\r\nx: ', 'a');
    expect(got).toMatch(CUT_OFF);
  });

  test('a body that comes a byte a second is cut off with 408', async () => {
    const head = 'POST /api/v1/auth/universal-auth/login HTTP/1.1\r\nhost: kms\r\ncontent-type: application/json\r\n';
    expect(await drip(`${head}content-length: 5000\r\n\r\n{`, ' ')).toMatch(CUT_OFF);
  });

  const linux = process.platform === 'linux';
  test.skipIf(!linux)(`a client that never reads is cut off${linux ? '' : ' (skipped: needs /proc)'}`, async () => {
    const socket = await open();
    socket.pause();
    const list = `/api/v4/secrets?projectId=${projectId}&environment=dev`;
    const { port } = new URL(address);
    const remote = socket.localPort!;
    socket.write(`GET ${list} HTTP/1.1\r\nhost: kms\r\nauthorization: ${instance.authorization}\r\n\r\n`.repeat(10));
    await expect.poll(() => stateOf(Number(port), remote), { timeout: 10_000 }).toBe(ESTABLISHED);
    // Nothing may have moved for 60 seconds. What is beyond them is room for a busy machine, and far from twice as long.
    // Closed by the server: what the kernel still holds for the client it may go on offering.
    await expect.poll(() => stateOf(Number(port), remote), { timeout: 90_000, interval: 500 }).not.toBe(ESTABLISHED);
    // Had it been served on, reading would bring all of it.
    let bytes = 0;
    socket.on('data', (piece) => {
      bytes += piece.length;
    });
    socket.resume();
    await once(socket, 'close');
    expect(bytes).toBeLessThan(10 * BIG.keys * BIG.bytes);
  });
});

const ESTABLISHED = '01';

/** The state of the server's end of a connection, as the kernel has it; undefined when there is none. */
function stateOf(port: number, remote: number): string | undefined {
  const hex = (number: number) => `0100007F:${number.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const [, local, other, state] = line.trim().split(/\s+/);
    if (local === hex(port) && other === hex(remote)) return state;
  }
  return undefined;
}
