import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { SubscribeBody } from '../../contracts/index.ts';
import type { Events } from './service.ts';
import { EventStream, type StreamOptions } from './stream.ts';

export interface EventsRoutesOptions {
  readonly events: Events;
  readonly stream?: StreamOptions | undefined;
}

/** Infisical's event subscription: what changed, as server-sent events, without any value. */
export async function eventsRoutes(scope: FastifyInstance, { events, stream }: EventsRoutesOptions): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();

  app.post(
    '/api/v1/events/subscribe/project-events',
    {
      schema: {
        tags: ['events'],
        summary: 'Hear of changes of secrets, as server-sent events',
        description:
          'Each event has a type (`event:`), a JSON body of names and never of values (`data:`), and an `id:`; a client that ' +
          'comes back with the header `Last-Event-ID` is told what it missed, or is sent `resync` when that is not known ' +
          'any more. `ping` comes every 15 seconds.',
        body: SubscribeBody,
        response: {
          200: { description: 'a stream of events', content: { 'text/event-stream': { schema: z.string() } } },
        },
      },
    },
    async (request, reply) => {
      const lastEventId = [request.headers['last-event-id'] ?? []].flat()[0];
      await events.subscribe(request.caller, { ...request.body, lastEventId }, () => {
        const opened = new EventStream(reply.raw, headersOf(reply.getHeaders()), stream);
        reply.hijack();
        return opened;
      });
      return reply;
    },
  );
}

function headersOf(headers: Readonly<Record<string, number | string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
