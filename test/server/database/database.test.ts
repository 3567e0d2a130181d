import { once } from 'node:events';
import { createServer } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asRefusal, Database } from '../../../server/database/database.ts';
import { Refusal } from '../../../server/refusal.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await createDatabase({ empty: true });
  db = new Database({ uri: database.uri });
  await db.query({ name: 'make', text: 'create table accounts (id int primary key, balance int not null)' }, []);
  await db.query({ name: 'fill', text: 'insert into accounts values (1, 0), (2, 0)' }, []);
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

const ADD = { name: 'add', text: 'update accounts set balance = balance + 1 where id = $1' };
const balances = async () =>
  (await db.query<{ balance: number }>({ name: 'balances', text: 'select balance from accounts order by id' }, [])).map(
    ({ balance }) => balance,
  );

test('a transaction that met a deadlock is run again', async () => {
  await db.query({ name: 'zero', text: 'update accounts set balance = 0' }, []);
  const runs = { forth: 0, back: 0 };
  // Each takes its first row and waits for the other to have its own; then each wants the other's.
  const meeting = { forth: Promise.withResolvers<void>(), back: Promise.withResolvers<void>() };
  const done = { forth: Promise.withResolvers<void>(), back: Promise.withResolvers<void>() };
  const transfer = async (name: 'forth' | 'back', first: number, second: number) => {
    await db.transaction(async (tx) => {
      // Who runs again lets the other end: it could take its first row once more before the other was handed it.
      if (++runs[name] > 1) await done[name === 'forth' ? 'back' : 'forth'].promise;
      await tx.query(ADD, [first]);
      meeting[name].resolve();
      await Promise.all([meeting.forth.promise, meeting.back.promise]);
      await tx.query(ADD, [second]);
    });
    done[name].resolve();
  };
  await Promise.all([transfer('forth', 1, 2), transfer('back', 2, 1)]);
  expect(await balances()).toEqual([2, 2]);
  expect(runs.forth + runs.back).toBe(3);
});

test('a transaction that fails leaves nothing', async () => {
  const before = await balances();
  await expect(
    db.transaction(async (tx) => {
      await tx.query(ADD, [1]);
      throw new Error('changed my mind');
    }),
  ).rejects.toThrow('changed my mind');
  expect(await balances()).toEqual(before);
});

test('a transaction that always meets another gives up', async () => {
  let runs = 0;
  const always = Object.assign(new Error('deadlock detected'), { code: '40P01' });
  await expect(
    db.transaction(async () => {
      runs++;
      throw always;
    }),
  ).rejects.toBe(always);
  expect(runs).toBe(3);
});

test('a connection lost in a transaction fails that one alone', async () => {
  const failing = db.transaction(async (tx) => {
    const me = await tx.one<{ pid: number }>({ name: 'pid', text: 'select pg_backend_pid() as pid' }, []);
    const admin = new pg.Client(database.adminUri);
    await admin.connect();
    await admin.query('select pg_terminate_backend($1)', [me.pid]).finally(() => admin.end());
    await tx.query(ADD, [1]);
  });
  expect(asRefusal(await failing.catch((error) => error))).toMatchObject({ kind: 'unavailable' });
  expect(await balances()).toHaveLength(2);
});

test('times and dates are UTC, whatever the database says', async () => {
  const row = await db.one<{ zone: string }>({ name: 'zone', text: `select current_setting('timezone') as zone` }, []);
  expect(row.zone).toBe('UTC');
});

const failure = (message: string, more: object = {}) => Object.assign(new Error(message), more);

test.each<{ name: string; error: unknown; refused: boolean }>([
  { name: 'a lost connection', error: failure('Connection terminated unexpectedly'), refused: true },
  {
    name: 'a pool without a free connection',
    error: failure('timeout exceeded when trying to connect'),
    refused: true,
  },
  {
    name: 'a refused connection',
    error: failure('connect', { code: 'ECONNREFUSED', syscall: 'connect' }),
    refused: true,
  },
  { name: 'a host of two addresses', error: failure('', { code: 'ECONNREFUSED', errors: [] }), refused: true },
  { name: 'an unknown host', error: failure('getaddrinfo', { code: 'ENOTFOUND' }), refused: true },
  { name: 'a broken pipe', error: failure('write EPIPE', { code: 'EPIPE', syscall: 'write' }), refused: true },
  { name: 'a database that starts up', error: databaseError('57P03'), refused: true },
  { name: 'a right that is missing', error: databaseError('42501'), refused: true },
  { name: 'a table that is missing', error: databaseError('42P01'), refused: true },
  { name: 'a trigger that refuses', error: databaseError('P0001'), refused: true },
  { name: 'a value out of range', error: databaseError('22003'), refused: false },
  { name: 'a row that is there already', error: databaseError('23505'), refused: false },
  { name: 'a mistake in this program', error: new TypeError('x is not a function'), refused: false },
])('$name is an outage: $refused', ({ error, refused }) => {
  const result = asRefusal(error);
  if (refused) expect(result).toMatchObject({ kind: 'unavailable', cause: error });
  else expect(result).toBe(error);
});

function databaseError(code: string): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError(`error ${code}`, 0, 'error'), { code });
}

test('a database that does not answer is given up', { timeout: 15_000 }, async () => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as { port: number };
  const nobody = new Database({ uri: `postgresql://kms@127.0.0.1:${port}/kms`, connections: 1 });
  try {
    const error = asRefusal(await nobody.query({ name: 'ping', text: 'select 1' }, []).catch((fault) => fault));
    expect(error).toBeInstanceOf(Refusal);
    expect(error).toMatchObject({ kind: 'unavailable' });
  } finally {
    await nobody.close();
    silent.close();
  }
});

test('what a pipelined transaction asks at once is done in order, or not at all', async () => {
  const pipelined = new Database({ uri: database.uri, connections: 1, pipelined: true });
  try {
    await db.query({ name: 'zero', text: 'update accounts set balance = 0' }, []);
    const twice = { name: 'twice', text: 'update accounts set balance = balance * 2 where id = $1 returning balance' };
    const [, doubled] = await pipelined.transaction((tx) => Promise.all([tx.query(ADD, [1]), tx.query(twice, [1])]));
    expect(doubled).toEqual([{ balance: 2 }]);
    const broken = { name: 'broken', text: 'select 1 / $1::int' };
    await expect(
      pipelined.transaction((tx) => Promise.all([tx.query(ADD, [1]), tx.query(broken, [0]), tx.query(ADD, [2])])),
    ).rejects.toThrow('division by zero');
    expect(await balances()).toEqual([2, 0]);
    // The one connection goes on.
    await pipelined.transaction((tx) => tx.query(ADD, [2]));
    expect(await balances()).toEqual([2, 1]);
  } finally {
    await pipelined.close();
  }
});
