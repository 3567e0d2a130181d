import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/**
 * The half of Pulumi's engine that a program talks to, so that a program runs in Pulumi's own Node runner and under its
 * Pulumi.yaml, as `pulumi preview` runs it; only the providers are not asked. Mocks run inside the test's process instead:
 * they see neither how the program is started nor what depends on what.
 */

const root = new URL('../../', import.meta.url);
// The runner and its protocol belong to Pulumi's package, gRPC to that package's own dependencies.
const requireHere = createRequire(import.meta.url);
const requirePulumi = createRequire(requireHere.resolve('@pulumi/pulumi'));
const grpc = requirePulumi('@grpc/grpc-js');
const { ResourceMonitorService } = requireHere('@pulumi/pulumi/proto/resource_grpc_pb.js');
const { EngineService } = requireHere('@pulumi/pulumi/proto/engine_grpc_pb.js');
const messages = requireHere('@pulumi/pulumi/proto/resource_pb.js');
const engineMessages = requireHere('@pulumi/pulumi/proto/engine_pb.js');
const { Empty } = requirePulumi('google-protobuf/google/protobuf/empty_pb.js');
const { Struct } = requirePulumi('google-protobuf/google/protobuf/struct_pb.js');

/** A resource as the program registered it. */
interface Registration {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly parent: string;
  readonly inputs: Record<string, any>;
  /** URNs of what must be there before. */
  readonly dependencies: readonly string[];
  readonly protect: boolean;
  /** Whether it stays in the cluster when the stack lets go of it. */
  readonly retained: boolean;
  /** Types that it may have had before. */
  readonly formerTypes: readonly string[];
}

export interface ProgramRun {
  readonly resources: readonly Registration[];
  /** The outputs of each component, and of the stack, by type. */
  readonly outputs: Readonly<Record<string, Record<string, any>>>;
  readonly code: number | null;
  /** What the program printed and what it told the engine. */
  readonly said: string;
}

/**
 * Runs the program of Pulumi.yaml as a preview.
 *
 * @param options.config what `pulumi config` holds, by key without the project. @default {}
 * @param options.flags of Node. @default []
 */
export async function runProgram(
  settings: string,
  { config = {}, flags = [] }: { readonly config?: Record<string, string>; readonly flags?: readonly string[] } = {},
): Promise<ProgramRun> {
  const { name: project, main, runtime } = parse(settings);
  const program = new URL(main, root);
  const resources: Registration[] = [];
  const outputs: Record<string, Record<string, any>> = {};
  let said = '';
  const answer = (make: (request: any) => unknown) => (call: any, done: (error: null, reply: unknown) => void) =>
    done(null, make(call.request));

  const server = new grpc.Server();
  server.addService(ResourceMonitorService, {
    ...unimplemented(ResourceMonitorService),
    supportsFeature: answer(() => {
      const reply = new messages.SupportsFeatureResponse();
      reply.setHassupport(true);
      return reply;
    }),
    registerResource: answer((request) => {
      const [type, name] = [request.getType(), request.getName()];
      const urn = `urn:pulumi:test::${project}::${type}::${name}`;
      const inputs = request.getObject()?.toJavaScript() ?? {};
      const dependencies = request.getDependenciesList();
      const aliases: any[] = request.getAliasesList();
      resources.push({
        ...{ urn, type, name, parent: request.getParent(), inputs, dependencies },
        protect: request.getProtect(),
        retained: request.getRetainondelete(),
        formerTypes: aliases.map((alias) => alias.getSpec()?.getType()).filter(Boolean),
      });
      const reply = new messages.RegisterResourceResponse();
      reply.setUrn(urn);
      reply.setId(request.getCustom() ? name : '');
      reply.setObject(Struct.fromJavaScript(inputs));
      return reply;
    }),
    registerResourceOutputs: answer((request) => {
      const type = request.getUrn().split('::')[2];
      outputs[type] = request.getOutputs()?.toJavaScript() ?? {};
      return new Empty();
    }),
    signalAndWaitForShutdown: answer(() => new Empty()),
  });
  server.addService(EngineService, {
    ...unimplemented(EngineService),
    getRootResource: answer(() => new engineMessages.GetRootResourceResponse()),
    setRootResource: answer(() => new engineMessages.SetRootResourceResponse()),
    log: answer((request) => {
      if (request.getSeverity() !== engineMessages.LogSeverity.DEBUG) said += `${request.getMessage()}\n`;
      return new Empty();
    }),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error: Error | null, bound: number) =>
      error ? reject(error) : resolve(bound),
    );
  });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      const runner = requireHere.resolve('@pulumi/pulumi/cmd/run/index.js');
      const address = `127.0.0.1:${port}`;
      const child = spawn(
        process.execPath,
        [
          ...flags,
          runner,
          ...[`--monitor=${address}`, `--engine=${address}`, `--project=${project}`, '--stack=test', '--dry-run'],
          // As Pulumi does: in the folder of the program, and not in that of Pulumi.yaml.
          ...['--parallel=16', `--pwd=${fileURLToPath(new URL('.', program))}`, basename(main)],
        ],
        {
          env: {
            ...process.env,
            KUBECONFIG: '/dev/null',
            PULUMI_NODEJS_TYPESCRIPT: String(runtime.options.typescript),
            PULUMI_CONFIG: JSON.stringify(
              Object.fromEntries(Object.entries(config).map(([key, value]) => [`${project}:${key}`, value])),
            ),
          },
        },
      );
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
      child.on('error', reject);
      child.on('close', resolve);
    });
    return { resources, outputs, code, said };
  } finally {
    server.forceShutdown();
  }
}

function unimplemented(service: Record<string, { path: string }>) {
  return Object.fromEntries(
    Object.keys(service).map((method) => [
      method,
      (_call: unknown, done: (error: object) => void) => done({ code: grpc.status.UNIMPLEMENTED, details: method }),
    ]),
  );
}
