/** Directories of networks that are trained whole, written and read: those of students, and what `suture train` makes. */
import { join } from 'node:path';
import * as v from 'valibot';
import { type Graph, printable, SutureError } from '../../ir/index.ts';
import { hashFile } from '../files/hash.ts';
import { jsonText, writeOutput } from '../files/output.ts';
import { isThere } from '../files/there.ts';
import { metricNames } from '../metrics/metric.ts';
import { scoreSchema } from '../metrics/schema.ts';
import { loadModel } from '../network/load.ts';
import { fromStored, meaningSchema } from '../network/meaning.ts';
import { computable } from '../network/model.ts';
import { type Network, networkOf } from '../network/network.ts';
import { firstOutput } from '../network/supervision.ts';
import { writeModel } from '../network/write.ts';
import { checkRunOutput, notDirectory } from './access.ts';
import { hashSchema } from './checkpoint.ts';
import { computedEntries } from './config.ts';
import { sealed } from './seal.ts';
import { type Layout, makeNext, type Place, readSealedConfig, SealedFolder, unfinishedRoot } from './sealed-folder.ts';

/** A network that a training begins with, as its configuration keeps it. */
export const storedNetworkSchema = v.object({
  sha256: hashSchema,
  /** What it is: `gated`, `b`, a file. */
  of: v.string(),
  meaning: meaningSchema,
});

export type StoredNetwork = v.InferOutput<typeof storedNetworkSchema>;

const validationSchema = v.object({ network: v.string(), value: scoreSchema, shift: scoreSchema });

export const scoresSchema = v.object({
  metric: v.picklist(metricNames),
  model: hashSchema,
  scores: v.array(validationSchema),
});

/** Data that are used, as configurations keep them. */
export const dataEntries = { source: v.string(), sha256: hashSchema };

/** What the configurations of all kinds end with: what the network is scored on, what others score there, and what computed. */
export const closingEntries = {
  validation: v.object(dataEntries),
  metric: v.picklist(metricNames),
  /** Of networks that there were before the training, on the validation data. */
  scores: v.array(validationSchema),
  ...computedEntries,
};

/** A network that a training begins with, and what it is. */
export interface Given {
  readonly graph: Graph;
  readonly of: string;
  readonly meaning: Network['meaning'];
}

type Names<N extends string> = N | 'start' | 'model';

/**
 * A kind of such directories.
 *
 * @template C its configuration. @template N the networks that it begins with, beside `start`.
 */
export interface WholeKind<C extends object, N extends string> {
  /** What there is one of in it: `student`. */
  readonly what: string;
  /** Who has such a directory: `student's`. */
  readonly whose: string;
  readonly layout: Layout<'checkpoint', 'scores', Names<N>>;
  readonly schema: v.GenericSchema<unknown, C>;
  /** What a network is called in messages, from what its file says of it. */
  readonly titles: Readonly<Record<N | 'start' | 'model', (of: string) => string>>;
  stored(config: C, which: Names<N>): StoredNetwork;
  /** How another comes about, as `distil again`. */
  readonly again: string;
  /** What makes one, as `suture distill -o`. */
  readonly maker: string;
}

/** The layout of a kind, but for the names of its networks. */
export function wholeLayout<N extends string>(
  networks: Readonly<Record<Names<N>, string>>,
  { what, training, evaluating }: { readonly what: string; readonly training: string; readonly evaluating: string },
): Layout<'checkpoint', 'scores', Names<N>> {
  return {
    files: {
      config: 'config.json',
      checkpoint: 'checkpoint.npz',
      parameters: 'parameters.npz',
      metrics: 'metrics.jsonl',
      scores: 'scores.json',
      ...networks,
    },
    owners: { parameters: 'config', checkpoint: 'config', scores: 'parameters' },
    remedies: {
      parameters: `put this ${what}'s own file back, or train it again with \`${training}\``,
      checkpoint: `put this ${what}'s own file back, or remove it to begin the training again`,
      scores: `remove it, and score the ${what} with \`${evaluating}\``,
    },
    foreign: { config: `belongs to another ${what}`, parameters: 'belongs to other weights' },
  };
}

/** What a directory is made with. */
interface BegunWith<C, N extends string> {
  readonly networks: Readonly<Record<N | 'start', Given>>;
  readonly config: (stored: Readonly<Record<N | 'start', StoredNetwork>>) => C;
  readonly force?: boolean | undefined;
}

/** Its files are in a folder of their own as long as another is there, which it is to replace. */
export class WholeDirectory<C extends object, N extends string> extends SealedFolder<
  'checkpoint',
  'scores',
  Names<N>,
  C
> {
  readonly kind: WholeKind<C, N>;

  private constructor(kind: WholeKind<C, N>, place: Place, config: { readonly config: C; readonly seal: string }) {
    super(kind.layout, place, config);
    this.kind = kind;
  }

  /**
   * Makes a directory with the networks that a training begins with. Where it replaces another, that one stays until `finish`. The caller
   * holds its lock.
   *
   * @param begun `config` makes the configuration, of the networks as they are stored.
   * @throws SutureError `output-exists`, `output-unwritable`.
   */
  static async create<C extends object, N extends string>(
    kind: WholeKind<C, N>,
    path: string,
    { networks, config, force }: BegunWith<C, N>,
  ): Promise<WholeDirectory<C, N>> {
    await checkWholeOutput(kind, path, force);
    const { files } = kind.layout;
    return makeNext(path, Object.values(files), async root => {
      const stored: [string, StoredNetwork][] = [];
      for (const [which, { graph, of, meaning }] of Object.entries<Given>(networks)) {
        const file = join(root, files[which as N | 'start']);
        await writeModel(graph, file);
        stored.push([which, { sha256: await hashFile(file), of, meaning }]);
      }
      const made = config(Object.fromEntries(stored) as Record<N | 'start', StoredNetwork>);
      const document = sealed(made);
      await writeOutput(join(root, files.config), jsonText(document));
      const directory = new WholeDirectory(kind, { path, root }, { config: made, seal: document.seal });
      if (!(await isThere(join(path, files.config)))) await directory.promote();
      return directory;
    });
  }

  /** Opens a directory. @throws SutureError `run-invalid`. */
  static async open<C extends object, N extends string>(
    kind: WholeKind<C, N>,
    path: string,
    root = path,
  ): Promise<WholeDirectory<C, N>> {
    return new WholeDirectory(kind, { path, root }, await readConfig(kind, path, root));
  }

  /** Opens what is to be trained on: the one that is to replace the one there, if such a one was begun. */
  static async openUnfinished<C extends object, N extends string>(
    kind: WholeKind<C, N>,
    path: string,
  ): Promise<WholeDirectory<C, N>> {
    return WholeDirectory.open(kind, path, await unfinishedRoot(path));
  }

  /** What the network that is written gives. */
  get meaning(): Network['meaning'] {
    return fromStored(this.kind.stored(this.config, 'model').meaning);
  }

  /** A network that the training began with. @throws SutureError `run-invalid` where the file is no longer what it was. */
  async network(which: N | 'start'): Promise<Network> {
    const { meaning, of } = this.kind.stored(this.config, which);
    return networkOf(firstOutput(await this.graph(which)), this.kind.titles[which](of), fromStored(meaning));
  }

  /** The same as its file has it: with the outputs behind its own that are trained besides. @throws SutureError as `network`. */
  async graph(which: N | 'start'): Promise<Graph> {
    const { stored, again } = this.kind;
    const { sha256 } = stored(this.config, which);
    const file = this.file(which);
    if (!(await this.has(which)) || (await hashFile(file)) !== sha256) {
      const text = `${printable(file)} is not the network that the training was begun with: put it back, or ${again}.`;
      throw new SutureError('run-invalid', text);
    }
    return computable((await loadModel(file)).file);
  }

  /**
   * What came out of the training; undefined as long as it has not ended.
   *
   * @throws SutureError `run-invalid` where the file is no longer what it was.
   */
  async trained(): Promise<Network | undefined> {
    const scores = await this.readJson('scores', scoresSchema);
    if (!scores || !(await this.has('model'))) return undefined;
    const { stored, again, titles } = this.kind;
    const file = this.file('model');
    if ((await hashFile(file)) !== scores.model) {
      const text = `${printable(file)} is not what the training came to: remove it, and ${again}.`;
      throw new SutureError('run-invalid', text);
    }
    const { of, meaning } = stored(this.config, 'model');
    return networkOf((await loadModel(file)).graph, titles.model(of), fromStored(meaning));
  }
}

/** @param root where the files are of what is, or is to be, at `path`. */
const readConfig = <C extends object, N extends string>(kind: WholeKind<C, N>, path: string, root: string) =>
  readSealedConfig(root, kind.schema, {
    missing: () => notWhole(kind, path),
    otherFormat: () => notWhole(kind, path),
    otherVersion: () =>
      new SutureError('run-invalid', `${printable(path)} was made by another version of suture; ${kind.again}.`),
  });

/**
 * Asks whether a directory can be made at `path`, whose lock this process holds: with `force` also where another of the kind is, never
 * where anything else is.
 *
 * @throws SutureError `output-exists`, `output-unwritable`.
 */
export async function checkWholeOutput<C extends object, N extends string>(
  kind: WholeKind<C, N>,
  path: string,
  force = false,
): Promise<void> {
  const isThere = await readConfig(kind, path, path).then(
    () => true,
    () => false,
  );
  await checkRunOutput(path, { force, locked: true, what: { kind: kind.what, isThere } });
}

export const notWhole = (
  { whose, maker }: Pick<WholeKind<object, string>, 'whose' | 'maker'>,
  path: string,
): SutureError => notDirectory(path, { kind: `${whose} directory`, maker: `\`${maker}\`` });
