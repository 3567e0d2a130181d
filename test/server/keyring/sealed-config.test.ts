import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { parseRootKey, SealBroken } from '../../../keys/index.ts';
import { Database } from '../../../server/database/database.ts';
import { brokenPlace } from '../../../server/keyring/broken.ts';
import { openKeyring } from '../../../server/keyring/open.ts';
import { CONFIG_COLUMNS, PROJECT_COLUMNS } from '../../../server/keyring/sealed-columns.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';

const root = parseRootKey(randomBytes(32).toString('hex'));
const person = '0b9c8c1e-58a7-4f3c-a2a5-6a7d2d0f1a02';
let database: TestDatabase;
let db: Database;
let sql: pg.Client;

beforeAll(async () => {
  database = await createDatabase();
  db = new Database({ uri: database.uri });
  sql = new pg.Client(database.uri);
  await sql.connect();
});
afterAll(async () => {
  await Promise.all([db.close(), sql.end()]);
  await database.drop();
});

test('what one replica seals another opens', async () => {
  const [one, two] = [await openKeyring(db, root), await openKeyring(db, root)];
  const sealed = await one.sealConfig('totp', person, 'JBSWY3DPEHPK3PXP');
  expect(await two.openConfig('totp', person, sealed)).toBe('JBSWY3DPEHPK3PXP');
  await expect(two.openConfig('totp', one.instanceId, sealed)).rejects.toThrow(SealBroken);
  await expect(two.openConfig('recovery', person, sealed)).rejects.toThrow(SealBroken);
});

test('what names a key that does not exist is refused', async () => {
  const keyring = await openKeyring(db, root);
  const sealed = await keyring.sealConfig('totp', person, 'JBSWY3DPEHPK3PXP');
  sealed.writeUInt32BE(9);
  await expect(keyring.openConfig('totp', person, sealed)).rejects.toThrow(SealBroken);
  await expect(keyring.openConfig('totp', person, sealed.subarray(0, 3))).rejects.toThrow(SealBroken);
});

test('every sealed column is known to the rotations', async () => {
  const { rows } = await sql.query<{ name: string }>(
    `select table_name || '.' || column_name as name from information_schema.columns
      where table_schema = 'public' and data_type = 'bytea' and column_name like '%sealed%'`,
  );
  const listed = CONFIG_COLUMNS.map(({ table, column }) => `${table}.${column}`);
  expect(rows.map(({ name }) => name).sort()).toEqual([...PROJECT_COLUMNS, ...listed].sort());
});

test('whoever asks for unknown keys has them looked for once a second at most', async () => {
  const keyring = await openKeyring(db, root);
  const looks = vi.spyOn(db, 'query');
  await Promise.all(Array.from({ length: 50 }, () => keyring.lookAgain()));
  for (let n = 0; n < 50; n++) await keyring.lookAgain();
  expect(looks).toHaveBeenCalledOnce();
  looks.mockRestore();
});

test('a key put into the table that does not open is told of, and the others serve on', async () => {
  const keyring = await openKeyring(db, root);
  const told: unknown[] = [];
  keyring.onBroken = (cause) => told.push(brokenPlace(cause));
  const version = keyring.configKeyVersion;
  await sql.query(`insert into instance_keys select purpose, 99, wrapped from instance_keys where purpose = 'config'`);
  await keyring.refresh();
  await sql.query('delete from instance_keys where version = 99');
  expect(told).toEqual([{ instanceKey: 'config', keyVersion: 99 }]);
  expect(keyring.configKeyVersion).toBe(version);
});
