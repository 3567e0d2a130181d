import { bootstrapFile } from './files/bootstrap.ts';
import { ingressFile, serviceAnnotations } from './files/ingress.ts';
import { operatorFiles } from './files/operator.ts';
import { serverFiles } from './files/server.ts';
import { servicesFile } from './files/services.ts';
import { storesFile } from './files/stores.ts';
import { EVERYTHING, VARIATIONS } from './settings.ts';
import { Source } from './source.ts';

/** The chart's templates, by name of the file. */
export function templateFiles(): Record<string, string> {
  const source = new Source(EVERYTHING, VARIATIONS);
  const files = {
    ...serverFiles(source, serviceAnnotations()),
    ...operatorFiles(source),
    'ingress.yaml': ingressFile(),
    'stores.yaml': storesFile(),
    'services.yaml': servicesFile(),
    'bootstrap.yaml': bootstrapFile(source),
  };
  const forgotten = source.left.filter((key) => !/^(Ingress|KMSSecret) /.test(key));
  if (forgotten.length > 0) throw new Error(`the constructs render what the chart does not: ${forgotten.join(', ')}`);
  return files;
}
