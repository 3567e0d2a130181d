import { expect, test } from 'vitest';
import { deriveFromAuthSecret, deriveKey } from '../../keys/derive.ts';
import { parseAuthSecret, parseRootKey } from '../../keys/index.ts';
import roots from './vectors/root-keys.json' with { type: 'json' };

const labels = [
  'wrap-project-key',
  'wrap-client-secret-mac-key',
  'wrap-former-client-secret-mac-key',
  'wrap-audit-signing-key',
  'wrap-config-key',
  'content-tag',
  'key-check',
  'fingerprint',
] as const;

test.each(labels)('the key for %s is the known one', (label) => {
  for (const { hex, derived } of roots) {
    expect(deriveKey(parseRootKey(hex), label).export().toString('hex')).toBe(derived[label]);
  }
});

test('no two purposes ever share a key', () => {
  // One text given as both secrets: an installer's mistake that must not make one key of two.
  const text = roots[0]!.base64;
  const fromAuth = (['access-token', 'access-token-kid', 'bootstrap-proof'] as const).map((label) =>
    deriveFromAuthSecret(parseAuthSecret(text), label),
  );
  const fromRoot = roots.flatMap(({ hex }) => labels.map((label) => deriveKey(parseRootKey(hex), label)));
  const all = [...fromAuth, ...fromRoot].map((key) => key.export().toString('hex'));
  expect(new Set([...all, ...roots.map(({ hex }) => hex)]).size).toBe(3 + 2 * labels.length + 2);
});
