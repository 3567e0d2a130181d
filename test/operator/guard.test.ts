import { expect, test } from 'vitest';
import { guardShrink } from '../../operator/sync/guard.ts';

const before = { folderId: 'folder', changeId: 'one', keys: 20 };
const evidence = { folderId: 'folder', changeId: 'two' };

test.each([
  ['nothing was followed before', undefined, {}, 0],
  ['there was nothing before', { ...before, keys: 0 }, {}, 0],
  ['as many as before', before, {}, 20],
  ['a few less', before, {}, 10],
  ['one of three is left', { ...before, keys: 3 }, {}, 1],
  ['all gone from the same folder, after a change', before, evidence, 0],
  ['most gone from the same folder, after a change', before, evidence, 2],
])('followed: %s', (_name, last, now, keys) => {
  expect(() => guardShrink(last, { folderId: undefined, changeId: undefined, ...now }, keys)).not.toThrow();
});

test.each([
  ['all gone, and the answer names no folder', {}, 0, 'EmptyHeld'],
  ['all gone, and it is another folder', { ...evidence, folderId: 'other' }, 0, 'EmptyHeld'],
  ['all gone, and nothing changed', { ...evidence, changeId: 'one' }, 0, 'EmptyHeld'],
  ['most gone, and nothing changed', { ...evidence, changeId: 'one' }, 9, 'ShrinkHeld'],
  ['most gone, and it is another folder', { ...evidence, folderId: 'other' }, 1, 'ShrinkHeld'],
])('held: %s', (_name, now, keys, reason) => {
  expect(() => guardShrink(before, { folderId: undefined, changeId: undefined, ...now }, keys)).toThrow(
    expect.objectContaining({
      reason,
      message: expect.stringMatching(/where there were 20, .*If that is right, delete the KMSSecret/),
    }),
  );
});
