import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A package registry that has one version of each tarball that it is given, and nothing else. */
export async function startRegistryStub(packages: readonly { manifest: Record<string, any>; tarball: string }[]) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://stub').pathname).slice(1);
    const found = packages.find(({ manifest }) => path === manifest.name || path === `${manifest.name}/-/package.tgz`);
    if (!found) return response.writeHead(404).end();
    const { manifest, tarball } = found;
    const bytes = readFileSync(tarball);
    if (path !== manifest.name) return response.writeHead(200).end(bytes);
    const dist = {
      tarball: `http://${request.headers.host}/${manifest.name}/-/package.tgz`,
      integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
    };
    const about = {
      name: manifest.name,
      'dist-tags': { latest: manifest.version },
      versions: { [manifest.version]: { ...manifest, dist } },
    };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(about));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
