/** One event of a stream, as it was sent. */
export interface StreamedEvent {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
  /** How long to wait before coming back, in milliseconds. */
  readonly retry?: number;
}

/** Longest event that is read, in characters: a server that sends without end must not take the caller's memory. */
const MOST_CHARACTERS = 1024 * 1024;

/** Reads server-sent events (WHATWG HTML, 9.2), however the bytes are cut. */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamedEvent, void, undefined> {
  const decoder = new TextDecoder();
  let lines: string[] = [];
  // In pieces: to put each next byte to a text and look through all of it costs the square of its length.
  let begun: string[] = [];
  let characters = 0;
  let endedInReturn = false;
  for await (const chunk of body) {
    let text = decoder.decode(chunk, { stream: true });
    if (text === '') continue;
    if (endedInReturn && text.startsWith('\n')) text = text.slice(1);
    endedInReturn = /\r$/.test(text);
    characters += text.length;
    const [first = '', ...more] = text.split(/\r\n?|\n/);
    begun.push(first);
    for (const next of more) {
      const line = begun.join('');
      begun = [next];
      if (line !== '') {
        lines.push(line);
        continue;
      }
      if (lines.length > 0) yield parse(lines);
      lines = [];
      characters = 0;
    }
    if (characters > MOST_CHARACTERS) throw new RangeError('an event is longer than 1 MiB');
  }
}

function parse(lines: readonly string[]): StreamedEvent {
  const event: { id?: string; event?: string; data?: string; retry?: number } = {};
  for (const line of lines) {
    const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === 'id') event.id = value;
    if (name === 'event') event.event = value;
    if (name === 'data') event.data = event.data === undefined ? value : `${event.data}\n${value}`;
    if (name === 'retry' && /^\d{1,9}$/.test(value)) event.retry = Number(value);
  }
  return event;
}
