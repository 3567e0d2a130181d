import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folders = ['.', 'docs', 'docs/decisions'];
const pages = new Map<string, string>();
for (const folder of folders) {
  for (const name of await readdir(join(root, folder))) {
    if (name.endsWith('.md')) pages.set(join(folder, name), await readFile(join(root, folder, name), 'utf8'));
  }
}

/** A heading's name in links, as GitHub makes it. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-');
const anchors = (page: string) => [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading!));
const linksOf = (page: string) =>
  [...page.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!).filter((link) => !/^[a-z]+:/.test(link));

test.each([...pages])('every link of %s leads somewhere', async (path, page) => {
  const dead: string[] = [];
  for (const link of linksOf(page)) {
    const [file, anchor] = link.split('#') as [string, string?];
    const target = file === '' ? path : join(dirname(path), file);
    const known = target.endsWith('.md') ? pages.get(target) : await found(target);
    if (known === undefined || (anchor !== undefined && !anchors(known).includes(anchor))) dead.push(link);
  }
  expect(dead).toEqual([]);
});

test.each(['docs', 'docs/decisions'])('the index of %s names each of its pages', (folder) => {
  const named = linksOf(pages.get(join(folder, 'README.md'))!).map((link) => join(folder, link));
  const there = [...pages.keys()].filter((path) => dirname(path) === folder && !path.endsWith('README.md'));
  expect(there.filter((path) => !named.includes(path))).toEqual([]);
});

/** Something that is no page has no anchors; nothing where it is not there. */
const found = async (path: string) =>
  (await readdir(join(root, dirname(path)))).includes(relative(dirname(path), path)) ? '' : undefined;
