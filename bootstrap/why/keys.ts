import type { WhyEntry, WhyKey, WhyReference } from '../../contracts/why.ts';
import type { Target } from '../../operator/kms-secret.ts';
import { FIELD_MANAGER } from '../../operator/kubernetes/field-manager.ts';
import { chosenOf } from '../../operator/sync/keys.ts';
import { namesIn } from '../../operator/sync/template.ts';
import type { Kms, NamedSecret } from '../../sdk/index.ts';
import { type Folder, type Folders, shown } from './folders.ts';
import type { Gaps } from './gaps.ts';

/** A key of the Secret, and the keys of KMS that it is made of. */
interface Made {
  readonly name: string;
  readonly by: WhyKey['by'];
  readonly of: readonly string[];
}

type Described = Awaited<ReturnType<Kms['secrets']['describe']>>;

/** Requests at once. */
const TOGETHER = 8;
/** Each costs a request; who wants more asks for one key. */
const TREES_AT_MOST = 200;

/** What a Secret's keys are made of, as the operator makes them. */
export function madeKeys(
  known: readonly string[],
  { template }: Pick<Target, 'template'>,
  {
    setBy,
    key,
    gaps,
  }: {
    readonly setBy: ReadonlyMap<string, string> | undefined;
    readonly key?: string | undefined;
    readonly gaps: Gaps;
  },
): Made[] {
  const made = new Map<string, Made>();
  if (template?.includeAllSecrets !== false)
    for (const name of known) made.set(name, { name, by: 'secret', of: [name] });
  for (const [name, text] of Object.entries(template?.data ?? {}))
    made.set(name, { name, by: 'template', of: namesOf(name, text, gaps) });
  for (const [name, manager] of setBy ?? [])
    if (!made.has(name) && manager !== FIELD_MANAGER) made.set(name, { name, by: 'other', of: [] });
  return [...made.values()]
    .filter(({ name }) => key === undefined || name === key)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function namesOf(name: string, text: string, gaps: Gaps): readonly string[] {
  try {
    return namesIn(name, text);
  } catch (error) {
    gaps.note(`what ${name} is made of`, (error as Error).message);
    return [];
  }
}

/** Where the secrets of an answer come from, by key: the way through imports, and what they refer to. */
export async function entriesFrom(
  answer: Described,
  wanted: ReadonlySet<string>,
  {
    here,
    kms,
    folders,
    gaps,
  }: {
    /** The folder that the answer is of. */
    readonly here: Folder;
    readonly kms: Kms;
    readonly folders: Folders;
    readonly gaps: Gaps;
  },
): Promise<Map<string, WhyEntry>> {
  const shared = answer.secrets.filter(({ type }) => type === 'shared');
  const chosen = chosenOf({ secrets: shared, imports: answer.imports });
  const entries = [...chosen].filter(([key]) => wanted.has(key));
  if (entries.length > TREES_AT_MOST)
    gaps.note('references', `looked at for the first ${TREES_AT_MOST} keys alone; --key asks about any other`);
  const found = new Map<string, WhyEntry>();
  const left = entries.entries();
  const work = async () => {
    for (const [index, [key, { secret, through }]] of left) {
      const { workspace: projectId, environment, secretPath: path } = secret;
      const at = { projectId, environment, path };
      const first = through && { environment: through.environment, path: through.secretPath };
      const imports = first ? await folders.way(here, first, at) : [];
      // Of what is imported asked there, since the folder that has it may be of a project of strangers.
      const { path: secretPath, ...rest } = through ? here : at;
      const asked = { ...rest, secretPath };
      const references =
        index < TREES_AT_MOST
          ? await gaps.ask(`what ${key} refers to`, async () =>
              referencesOf(await kms.secrets.references(key, asked), folders),
            )
          : undefined;
      found.set(key, {
        ...shown(secret, await folders.place(at)),
        imports,
        references: references ?? [],
        lastChange: null,
      });
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, work));
  return found;
}

async function referencesOf({ children }: NamedSecret, folders: Folders): Promise<WhyReference[]> {
  return Promise.all(
    children.map(async (child) => ({
      ...(await folders.secret(child)),
      references: await referencesOf(child, folders),
    })),
  );
}
