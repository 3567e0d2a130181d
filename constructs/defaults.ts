/** Hanzo's namespace (HIP-27). */
export const DEFAULT_NAMESPACE = 'hanzo';
