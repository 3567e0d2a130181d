import { readFileSync } from 'node:fs';
import type { Server } from 'node:https';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

/** The server's own certificate, by file, PEM. */
export interface TlsFiles {
  /** The certificate, and behind it those between it and the authority. */
  readonly certFile: string;
  /** Its private key. */
  readonly keyFile: string;
  /** How often the files are looked at, in milliseconds. @default 10 seconds */
  readonly lookEveryMs?: number | undefined;
}

interface Pair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

const LOOK_EVERY_MS = 10_000;
/** Whoever connects and says nothing is let go of. */
const HANDSHAKE_MS = 10_000;

/** HIP-27, "In transit": nothing older is spoken. */
const ONLY_13: SecureContextOptions = { minVersion: 'TLSv1.3' };

function read({ certFile, keyFile }: TlsFiles): Pair {
  const pair = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  // Throws where a key is not that of the certificate, which between two writes of a renewal it is not.
  createSecureContext({ ...ONLY_13, ...pair });
  return pair;
}

/**
 * What Node's https is told.
 *
 * @throws Error that names a file that cannot be read, or says that the two do not belong together
 */
export function tlsOptions(files: TlsFiles) {
  return { ...ONLY_13, ...read(files), handshakeTimeout: HANDSHAKE_MS };
}

/**
 * Takes a renewed certificate without a restart; connections that are open stay. The files are looked at now and then, since what a kubelet
 * does to a mounted Secret is told by no file of it. A pair that does not fit is told once, and the one before stays in use.
 *
 * @param tell told of a pair that was taken, or of what is wrong with one
 * @returns what stops it
 */
export function followRenewals(
  server: Server,
  files: TlsFiles,
  tell: { taken(): void; refused(why: string): void },
): () => void {
  let { cert, key } = read(files);
  let told = '';
  const look = () => {
    try {
      const pair = read(files);
      told = '';
      if (pair.cert.equals(cert) && pair.key.equals(key)) return;
      server.setSecureContext({ ...ONLY_13, ...pair });
      ({ cert, key } = pair);
      tell.taken();
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
      if (why !== told) tell.refused(why);
      told = why;
    }
  };
  const timer = setInterval(look, files.lookEveryMs ?? LOOK_EVERY_MS).unref();
  return () => clearInterval(timer);
}
