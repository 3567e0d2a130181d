/** Labels of a store that comes with KMS, and its metadata. */
export function bundledMetadata(name: string, namespace: string) {
  const labels = {
    app: name,
    'app.kubernetes.io/name': name,
    'app.kubernetes.io/component': 'store',
    'app.kubernetes.io/part-of': 'hanzo-universe',
  };
  return { name, namespace, labels };
}
