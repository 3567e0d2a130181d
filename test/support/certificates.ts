import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** A certificate authority for one test, and the servers that it vouches for: X.509 by hand, since Node only reads it. */

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  /** A server's certificate for these names and IPv4 addresses. */
  issue(...names: string[]): Certificate;
}

export function newAuthority(name = 'KMS test CA'): Authority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const cert = certificate({
    subject: name,
    issuer: name,
    publicKey: keys.publicKey,
    signer: keys.privateKey,
    ca: true,
  });
  return {
    cert,
    key: pem(keys.privateKey),
    issue: (...names) => {
      const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const given = { subject: names[0]!, issuer: name, publicKey: leaf.publicKey, signer: keys.privateKey, names };
      return { cert: certificate(given), key: pem(leaf.privateKey) };
    },
  };
}

interface Given {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly ca?: boolean;
  readonly names?: readonly string[];
}

function certificate(given: Given): string {
  const ecdsaSha256 = sequence(oid('2a8648ce3d040302'));
  const now = Date.now();
  const tbs = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ecdsaSha256,
    nameOf(given.issuer),
    sequence(utcTime(now - 3_600_000), utcTime(now + 86_400_000)),
    nameOf(given.subject),
    given.publicKey.export({ format: 'der', type: 'spki' }),
    der(0xa3, sequence(...extensions(given))),
  );
  const signature = sign('sha256', tbs, given.signer);
  const all = sequence(tbs, ecdsaSha256, der(0x03, Buffer.from([0]), signature));
  const lines = all.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function extensions({ ca, names = [] }: Given): Buffer[] {
  const extension = (id: string, value: Buffer, critical = false) =>
    sequence(oid(id), ...(critical ? [der(0x01, Buffer.from([0xff]))] : []), der(0x04, value));
  if (ca) return [extension('551d13', sequence(der(0x01, Buffer.from([0xff]))), true)];
  const alternatives = names.map((name) =>
    isIPv4(name) ? der(0x87, Buffer.from(name.split('.').map(Number))) : der(0x82, Buffer.from(name)),
  );
  return [extension('551d11', sequence(...alternatives))];
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const length = content.length;
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

const sequence = (...parts: readonly Buffer[]) => der(0x30, ...parts);
const integer = (bytes: Buffer) => der(0x02, bytes);
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const nameOf = (name: string) => sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(name)))));
const utcTime = (ms: number) =>
  der(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replace(/[-T:]/g, '')}Z`));
const pem = (key: KeyObject) => key.export({ format: 'pem', type: 'pkcs8' }).toString();
