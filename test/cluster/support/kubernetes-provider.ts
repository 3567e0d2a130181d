import { isDeepStrictEqual } from 'node:util';
import { KubeConfig, type KubernetesObject, KubernetesObjectApi, PatchStrategy } from '@kubernetes/client-node';
import { main, type Provider } from '@pulumi/pulumi/provider/index.js';

/**
 * Stands in for Pulumi's Kubernetes provider, which is published as a program alone: every object is applied on the server, as that one does
 * it, under the manager of fields and with the force that its annotations name. A difference is what a dry run would change, so that the API
 * server's own spelling of an amount or a default is none. It waits for no rollout.
 *
 * Prints the port that it serves on.
 */

const config = new KubeConfig();
config.loadFromDefault();
const api = KubernetesObjectApi.makeApiClient(config);

type Inputs = KubernetesObject & { readonly metadata: { readonly name: string; readonly namespace?: string } };

const idOf = ({ metadata: { namespace, name } }: Inputs) => (namespace === undefined ? name : `${namespace}/${name}`);

async function apply(inputs: Inputs, dryRun = false): Promise<unknown> {
  const { 'pulumi.com/patchFieldManager': manager = 'pulumi-kubernetes', 'pulumi.com/patchForce': force } =
    inputs.metadata.annotations ?? {};
  const object = structuredClone(inputs) as KubernetesObject;
  const dry = dryRun ? 'All' : undefined;
  const applied = await api.patch(object, undefined, dry, manager, force === 'true', PatchStrategy.ServerSideApply);
  return asGiven(applied, inputs);
}

/** Of what is in the cluster, what the program has a say in. */
function asGiven(live: unknown, inputs: unknown): unknown {
  if (Array.isArray(live) && Array.isArray(inputs) && live.length === inputs.length)
    return live.map((entry, index) => asGiven(entry, inputs[index]));
  if (!isMap(live) || !isMap(inputs)) return JSON.parse(JSON.stringify(live));
  return Object.fromEntries(
    Object.keys(inputs).flatMap((key) => (live[key] === undefined ? [] : [[key, asGiven(live[key], inputs[key])]])),
  );
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isMissing = (error: unknown) => (error as { code?: number }).code === 404;

/** How Pulumi's protocol marks a value as secret. */
const MARK = { '4dabf18193072939515e22adb298388d': '1b47061264138c4ac30d75fd1eb44270' };
const [[SIGNATURE, SECRET]] = Object.entries(MARK) as [[string, string]];

/** Without the marks. */
function opened(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(opened);
  if (!isMap(value)) return value;
  if (value[SIGNATURE] === SECRET) return opened(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, opened(inner)]));
}

/** Marked where the same was marked before: the engine leaves it to the provider. */
function sealed(value: unknown, before: unknown): unknown {
  if (!isMap(before)) return value;
  if (before[SIGNATURE] === SECRET) return { ...MARK, value };
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, sealed(inner, before[key])]));
}

const provider: Provider = {
  version: '4.34.2',
  check: async (_urn, _olds, news) => ({ inputs: news }),
  diff: async (_id, _urn, olds, news) => {
    const [before, wanted] = [opened(olds) as Inputs, opened(news) as Inputs];
    // What has another name is another object; a Job's and a ConfigMap's name tell their content.
    if (idOf(before) !== idOf(wanted)) return { changes: true, replaces: ['metadata.name'] };
    return { changes: !isDeepStrictEqual(await apply(wanted, true), before) };
  },
  create: async (_urn, news) => {
    const wanted = opened(news) as Inputs;
    return { id: idOf(wanted), outs: sealed(await apply(wanted), news) };
  },
  update: async (_id, _urn, _olds, news) => ({ outs: sealed(await apply(opened(news) as Inputs), news) }),
  read: async (id, _urn, props) => {
    const before = opened(props) as Inputs;
    try {
      return { id, props: sealed(asGiven(await api.read(before as never), before), props), inputs: props };
    } catch (error) {
      if (isMissing(error)) return { id: '', props: {} };
      throw error;
    }
  },
  delete: async (_id, _urn, props) => {
    await api.delete(opened(props) as Inputs).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
  },
};

await main(provider, process.argv.slice(2));
