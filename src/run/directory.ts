/** A run directory: what `docs/files.md` describes, written and read. */
import { constants } from 'node:fs';
import { copyFile, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as v from 'valibot';
import { printable, SutureError, type Tensor } from '../../ir/index.ts';
import { resolveExternal } from '../../ir/onnx/external.ts';
import type { FeaturePair, Tag } from '../../passes/index.ts';
import { hashBytes, hashFile, hashOf } from '../files/hash.ts';
import { jsonText, makeFolder, unwritable, writeOutput } from '../files/output.ts';
import { pairEntries, pairsSchema } from '../network/pairs.ts';
import { tagOf } from '../network/tags.ts';
import { checkRunOutput, notRun, settleUnlocked } from './access.ts';
import { configSchema, type FollowUp, type RunConfig, runVersion, type StoredParent } from './config.ts';
import { owners, remedies, runFileNames, runFiles, type SealedDocument, type SealedTensors } from './files.ts';
import { MetricsFile, type MetricsState } from './metrics.ts';
import { below, readBelow } from './reading.ts';
import { isFolderThere, isThere, nextFolder, promote, settle } from './replacement.ts';
import { checkedSeal, sealed } from './seal.ts';
import { tensorsFromNpz, tensorsToNpz } from './tensors.ts';

/** A parent that is to be copied into a run. */
export interface ParentSource extends Pick<StoredParent, 'source' | 'sha256' | 'meaning'> {
  /** Files beside it that hold tensors of it. */
  readonly external: readonly string[];
}

/** What decides a run's numbers, before its files have hashes. */
export type RunSpecification = Omit<RunConfig, 'format' | 'version' | 'pairs' | 'parents'> & {
  /** In their order. */
  readonly parents: readonly ParentSource[];
};

/** What is stored beside tensors, and the tensors. */
export interface SealedArrays {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly state: unknown;
  readonly seal: string;
}

export class RunDirectory {
  readonly path: string;
  readonly config: RunConfig;
  /** Where the files are: `path`, or a folder inside it while the run is to replace another. */
  #root: string;
  readonly #seals: { readonly config: string; parameters?: string };

  private constructor(path: string, root: string, config: RunConfig, seal: string) {
    this.path = path;
    this.#root = root;
    this.config = config;
    this.#seals = { config: seal };
  }

  file(name: keyof typeof runFiles): string {
    return join(this.#root, runFiles[name]);
  }

  parentFile(tag: Tag): string {
    return join(this.#root, this.config.parents[tag]!.file);
  }

  /** Whether the run takes another one's place when its training has ended. */
  get replaces(): boolean {
    return this.#root !== this.path;
  }

  /**
   * Makes a run directory with the parents copied into it. Where it replaces a run, that one stays until `finish`. The caller holds
   * the run's lock.
   *
   * @throws SutureError as {@link checkRunOutput}, and `model-unreadable` when a parent's file is no longer what was read.
   */
  static async create(
    path: string,
    specification: RunSpecification,
    pairs: readonly FeaturePair[],
    { force, followUp }: { readonly force?: boolean; readonly followUp?: FollowUp | undefined } = {},
  ): Promise<RunDirectory> {
    await checkRunOutput(path, { ...(force && { force }), locked: true });
    const root = join(path, nextFolder);
    try {
      await settle(path, runFileNames);
      await rm(root, { recursive: true, force: true });
      await makeFolder(root);
      const { parents, ...rest } = specification;
      const text = jsonText({ pairs: pairEntries(pairs, parents.length) });
      await writeOutput(join(root, runFiles.pairs), text);
      const copied: Record<Tag, StoredParent> = {};
      for (const [i, parent] of parents.entries()) copied[tagOf(i)] = await copiedParent(root, tagOf(i), parent);
      const config: RunConfig = {
        format: 'suture-run',
        version: runVersion,
        parents: copied,
        pairs: hashBytes(text),
        ...rest,
      };
      const document = sealed(config);
      const run = new RunDirectory(path, root, config, document.seal);
      if (followUp) await run.writeJson('request', followUp);
      await writeOutput(join(root, runFiles.config), jsonText(document));
      if (!(await isThere(join(path, runFiles.config)))) await run.#promote();
      return run;
    } catch (cause) {
      await rm(root, { recursive: true, force: true }).catch(() => undefined);
      throw unwritable(path, cause);
    }
  }

  async #promote(): Promise<void> {
    await promote(this.path, runFileNames);
    this.#root = this.path;
  }

  /** The training has ended and its parameters are written: puts the run in its place. @throws SutureError `output-unwritable`. */
  async finish(): Promise<void> {
    await this.remove('checkpoint');
    if (this.replaces) await this.#promote();
  }

  /**
   * Opens a run directory and checks that the parents are those that it was made with.
   *
   * @throws SutureError `run-invalid`.
   */
  static async open(path: string): Promise<RunDirectory> {
    await settleUnlocked(path);
    return RunDirectory.#openAt(path, path);
  }

  /** Opens the run whose training is to go on: the one that is to replace the run there, if such a one was begun. */
  static async openUnfinished(path: string): Promise<RunDirectory> {
    await settleUnlocked(path);
    const next = join(path, nextFolder);
    const begun = (await isFolderThere(next)) && (await isThere(join(next, runFiles.config)));
    return RunDirectory.#openAt(path, begun ? next : path);
  }

  static async #openAt(path: string, root: string): Promise<RunDirectory> {
    const file = printable(join(root, runFiles.config));
    const bytes = await readBelow(root, runFiles.config);
    if (!bytes) throw notRun(path);
    let document: unknown;
    let seal: string | undefined;
    try {
      document = JSON.parse(bytes.toString('utf8'));
      seal = checkedSeal(document);
    } catch (cause) {
      throw new SutureError('run-invalid', `${file} cannot be read as JSON.`, { cause });
    }
    const parsed = v.safeParse(configSchema, document);
    if (!parsed.success) {
      const [issue] = parsed.issues;
      const place = v.getDotPath(issue);
      if (place === 'version') throw otherVersion(path, (document as { readonly version?: unknown }).version);
      throw new SutureError(
        'run-invalid',
        `${file}: ${place ? `${printable(place)}: ` : ''}${printable(issue.message)}.`,
      );
    }
    if (seal === undefined) {
      throw new SutureError(
        'run-invalid',
        `${file} was changed after it was written; put it back as it was, or train anew with other settings.`,
      );
    }
    const run = new RunDirectory(path, root, parsed.output, seal);
    for (const parent of Object.values(parsed.output.parents)) await run.#checkParent(parent);
    return run;
  }

  /** Compares a parent, and what lies beside it, with what the run was made with. */
  async #checkParent({ file, sha256, external }: StoredParent): Promise<void> {
    const files = [{ name: file, sha256 }, ...external.map(e => ({ name: beside(file, e.file), sha256: e.sha256 }))];
    for (const { name, sha256: expected } of files) {
      const path = printable(join(this.#root, name));
      const found = await below(this.#root, name, hashOf);
      if (found === undefined) throw new SutureError('run-invalid', `${path} is missing: the run is incomplete.`);
      if (found === expected) continue;
      throw new SutureError(
        'run-invalid',
        `${path} is not the network that the run was made with: its SHA-256 is ${found}.`,
      );
    }
  }

  /** The matched pairs. @throws SutureError `run-invalid`. */
  async readPairs(): Promise<readonly FeaturePair[]> {
    const file = printable(this.file('pairs'));
    const bytes = await this.#read('pairs');
    if (!bytes) throw new SutureError('run-invalid', `${file} is missing: the run is incomplete.`);
    if (hashBytes(bytes) !== this.config.pairs) {
      throw new SutureError(
        'run-invalid',
        `${file} is not what the run was trained with; put it back as it was, or train anew with \`suture stitch --pairs\`.`,
      );
    }
    return v.parse(pairsSchema, JSON.parse(bytes.toString('utf8'))).pairs;
  }

  has(name: keyof typeof runFiles): Promise<boolean> {
    return isThere(this.file(name));
  }

  /** Writes one of the run's files, replacing what a part of the same run wrote there before. */
  write(name: keyof typeof runFiles, content: string | Uint8Array): Promise<void> {
    return writeOutput(this.file(name), content, { force: true });
  }

  /** Writes tensors and a document beside them, sealed. */
  async writeTensors(name: SealedTensors, tensors: ReadonlyMap<string, Tensor>, state: object = {}): Promise<void> {
    const document = sealed({ ...state, of: await this.#owner(name) }, tensors);
    await this.write(name, tensorsToNpz(tensors, document));
    if (name === 'parameters') this.#seals.parameters = document.seal;
  }

  /** Tensors of the run; undefined when the file is not there. @throws SutureError `run-invalid`. */
  async readTensors(name: SealedTensors): Promise<SealedArrays | undefined> {
    const bytes = await this.#read(name);
    if (!bytes) return undefined;
    const { tensors, state } = tensorsFromNpz(bytes, this.file(name));
    const bad = [...tensors].find(([, { data }]) => !(data as Float32Array).every(Number.isFinite));
    if (bad) throw this.#unfit(name, `holds numbers that are not finite, in '${printable(bad[0])}'`);
    const seal = await this.#checkSeal(name, state, tensors);
    if (name === 'parameters') this.#seals.parameters = seal;
    return { tensors, state, seal };
  }

  /** Writes a JSON document, sealed. */
  async writeJson(name: SealedDocument, document: object): Promise<void> {
    await this.write(name, jsonText(sealed({ ...document, of: await this.#owner(name) })));
  }

  /** One of the run's JSON documents, checked; undefined when it is not there. @throws SutureError `run-invalid`. */
  async readJson<S extends v.GenericSchema>(name: SealedDocument, schema: S): Promise<v.InferOutput<S> | undefined> {
    const bytes = await this.#read(name);
    if (!bytes) return undefined;
    let document: unknown;
    try {
      document = JSON.parse(bytes.toString('utf8'));
    } catch (cause) {
      throw this.#unfit(name, 'is no JSON document', cause);
    }
    await this.#checkSeal(name, document);
    const parsed = v.safeParse(schema, document);
    if (parsed.success) return parsed.output;
    throw this.#unfit(name, `is damaged (${printable(v.getDotPath(parsed.issues[0]) ?? parsed.issues[0].message)})`);
  }

  /** The seal that a file of a name belongs to. */
  async #owner(name: SealedTensors | SealedDocument): Promise<string> {
    const owner = owners[name];
    const seal = this.#seals[owner] ?? (await this.readTensors('parameters'))?.seal;
    if (seal === undefined) throw new RangeError(`${name} was written before the parameters`);
    return seal;
  }

  async #checkSeal(
    name: SealedTensors | SealedDocument,
    document: unknown,
    tensors?: ReadonlyMap<string, Tensor>,
  ): Promise<string> {
    let seal: string | undefined;
    try {
      seal = checkedSeal(document, tensors);
    } catch (cause) {
      throw this.#unfit(name, 'is damaged', cause);
    }
    if (seal === undefined) throw this.#unfit(name, 'was changed after it was written');
    if ((document as { readonly of?: unknown }).of === (await this.#owner(name))) return seal;
    throw this.#unfit(name, owners[name] === 'config' ? 'belongs to another run' : 'belongs to other stitches');
  }

  /** The error for a file that is not what it should be. @param problem what it is or was, after its name. */
  #unfit(name: SealedTensors | SealedDocument, problem: string, cause?: unknown): SutureError {
    return new SutureError('run-invalid', `${printable(this.file(name))} ${problem}; ${remedies[name]}.`, { cause });
  }

  #read(name: keyof typeof runFiles): Promise<Buffer | undefined> {
    return readBelow(this.#root, runFiles[name]);
  }

  /** The lines of `metrics.jsonl`. @throws SutureError `run-invalid`. */
  async readMetrics<S extends v.GenericSchema>(schema: S): Promise<readonly v.InferOutput<S>[]> {
    const bytes = await this.#read('metrics');
    try {
      const lines = (bytes?.toString('utf8') ?? '').split('\n').filter(line => line !== '');
      return lines.map(line => v.parse(schema, JSON.parse(line)));
    } catch (cause) {
      throw new SutureError('run-invalid', `${printable(this.file('metrics'))} is damaged.`, { cause });
    }
  }

  /** Removes one of the run's files. */
  async remove(name: keyof typeof runFiles): Promise<void> {
    await rm(this.file(name), { force: true });
  }

  /** Removes what a process that was killed left half-written. */
  async removeTemporaries(): Promise<void> {
    for (const name of await readdir(this.#root)) {
      if (/\.\d+-\d+\.tmp$/.test(name)) await rm(join(this.#root, name), { force: true });
    }
  }

  /** Opens the metrics for appending, from the start or from where a checkpoint was. @throws SutureError as `MetricsFile.begin`. */
  async openMetrics(from?: MetricsState): Promise<MetricsFile> {
    const before = from && (await this.#read('metrics'));
    return MetricsFile.begin(this.file('metrics'), before ?? new Uint8Array(), from);
  }
}

/** Copies a parent and its external data into the folder of a run, with their hashes. */
async function copiedParent(
  root: string,
  tag: string,
  { source, sha256, meaning, external: locations }: ParentSource,
): Promise<StoredParent> {
  // One with files beside it has a folder of its own and keeps its name: files of the same name beside both parents must not meet.
  const file = `${runFiles.parents}/${locations.length > 0 ? `${tag}/${basename(source)}` : `${tag}.onnx`}`;
  const copy = join(root, file);
  await makeFolder(dirname(copy));
  await copyFile(source, copy, constants.COPYFILE_FICLONE);
  if ((await hashFile(copy)) !== sha256) {
    throw new SutureError('model-unreadable', `${printable(source)} was changed while it was in use; start again.`);
  }
  const external: { file: string; sha256: string }[] = [];
  for (const location of locations) {
    const target = join(dirname(copy), location);
    await makeFolder(dirname(target));
    const from = resolveExternal(dirname(source), location, `'${printable(source)}'`);
    await copyFile(from, target, constants.COPYFILE_FICLONE);
    external.push({ file: location, sha256: await hashFile(target) });
  }
  return { file, source, sha256, meaning, external };
}

const beside = (file: string, other: string): string => `${file.slice(0, file.lastIndexOf('/'))}/${other}`;

const otherVersion = (path: string, version: unknown): SutureError =>
  new SutureError(
    'run-invalid',
    `${printable(path)} is a run of version ${typeof version === 'number' ? version : 'unknown'}, this suture reads ${runVersion}` +
      (version === 1
        ? ': its files do not say that they belong together; train it again, with what its config.json says.'
        : '; use the suture that made it, or train it again.'),
  );
