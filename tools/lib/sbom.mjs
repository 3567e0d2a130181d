import { createHash } from 'node:crypto';
import { npm } from './npm.mjs';
import { readManifest } from './published.mjs';

/**
 * The bill of materials (CycloneDX 1.5) of what is installed in a folder, or of its lockfile, as npm makes it, less what differs
 * from one run to the next: two builds of one commit have one bill.
 *
 * @param {string} folder with package.json and package-lock.json
 * @param {{ fromLockfile?: boolean, more?: Record<string, unknown>[], epoch?: number | undefined }} [options] `fromLockfile`: of every
 *   platform, whatever is installed; `more`: components that npm does not know; `epoch`: when it was built, in seconds
 * @returns {Promise<Record<string, any>>}
 */
export async function billOfMaterials(folder, { fromLockfile = false, more = [], epoch } = {}) {
  const args = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application'];
  const bill = JSON.parse(await npm([...args, ...(fromLockfile ? ['--package-lock-only'] : [])], folder));
  const { name } = readManifest();
  bill.components = [...bill.components, ...more];
  // npm names it after the folder that it happens to lie in.
  bill.metadata.component.name = name;
  delete bill.metadata.timestamp;
  if (epoch !== undefined) bill.metadata.timestamp = new Date(epoch * 1000).toISOString();
  delete bill.serialNumber;
  bill.serialNumber = `urn:uuid:${uuidOf(JSON.stringify(bill))}`;
  return bill;
}

/** A version 8 UUID (RFC 9562) of a text. @param {string} text */
function uuidOf(text) {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x80;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
