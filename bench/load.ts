import autocannon from 'autocannon';

/** What is sent, again and again. A function makes each request anew: `n` counts within its connection. */
export interface Traffic {
  readonly method?: 'GET' | 'POST' | 'PATCH';
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: (connection: number, n: number) => { readonly path?: string; readonly body: object };
}

export interface Rate {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly bytes: number;
}

/**
 * Sends traffic for some seconds over some connections and tells the rate. One answer that is no success fails the run:
 * an error is fast, and would count as speed.
 *
 * @param overallRate requests a second at most, over all connections; absent: as many as can be
 */
export async function load(
  address: string,
  traffic: Traffic,
  { connections, seconds, overallRate }: { connections: number; seconds: number; overallRate?: number },
): Promise<Rate> {
  let connection = 0;
  const result = await autocannon({
    url: address + traffic.path,
    connections,
    duration: seconds,
    timeout: 30,
    method: traffic.method ?? 'GET',
    headers: { ...traffic.headers, ...(traffic.body ? { 'content-type': 'application/json' } : {}) },
    ...(overallRate === undefined ? {} : { overallRate }),
    ...(traffic.body === undefined ? {} : { setupClient: (client) => anew(client, traffic, connection++) }),
  });
  const refused = result.non2xx - (result.statusCodeStats?.['304']?.count ?? 0);
  if (refused > 0 || result.errors > 0) {
    const statuses = JSON.stringify(result.statusCodeStats);
    throw new Error(`${address}${traffic.path}: ${refused} refused (${statuses}), ${result.errors} errors`);
  }
  return {
    perSecond: result.requests.average,
    p50: result.latency.p50,
    p99: result.latency.p99,
    bytes: result.throughput.average,
  };
}

/** autocannon builds a request anew before each sending when it has a `setupRequest`. */
function anew(client: autocannon.Client, traffic: Traffic, connection: number): void {
  let n = 0;
  const { method = 'GET', headers = {} } = traffic;
  const setupRequest = (): autocannon.Request => {
    const { path = traffic.path, body } = traffic.body!(connection, n++);
    return { method, path, headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) };
  };
  client.setRequests([{ ...setupRequest(), setupRequest }]);
}
