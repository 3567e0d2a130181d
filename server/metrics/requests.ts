import type { FastifyInstance } from 'fastify';
import { Histogram, SECONDS } from './histogram.ts';
import type { Metrics } from './metrics.ts';

/** What one route has answered. It lies on the route, so that counting a request looks nothing up. */
export class Meter {
  readonly method: string;
  readonly route: string;
  readonly statuses = new Map<number, number>();
  readonly seconds = new Histogram(SECONDS);

  constructor(method: string, route: string) {
    this.method = method;
    this.route = route;
  }

  observe(status: number, seconds: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    this.seconds.observe(seconds);
  }
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Set for every route by metrics/requests.ts. */
    meter?: Meter;
  }
}

/** Counts requests by the template of their route, never by their path: that is the caller's to choose. */
export function meterRequests(app: FastifyInstance, metrics: Metrics): void {
  const meters: Meter[] = [];
  const meterOf = (method: string, route: string): Meter => {
    const meter = new Meter(method, route);
    meters.push(meter);
    return meter;
  };
  const unmatched = meterOf('*', 'unmatched');
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, meter: meterOf([route.method].flat()[0]!, route.url) };
  });
  app.addHook('onResponse', (request, reply, done) => {
    const meter = (request.is404 ? undefined : request.routeOptions.config.meter) ?? unmatched;
    meter.observe(reply.statusCode, reply.elapsedTime / 1000);
    done();
  });

  metrics.counter('kms_http_requests_total', 'requests answered, by the template of their route', () =>
    meters.flatMap(({ route, method, statuses }) =>
      Array.from(statuses, ([status, count]) => [{ route, method, status: String(status) }, count] as const),
    ),
  );
  metrics.histogram('kms_http_request_seconds', 'time from the request to the end of its answer', () =>
    meters
      .filter(({ statuses }) => statuses.size > 0)
      .map(({ route, method, seconds }) => [{ route, method }, seconds] as const),
  );
}
