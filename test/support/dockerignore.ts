/** What a .dockerignore lets in that first refuses all. The last rule that fits counts, as in Docker. */
export function isAdmitted(text: string): (path: string) => boolean {
  const rules = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const admits = line.startsWith('!');
      const pattern = line.slice(admits ? 1 : 0).replace(/[.+]/g, '\\$&');
      const regex = new RegExp(`^${pattern.replace(/^\*\*\//, '(.*/)?').replace(/(?<![.)])\*/g, '[^/]*')}(/.*)?$`);
      return { admits, regex };
    });
  return (path) => rules.findLast(({ regex }) => regex.test(path))?.admits ?? true;
}
