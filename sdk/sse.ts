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
  let text = '';
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true }).replace(/\r\n?/g, '\n');
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      yield parse(text.slice(0, end));
      text = text.slice(end + 2);
    }
    if (text.length > MOST_CHARACTERS) throw new RangeError('an event is longer than 1 MiB');
  }
}

function parse(frame: string): StreamedEvent {
  const event: { id?: string; event?: string; data?: string; retry?: number } = {};
  for (const line of frame.split('\n')) {
    const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === 'id') event.id = value;
    if (name === 'event') event.event = value;
    if (name === 'data') event.data = event.data === undefined ? value : `${event.data}\n${value}`;
    if (name === 'retry' && /^\d{1,9}$/.test(value)) event.retry = Number(value);
  }
  return event;
}
