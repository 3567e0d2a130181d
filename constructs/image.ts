import { ImageDigest, ImageTag, VERSION } from '../contracts/index.ts';

/** Which image a construct runs: KMS and its operator are of one. */
export interface KmsImage {
  /**
   * Version of the image `ghcr.io/hanzoai/kms`; never `latest`, which would be another program after a restart.
   * @default - the version of this package
   */
  readonly version?: string;
  /**
   * Digest of the image, `sha256:…`: pins the very bytes.
   * @default - the version alone
   */
  readonly digest?: string;
}

const IMAGE = 'ghcr.io/hanzoai/kms';

/** What a construct's own schema takes in, to check its `KmsImage`. */
export const ImageShape = { version: ImageTag, digest: ImageDigest.optional() };

export function imageSettings({ version = VERSION, digest }: KmsImage) {
  return { version, digest };
}

/** As a container names it. */
export function imageName({ version, digest }: { readonly version: string; readonly digest?: string | undefined }) {
  return `${IMAGE}:${version}${digest ? `@${digest}` : ''}`;
}
