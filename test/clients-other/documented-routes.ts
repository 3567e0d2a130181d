import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const page = join(import.meta.dirname, '../../docs/clients.md');

/** What docs/clients.md says of the routes that clients call, sorted, by client: lines of the form `- **name**: `GET /path`, …`. */
export function documentedRoutes(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, name, routes] of readFileSync(page, 'utf8').matchAll(/^- \*\*(.+?)\*\*: (`[A-Z]+ \/.*)$/gm)) {
    found.set(name!, [...routes!.matchAll(/`([A-Z]+ \/[^`]+)`/g)].map(([, route]) => route!).sort());
  }
  return found;
}
