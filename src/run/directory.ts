/** A run directory: what `docs/files.md` describes, written and read. */

import { constants } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/index.ts';
import { resolveExternal } from '../../ir/onnx/external-folder.ts';
import type { FeaturePair, Tag } from '../../passes/index.ts';
import { hashBytes, hashFile, hashOf } from '../files/hash.ts';
import { jsonText, makeFolder, writeOutput } from '../files/output.ts';
import { isThere } from '../files/there.ts';
import { pairEntries, pairsSchema } from '../network/pairs.ts';
import { tagOf } from '../network/tags.ts';
import { checkRunOutput, notRun, recoverUnlocked } from './access.ts';
import { configSchema, type FollowUp, type RunConfig, runVersion, type StoredParent } from './config.ts';
import {
  foreign,
  type OtherFile,
  owners,
  remedies,
  runFileNames,
  runFiles,
  type SealedDocument,
  type SealedTensors,
} from './files.ts';
import { below } from './reading.ts';
import { sealed } from './seal.ts';
import { makeNext, type Place, readSealedConfig, SealedFolder, unfinishedRoot } from './sealed-folder.ts';

/** A parent that is to be copied into a run. */
export interface ParentSource
  extends Pick<StoredParent, 'source' | 'sha256' | 'output' | 'meaning' | 'axes' | 'front' | 'grid' | 'classes'> {
  /** Files beside it that hold tensors of it. */
  readonly external: readonly string[];
}

/** What decides a run's numbers, before its files have hashes. */
export type RunSpecification = Omit<RunConfig, 'format' | 'version' | 'pairs' | 'parents'> & {
  /** In their order. */
  readonly parents: readonly ParentSource[];
};

/** Its files are in a folder inside `path` until the training stands ready, and until its end where the run replaces another. */
export class RunDirectory extends SealedFolder<SealedTensors, SealedDocument, OtherFile, RunConfig> {
  /** Whether the run takes another one's place when its training has ended. */
  readonly replaces: boolean;

  private constructor(place: Place, replaces: boolean, config: { readonly config: RunConfig; readonly seal: string }) {
    super({ files: runFiles, owners, remedies, foreign }, place, config);
    this.replaces = replaces;
  }

  parentFile(tag: Tag): string {
    return join(this.root, this.config.parents[tag].file);
  }

  /**
   * Makes a run directory with the parents copied into it, in a folder inside `path`, from where `begin` takes it; where it replaces a run,
   * that one stays until `finish`. The caller holds the run's lock.
   *
   * @throws SutureError as {@link checkRunOutput}, and `model-unreadable` when a parent's file is no longer what was read.
   */
  static async create(
    path: string,
    specification: RunSpecification,
    pairs: readonly FeaturePair[],
    { force, followUp }: { readonly force?: boolean | undefined; readonly followUp?: FollowUp | undefined } = {},
  ): Promise<RunDirectory> {
    await checkRunOutput(path, { force, locked: true });
    return makeNext(path, runFileNames, async root => {
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
      const run = new RunDirectory({ path, root }, await isRunThere(path), { config, seal: document.seal });
      if (followUp) await run.writeJson('request', followUp);
      await writeOutput(join(root, runFiles.config), jsonText(document));
      return run;
    });
  }

  /** The training stands ready: puts a run that replaces none in its place. @throws SutureError `output-unwritable`. */
  async begin(): Promise<void> {
    if (!this.replaces) await this.promote();
  }

  /** Removes a run whose training cannot begin. */
  async discard(): Promise<void> {
    if (this.root !== this.path) await rm(this.root, { recursive: true, force: true });
  }

  /**
   * Opens a run directory and checks that the parents are those that it was made with.
   *
   * @throws SutureError `run-invalid`.
   */
  static async open(path: string): Promise<RunDirectory> {
    await recoverUnlocked(path);
    return RunDirectory.#openAt(path, path);
  }

  /** Opens the run whose training is to go on: the one that is not in its place yet, if such a one was begun. */
  static async openUnfinished(path: string): Promise<RunDirectory> {
    await recoverUnlocked(path);
    return RunDirectory.#openAt(path, await unfinishedRoot(path));
  }

  static async #openAt(path: string, root: string): Promise<RunDirectory> {
    const found = await readSealedConfig(root, configSchema, {
      missing: () => notRun(path),
      otherFormat: () =>
        new SutureError(
          'run-invalid',
          `${printable(path)} is a student's directory, or another program's: name the run that it was distilled from.`,
        ),
      otherVersion: version => otherVersion(path, version),
    });
    const replaces = root !== path && (await isRunThere(path));
    const run = new RunDirectory({ path, root }, replaces, found);
    for (const parent of Object.values(found.config.parents)) await run.#checkParent(parent);
    return run;
  }

  /** Compares a parent, and what lies beside it, with what the run was made with. */
  async #checkParent({ file, sha256, external }: StoredParent): Promise<void> {
    const files = [{ name: file, sha256 }, ...external.map(e => ({ name: beside(file, e.file), sha256: e.sha256 }))];
    for (const { name, sha256: expected } of files) {
      const path = printable(join(this.root, name));
      const found = await below(this.root, name, hashOf);
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
    const bytes = await this.read('pairs');
    if (!bytes) throw new SutureError('run-invalid', `${file} is missing: the run is incomplete.`);
    if (hashBytes(bytes) !== this.config.pairs) {
      throw new SutureError(
        'run-invalid',
        `${file} is not what the run was trained with; put it back as it was, or train anew with \`suture stitch --pairs\`.`,
      );
    }
    return v.parse(pairsSchema, JSON.parse(bytes.toString('utf8'))).pairs;
  }
}

const isRunThere = (path: string): Promise<boolean> => isThere(join(path, runFiles.config));

/** Copies a parent and its external data into the folder of a run, with their hashes. */
async function copiedParent(
  root: string,
  tag: string,
  { source, sha256, output, meaning, axes, front, grid, classes, external: locations }: ParentSource,
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
  return {
    ...{ file, source, sha256, output, meaning, external, axes, front, grid, classes },
  };
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
