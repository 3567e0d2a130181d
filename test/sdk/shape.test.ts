import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { AccessToken } from '../../contracts/access-tokens.ts';
import { ErrorBody } from '../../contracts/errors.ts';
import { SecretsAnswer } from '../../contracts/secrets.ts';
import { TokenAnswer } from '../../sdk/authentication.ts';
import { ErrorAnswer } from '../../sdk/errors.ts';
import { LookAnswer } from '../../sdk/look.ts';
import type { Reader } from '../../sdk/shape.ts';

const id = '4b5f1f6c-3b3a-4c55-9f43-0d5f2a4a9d10';
const secret = {
  id,
  _id: id,
  workspace: id,
  environment: 'dev',
  secretPath: '/',
  version: 1,
  type: 'shared',
  secretKey: 'A',
  secretValue: 'b',
  secretValueHidden: false,
  secretComment: '',
  skipMultilineEncoding: false,
  secretReminderNote: null,
  secretReminderRepeatDays: null,
  secretMetadata: [],
  tags: [],
  actor: null,
  isRotatedSecret: false,
  rotationId: null,
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
};
const look = {
  secrets: [secret],
  imports: [{ secretPath: '/', environment: 'dev', folderId: id, secrets: [secret] }],
  folder: { id, projectId: id, changeId: id },
};

/** Every value within an answer, by its path. */
function* placesOf(value: unknown, path: readonly string[] = []): Generator<readonly string[]> {
  if (path.length > 0) yield path;
  if (typeof value === 'object' && value !== null)
    for (const [name, inner] of Object.entries(value)) yield* placesOf(inner, [...path, name]);
}

function withOther(whole: unknown, path: readonly string[], other: unknown): unknown {
  const copy = structuredClone(whole) as Record<string, any>;
  const parent = path.slice(0, -1).reduce((at, name) => at[name], copy);
  if (other === undefined) delete parent[path.at(-1)!];
  else parent[path.at(-1)!] = other;
  return copy;
}

describe.each<{ name: string; reader: Reader<unknown>; schema: z.ZodType; right: object; read: readonly string[] }>([
  {
    name: 'a look',
    reader: LookAnswer,
    schema: SecretsAnswer,
    right: look,
    read: [
      'secrets',
      'imports',
      'folder',
      'secretKey',
      'secretValue',
      'secretValueHidden',
      'secretPath',
      'environment',
      'workspace',
      'folderId',
      'projectId',
      'changeId',
    ],
  },
  {
    name: 'a token',
    reader: TokenAnswer,
    schema: AccessToken,
    right: { accessToken: 't', expiresIn: 1, accessTokenMaxTTL: 2, tokenType: 'Bearer' },
    read: ['accessToken', 'expiresIn', 'accessTokenMaxTTL'],
  },
  {
    name: 'an error',
    reader: ErrorAnswer,
    schema: ErrorBody,
    right: { reqId: 'r', statusCode: 422, message: [{ code: 'c', path: ['a', 1], message: 'm' }], error: 'e' },
    read: ['reqId', 'statusCode', 'error', 'message', 'code', 'path'],
  },
])('$name', ({ reader, schema, right, read }) => {
  test('that the schema takes is taken, and whatever else comes with it', () => {
    expect(schema.safeParse(right).success).toBe(true);
    expect(reader.safeParse(right).success).toBe(true);
    expect(reader.safeParse({ ...right, later: 1 }).success).toBe(true);
  });

  test('without a field that is read, or with another kind of value there, is refused as the schema refuses it', () => {
    const places = [...placesOf(right)].filter((path) => read.includes(path.at(-1)!));
    expect(places.length).toBeGreaterThanOrEqual(read.length);
    const other = fc.constantFrom<unknown>(undefined, null, 1.5, true, 'text', [], {}, [1], { a: 1 });
    for (const path of places)
      for (const value of fc.sample(other, 12)) {
        const wrong = withOther(right, path, value);
        // What the shape lets pass, the schema does too, but for formats that no program reads.
        if (reader.safeParse(wrong).success && typeof value !== 'string' && value !== 1.5)
          expect([path, value, schema.safeParse(wrong).success]).toEqual([path, value, true]);
      }
  });
});

test('what is wrong is said with its place, and without the value', () => {
  const found = LookAnswer.safeParse(withOther(look, ['secrets', '0', 'secretValue'], 7));
  expect(found).toEqual({
    success: false,
    error: { issues: [{ path: ['secrets', 0, 'secretValue'], message: 'expected a string' }] },
  });
});
