import { createPrivateKey, createSecretKey } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { auditKeys, auditPublicKey, limitNames, macFor, parseAuthSecret, serviceTokenOf } from '../../keys/index.ts';
import { attestationMac } from '../../server/audit/attestor.ts';
import { COLUMNS, leafOf, type SealedTable } from '../../server/audit/encoding.ts';
import { handoverNote } from '../../server/audit/handover.ts';
import { exported, isIntact, type SignedHead, signedHead } from '../../server/audit/head.ts';
import { merkleRoot } from '../../server/audit/merkle.ts';
import { writtenMac } from '../../server/audit/written.ts';
import { INSTANCE_KEYS } from '../../server/keyring/instance-keys.ts';
import { CONFIG_COLUMNS } from '../../server/keyring/sealed-columns.ts';
import { Passwords } from '../../server/people/passwords.ts';
import { readRefreshToken, refreshToken } from '../../server/sessions/refresh-token.ts';
import accessTokens from './vectors/access-tokens.json' with { type: 'json' };
import audit from './vectors/audit.json' with { type: 'json' };
import clientSecrets from './vectors/client-secrets.json' with { type: 'json' };
import contentTags from './vectors/content-tags.json' with { type: 'json' };
import limits from './vectors/limit-names.json' with { type: 'json' };
import macs from './vectors/macs.json' with { type: 'json' };
import passwords from './vectors/passwords.json' with { type: 'json' };
import proofs from './vectors/proofs.json' with { type: 'json' };
import roots from './vectors/root-keys.json' with { type: 'json' };
import sealedConfig from './vectors/sealed-config.json' with { type: 'json' };
import sealedValues from './vectors/sealed-values.json' with { type: 'json' };
import wrapped from './vectors/wrapped-keys.json' with { type: 'json' };

/** What was stored by a version once has to be understood by every later one: each format has a known answer. */

const hex = (text: string) => Buffer.from(text, 'hex');
const secretOf = (text: string) => createSecretKey(hex(text));
const [first, second] = audit.keys.map(({ pkcs8, version }) =>
  auditKeys(createPrivateKey({ key: hex(pkcs8), format: 'der', type: 'pkcs8' }), version),
);
const keyOf = (version: number) => (version === 1 ? first! : second!);

/** The vectors of each label that the code authenticates with, so that none is without one. */
const BY_LABEL: Record<string, readonly unknown[]> = {
  'hanzo-kms/v1/seal': sealedValues.filter(({ place }) => !('ownerId' in place)),
  'hanzo-kms/v1/seal-personal': sealedValues.filter(({ place }) => 'ownerId' in place),
  'hanzo-kms/v1/config': sealedConfig,
  'hanzo-kms/v1/wrap': wrapped,
  'hanzo-kms/v1/root/': roots,
  'hanzo-kms/v1/auth/': [...accessTokens, ...proofs],
  'hanzo-kms/v1/proof': proofs,
  'hanzo-kms/v1/mac': macs.macs,
  'hanzo-kms/v1/audit/attestation': audit.keys,
  'hanzo-kms/v1/audit-head': audit.heads,
  'hanzo-kms/v1/audit-key-handover': [audit.handover],
  'hanzo-kms/v1/attestation': audit.attestations,
  'hanzo-kms/v1/written-secret': audit.written,
  'kms-audit/1': audit.leaves,
};
/** Those that name no label of their own, and the file that makes each. */
const WITHOUT_LABEL: Record<string, readonly unknown[]> = {
  'keys/client-secret.ts': clientSecrets,
  'keys/etag.ts': contentTags,
  'keys/limit-name.ts': limits,
  'keys/access-token.ts': accessTokens,
};

const sources = ['keys', 'server'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ name: join(folder, name), text: readFileSync(join(folder, name), 'utf8') })),
);
const found = (pattern: RegExp) => [
  ...new Set(sources.flatMap(({ text }) => [...text.matchAll(pattern)].map(([, name]) => name!))),
];

describe('every format that the code writes has a known answer', () => {
  test('by the label that it authenticates with', () => {
    const labels = found(/['`]((?:hanzo-kms\/v\d+\/|kms-audit\/\d)[a-z-]*\/?[a-z-]*)/g);
    expect(labels.sort()).toEqual(Object.keys(BY_LABEL).sort());
    for (const [label, vectors] of Object.entries({ ...BY_LABEL, ...WITHOUT_LABEL })) {
      expect(vectors.length, label).toBeGreaterThan(0);
    }
  });

  test('and so has every file of keys that makes a MAC of its own', () => {
    const making = sources.filter(({ name, text }) => name.startsWith('keys/') && text.includes('createHmac('));
    const labelled = ['keys/mac.ts', 'keys/proof.ts'];
    expect(making.map(({ name }) => name).sort()).toEqual([...labelled, ...Object.keys(WITHOUT_LABEL)].sort());
  });

  test('by the purpose of a MAC, of a wrapped key and of sealed configuration', () => {
    const purposes = found(/macFor\([^,]+, ['`]([a-z-]+)/g);
    expect(purposes.sort()).toEqual(
      [...new Set(macs.macs.map(({ purpose }) => purpose.replace(/^sso-.*/, 'sso-')))].sort(),
    );
    const labels = ['wrap-project-key', ...INSTANCE_KEYS.map(({ label }) => label)];
    expect(wrapped.map(({ label }) => label)).toEqual(expect.arrayContaining(labels));
    const configured = sealedConfig.map(({ place }) => place.purpose);
    expect(configured).toEqual(expect.arrayContaining(CONFIG_COLUMNS.map(({ purpose }) => purpose)));
    const tables = audit.leaves.map(({ table }) => table);
    expect(tables.sort()).toEqual(Object.keys(COLUMNS).sort());
  });
});

test.each(audit.keys)('version $version of the audit key gives the known fingerprint and MAC key', (vector) => {
  const key = keyOf(vector.version);
  expect(key.fingerprint).toBe(vector.fingerprint);
  expect(key.attesting.export().toString('hex')).toBe(vector.attesting);
  expect(auditPublicKey(hex(vector.spki), vector.version).fingerprint).toBe(vector.fingerprint);
});

test.each(audit.attestations)('the attestation of a row of $tab has the known MAC', ({ digest, mac, ...rest }) => {
  const made = attestationMac(first!.attesting, { ...rest, digest: digest === null ? null : hex(digest) });
  expect(made.toString('hex')).toBe(mac);
});

test.each(audit.written)('a secret of version $version has the known MAC', ({ mac, ...written }) => {
  expect(writtenMac(first!.attesting, written)).toBe(mac);
});

test.each(audit.leaves)('a row of $table has the known leaf', ({ table, columns, leaf }) => {
  expect(columns).toHaveLength(COLUMNS[table as SealedTable].length);
  expect(leafOf(table as SealedTable, columns).toString('hex')).toBe(leaf);
});

test('leaves have the known root', () => {
  expect(merkleRoot(hex(audit.tree.leaves.join(''))).toString('hex')).toBe(audit.tree.root);
});

describe.each(audit.heads)('$name', ({ name: _name, hash, signature, ...vector }) => {
  const { previous, sealedAt, parts, kind, ...rest } = vector;
  const head = {
    ...rest,
    kind: kind as SignedHead['kind'],
    sealedAt: new Date(sealedAt),
    previous: hex(previous),
    parts: parts.map((part) => ({ ...part, root: hex(part.root) })),
  };
  const key = keyOf(vector.keyVersion);

  test('is signed as it was', () => {
    const made = signedHead(key, head);
    expect([made.hash.toString('hex'), made.signature.toString('hex')]).toEqual([hash, signature]);
    expect(isIntact(key, made)).toBe(true);
    expect(isIntact(vector.keyVersion === 1 ? second! : first!, made)).toBe(false);
  });

  test('is exported with all that it takes to check it', () => {
    const line = JSON.parse(exported(signedHead(key, head), key));
    expect(line).toMatchObject({ kmsAuditHead: 1, number: vector.number, note: vector.note, hash, sealedAt, previous });
    expect(Buffer.from(line.publicKey, 'base64').toString('hex')).toBe(audit.keys[vector.keyVersion - 1]!.spki);
    expect(Buffer.from(line.signature, 'base64').toString('hex')).toBe(signature);
  });
});

test('a key takes over from another by the known note', () => {
  const { number, previous, note } = audit.handover;
  const { instanceId } = audit.heads[0]!;
  expect(handoverNote({ instanceId, number, previous: hex(previous) }, [first!], second!)).toBe(note);
});

test.each(macs.macs)('a MAC for $purpose is the known one', ({ key, purpose, fields, mac }) => {
  expect(macFor(secretOf(key), purpose, ...fields).toString('hex')).toBe(mac);
});

test('service tokens and refresh tokens are the known ones', () => {
  const { key, id, serviceToken, refreshToken: refresh } = macs.tokens;
  expect(serviceTokenOf(secretOf(key), id)).toBe(serviceToken);
  expect(refreshToken(secretOf(key), { sessionId: id, generation: 7 })).toBe(refresh);
  expect(readRefreshToken(secretOf(key), refresh)).toEqual({ sessionId: id, generation: 7 });
});

test.each(limits)('a caller has the known name among the limits', ({ authSecret, caller, name }) => {
  expect(limitNames(parseAuthSecret(authSecret))(caller)).toBe(name);
});

test.each(passwords)('a password is known by its hash', async ({ password, hash }) => {
  expect(await new Passwords().verify(hash, password, 'here')).toBe(true);
  expect(await new Passwords().verify(hash, `${password}r`, 'here')).toBe(false);
});
