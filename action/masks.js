/** Characters. Shorter parts and encoded forms are found in ordinary words. */
const SHORTEST = 4;

/**
 * What must not be seen in a log for a value to be hidden: the value, each of its lines, since logs are masked line by line, and
 * how programs write it: in JSON, in a URL, in base64 wherever it begins. Of several lines, short ones and those without a letter or
 * a digit are structure: with `}` masked, a log is unreadable.
 */
export function masksOf(value) {
  const lines = value.split(/[\r\n]+/);
  const plain =
    lines.length === 1 ? lines : lines.filter((line) => line.trim().length >= SHORTEST && /[\p{L}\p{N}]/u.test(line));
  const encoded = [value, ...plain]
    .filter((text) => text.length >= SHORTEST)
    .flatMap((text) => [JSON.stringify(text).slice(1, -1), encodeURIComponent(text), ...base64Of(text)]);
  return [...new Set([...plain.flatMap((line) => [line, line.trim()]), ...encoded])].filter((mask) => /\S/.test(mask));
}

/** Base64 goes by three bytes: what comes before a text within another decides how it looks. Ends that depend on neighbours are left out. */
function base64Of(text) {
  const bytes = Buffer.from(text);
  return [0, 1, 2].flatMap((before) => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]);
    const [from, to] = [Math.ceil((before * 8) / 6), Math.floor((whole.length * 8) / 6)];
    const written = whole.toString('base64').slice(from, to);
    const urlSafe = written.replaceAll('+', '-').replaceAll('/', '_');
    return written.length < SHORTEST ? [] : [written, urlSafe];
  });
}
