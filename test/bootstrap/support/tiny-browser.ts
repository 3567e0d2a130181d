import { runInNewContext } from 'node:vm';

interface Element {
  hidden: boolean;
  textContent: string;
  readonly elements: Record<string, { value: string }>;
  submit(): void;
}

/**
 * As much of a browser as our own pages need: cookies by host and path, redirects, and a page's script on stand-ins for its elements. What a
 * page goes to by `location` is gone to.
 */
export class TinyBrowser {
  readonly #cookies: { host: string; name: string; value: string; path: string }[] = [];
  readonly #stored = new Map<string, string>();
  #elements = new Map<string, Element>();
  /** Every address that was gone to, redirects included. */
  readonly history: string[] = [];
  /** What the last answer said. */
  text = '';
  status = 0;

  async go(address: string): Promise<void> {
    const url = new URL(address);
    this.history.push(url.href);
    const answer = await this.#fetch(url, { headers: { accept: 'text/html' } });
    const location = answer.headers.get('location');
    if (location !== null) return this.go(new URL(location, url).href);
    [this.status, this.text] = [answer.status, await answer.text()];
    if (answer.headers.get('content-type')?.startsWith('text/html')) await this.#run(url);
  }

  /** Waits for a form to be shown, fills it in and sends it. */
  async submit(form: string, values: Record<string, string> = {}): Promise<void> {
    const element = await this.#shown(form);
    for (const [name, value] of Object.entries(values)) element.elements[name]!.value = value;
    element.hidden = true;
    element.submit();
  }

  /** What an element says, once a form is shown. */
  async says(form: string, id: string): Promise<string> {
    await this.#shown(form);
    return this.#elements.get(id)!.textContent;
  }

  async #shown(id: string): Promise<Element> {
    for (let tries = 0; tries < 500; tries++) {
      const element = this.#elements.get(id);
      if (element && !element.hidden) return element;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`${id} is not shown; the page says: ${this.#elements.get('problem')?.textContent}`);
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    const cookie = this.#cookies
      .filter(({ host, path }) => host === url.host && url.pathname.startsWith(path))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
    const headers = { ...(init.headers as Record<string, string>), ...(cookie === '' ? {} : { cookie }) };
    const answer = await fetch(url, { ...init, headers, redirect: 'manual' });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      this.#cookies.push({ host: url.host, name, value, path: /Path=([^;]+)/.exec(line)?.[1] ?? '/' });
    }
    return answer;
  }

  async #run(url: URL): Promise<void> {
    this.#elements = new Map(
      [...this.text.matchAll(/<(\w+)[^>]* id="(\w+)"[^>]*>/g)].map(([, , id]) => [id!, this.#element(id!)]),
    );
    const [, source = ''] = /<script src="([^"]+)"/.exec(this.text) ?? [];
    const script = await (await this.#fetch(new URL(source, url), {})).text();
    const go = (to: string) => void this.go(new URL(to, url).href);
    runInNewContext(script, {
      ...{ URLSearchParams, setTimeout, encodeURIComponent, atob },
      location: { search: url.search, pathname: url.pathname, replace: go, assign: go },
      history: { replaceState() {} },
      sessionStorage: {
        setItem: (key: string, value: string) => this.#stored.set(key, value),
        getItem: (key: string) => this.#stored.get(key) ?? null,
        removeItem: (key: string) => this.#stored.delete(key),
      },
      document: { getElementById: (id: string) => this.#elements.get(id) },
      Option: class {},
      fetch: (to: string, init: RequestInit) => this.#fetch(new URL(to, url), init),
    });
  }

  #element(id: string): Element {
    const form = new RegExp(`<form id="${id}".*?</form>`, 's').exec(this.text)?.[0] ?? '';
    const names = [...form.matchAll(/ name="(\w+)"/g)].map(([, name]) => name!);
    const elements = Object.fromEntries(names.map((name) => [name, { value: '', replaceChildren() {} }]));
    const listeners: ((event: object) => void)[] = [];
    return {
      hidden: true,
      textContent: '',
      elements,
      addEventListener: (_: string, listener: (event: object) => void) => listeners.push(listener),
      submit() {
        for (const listener of listeners) listener({ preventDefault() {}, target: { elements } });
      },
    } as Element;
  }
}
