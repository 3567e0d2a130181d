import type { Fetch } from '../../sdk/transport.ts';

/** The cookie in which a session's refresh token goes, as browsers have it. */
const NAME = 'jid';

/** A fetch that sends and keeps the refresh token, and no other cookie. */
export function cookieJar(first?: string): { readonly fetch: Fetch; refresh(): string | undefined } {
  let refresh = first;
  return {
    refresh: () => refresh,
    async fetch(url, init) {
      const cookie: Record<string, string> = refresh === undefined ? {} : { cookie: `${NAME}=${refresh}` };
      const answer = await fetch(url, { ...init, headers: { ...init.headers, ...cookie } });
      const [, set] = new RegExp(`(?:^|, )${NAME}=([^;,]*)`).exec(answer.headers.get('set-cookie') ?? '') ?? [];
      if (set !== undefined) refresh = set || undefined;
      return answer;
    },
  };
}
