import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Secret } from '../../operator/kubernetes/resources.ts';
import { readCredentials, withNext } from '../../operator/renewal/credentials.ts';

/** The Secret of credentials is a tenant's to write: what the operator noted in it is believed only as it noted it. */

const digest = (value: string | Buffer) => createHmac('sha256', 'key').update(value).digest('base64url').slice(0, 22);
const base64 = (text: string) => Buffer.from(text).toString('base64');
const NOTE = 'secrets.lux.network/renewal';

const first: Secret = {
  metadata: { name: 'auth', namespace: 'hanzo' },
  data: { clientId: base64('id'), clientSecret: base64('one') },
};
const at = 'https://kms.hanzo.ai';
const times = { renewAt: new Date('2026-01-01T00:00:00Z'), endsAt: new Date('2026-02-01T00:00:00Z') };
const renewed = withNext(first, readCredentials(first, digest)!, { clientSecret: 'two', at, ...times }, digest);

const noteOf = ({ metadata }: Secret) => JSON.parse(metadata.annotations![NOTE]!) as Record<string, unknown>;
const with_ = (secret: Secret, metadata: object, note: object = noteOf(secret)): Secret => ({
  ...secret,
  metadata: { ...secret.metadata, ...metadata, annotations: { [NOTE]: JSON.stringify(note) } },
});

test('what the operator noted is read back, and who had its time is known', () => {
  expect(readCredentials(renewed, digest)).toMatchObject({
    clientSecret: 'two',
    note: { endsAt: '2026-02-01T00:00:00.000Z' },
    former: { at, secrets: [digest('one')] },
  });
  const back = { ...renewed, data: { ...renewed.data, clientSecret: base64('one') } };
  expect(readCredentials(back, digest)).toMatchObject({ isFormer: true, note: undefined });
});

test.each<[string, Secret]>([
  ['another time', with_(renewed, {}, { ...noteOf(renewed), renewAt: '9999-01-01T00:00:00.000Z' })],
  ["another's as former", with_(renewed, {}, { ...noteOf(renewed), former: [digest('of somebody else')] })],
  ['another KMS', with_(renewed, {}, { ...noteOf(renewed), at: 'https://kms.example' })],
  ['no seal', with_(renewed, {}, { ...noteOf(renewed), seal: undefined })],
  ['the note of another Secret', with_(renewed, { name: 'other' })],
  ['the note of another namespace', with_(renewed, { namespace: 'evil' })],
  ['another client id', { ...renewed, data: { ...renewed.data, clientId: base64('victim') } }],
  ['what is no note', with_(renewed, {}, [])],
])('with %s it is not believed', (_what, secret) => {
  expect(readCredentials(secret, digest)).toMatchObject({ note: undefined, former: { secrets: [] }, isFormer: false });
});

test('no client secret has a digest that passes for a seal', () => {
  const { seal, ...said } = noteOf(renewed) as { seal: string; [name: string]: unknown };
  const text = JSON.stringify(['hanzo', 'auth', 'id', said.of, said.renewAt, said.endsAt, said.former, said.at]);
  for (const chosen of [text, `\u00ff${text}`, `\ufffd${text}`]) expect(digest(chosen)).not.toBe(seal);
});

test('of another KMS than before, none of the former ones is taken along', () => {
  const stored = readCredentials(renewed, digest)!;
  const next = withNext(renewed, stored, { clientSecret: 'three', at: 'https://evil.example', ...times }, digest);
  expect(readCredentials(next, digest)?.former).toEqual({ at: 'https://evil.example', secrets: [digest('two')] });
});
