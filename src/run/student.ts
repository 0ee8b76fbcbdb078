/** The directory of a student: what `suture distill` makes, written and read. See `docs/distill.md`. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { type Graph, printable, SutureError } from '../../ir/index.ts';
import { tasks } from '../../passes/index.ts';
import { hashFile } from '../files/hash.ts';
import { jsonText, makeFolder, unwritable, writeOutput } from '../files/output.ts';
import { isThere } from '../files/there.ts';
import { metricNames } from '../metrics/metric.ts';
import { scoreSchema } from '../metrics/schema.ts';
import { loadModel } from '../network/load.ts';
import { fromStored, meaningSchema } from '../network/meaning.ts';
import { type Network, networkOf } from '../network/network.ts';
import { writeModel } from '../network/write.ts';
import { distillationSchema } from '../training/distill.ts';
import { checkRunOutput } from './access.ts';
import { hashSchema, naturalSchema } from './checkpoint.ts';
import { labelsSchema } from './config.ts';
import { isFolderThere, nextFolder, promote, settle } from './replacement.ts';
import { sealed } from './seal.ts';
import { readSealedConfig, SealedFolder } from './sealed-folder.ts';

const files = {
  config: 'config.json',
  teacher: 'teacher.onnx',
  start: 'start.onnx',
  checkpoint: 'checkpoint.npz',
  parameters: 'parameters.npz',
  metrics: 'metrics.jsonl',
  scores: 'scores.json',
  model: 'student.onnx',
} as const;

type OtherFile = 'teacher' | 'start' | 'model';

const layout = {
  files,
  owners: { parameters: 'config', checkpoint: 'config', scores: 'parameters' },
  remedies: {
    parameters: "put this student's own file back, or train it again with `suture distill`",
    checkpoint: "put this student's own file back, or remove it to begin the training again",
    scores: 'remove it, and score the student with `suture evaluate`',
  },
  foreign: { config: 'belongs to another student', parameters: 'belongs to other weights' },
} as const;

const networkSchema = v.object({
  sha256: hashSchema,
  /** What it is of the run: `gated`, `b`. */
  of: v.string(),
  meaning: meaningSchema,
});

const validationSchema = v.object({ network: v.string(), value: scoreSchema, shift: scoreSchema });

const dataSchema = { source: v.string(), sha256: hashSchema };

const configSchema = v.object({
  format: v.literal('suture-student'),
  version: v.literal(1),
  /** The run whose networks these are. */
  run: v.string(),
  teacher: networkSchema,
  student: networkSchema,
  task: v.picklist(tasks),
  labels: v.optional(labelsSchema),
  training: distillationSchema,
  data: v.object({ ...dataSchema, images: naturalSchema }),
  validation: v.object(dataSchema),
  metric: v.picklist(metricNames),
  /** Of the parents, the teacher, and the student before it was trained, on the validation data. */
  scores: v.array(validationSchema),
  executor: v.object({ name: v.picklist(['webgpu', 'ort']), description: v.string() }),
  versions: v.record(v.string(), v.optional(v.string())),
});

export type StudentConfig = v.InferOutput<typeof configSchema>;

/** A network of a student's, and what it is of the run. */
export interface OfRun {
  readonly graph: Graph;
  readonly of: string;
  readonly meaning: Network['meaning'];
}

export type StudentSpecification = Omit<StudentConfig, 'format' | 'version' | 'teacher' | 'student'> & {
  readonly teacher: OfRun;
  readonly student: OfRun;
};

export const scoresSchema = v.object({
  metric: v.picklist(metricNames),
  model: hashSchema,
  scores: v.array(validationSchema),
});

export class StudentDirectory extends SealedFolder<'checkpoint', 'scores', OtherFile> {
  readonly path: string;
  readonly config: StudentConfig;
  /** Where the files are: in a folder of its own as long as another student is there, which it is to replace. */
  #root: string;

  private constructor(path: string, root: string, config: StudentConfig, seal: string) {
    super(layout, seal);
    this.path = path;
    this.#root = root;
    this.config = config;
  }

  protected get root(): string {
    return this.#root;
  }

  /**
   * Makes a student's directory with its teacher and what it starts from. Where it replaces a student, that one stays until `finish`. The
   * caller holds its lock.
   *
   * @throws SutureError `output-exists`, `output-unwritable`.
   */
  static async create(
    path: string,
    { teacher, student, ...rest }: StudentSpecification,
    { force = false }: { readonly force?: boolean | undefined } = {},
  ): Promise<StudentDirectory> {
    await checkStudentOutput(path, force);
    const root = join(path, nextFolder);
    try {
      await settle(path, Object.values(files));
      await rm(root, { recursive: true, force: true });
      await makeFolder(root);
      const written = async (file: string, { graph, of, meaning }: OfRun) => {
        await writeModel(graph, join(root, file));
        return { sha256: await hashFile(join(root, file)), of, meaning };
      };
      const config = {
        format: 'suture-student',
        version: 1,
        ...rest,
        teacher: await written(files.teacher, teacher),
        student: await written(files.start, student),
      } as const;
      const document = sealed(config);
      await writeOutput(join(root, files.config), jsonText(document));
      const directory = new StudentDirectory(path, root, config, document.seal);
      if (!(await isThere(join(path, files.config)))) await directory.#promote();
      return directory;
    } catch (cause) {
      await rm(root, { recursive: true, force: true }).catch(() => undefined);
      throw unwritable(path, cause);
    }
  }

  async #promote(): Promise<void> {
    await promote(this.path, Object.values(files));
    this.#root = this.path;
  }

  /** Opens a student's directory and checks its networks. @throws SutureError `run-invalid`. */
  static async open(path: string): Promise<StudentDirectory> {
    return StudentDirectory.#openAt(path, path);
  }

  /** Opens the student whose training is to go on: the one that is to replace the student there, if such a one was begun. */
  static async openUnfinished(path: string): Promise<StudentDirectory> {
    const next = join(path, nextFolder);
    const begun = (await isFolderThere(next)) && (await isThere(join(next, files.config)));
    return StudentDirectory.#openAt(path, begun ? next : path);
  }

  static async #openAt(path: string, root: string): Promise<StudentDirectory> {
    const { config, seal } = await readConfig(path, root);
    return new StudentDirectory(path, root, config, seal);
  }

  /** The teacher, or what the student starts from. @throws SutureError `run-invalid` where the file is no longer what it was. */
  async network(which: 'teacher' | 'start'): Promise<Network> {
    const { sha256, of, meaning } = which === 'teacher' ? this.config.teacher : this.config.student;
    const file = this.file(which);
    if (!(await this.has(which)) || (await hashFile(file)) !== sha256) {
      const text = `${printable(file)} is not the network that the training was begun with: put it back, or distil again.`;
      throw new SutureError('run-invalid', text);
    }
    const { graph } = await loadModel(file);
    return networkOf(
      graph,
      which === 'teacher' ? `the teacher (${of})` : `the student (from ${of})`,
      fromStored(meaning),
    );
  }

  /**
   * What came out of the training, as `distilled from b`; undefined as long as it has not ended.
   *
   * @throws SutureError `run-invalid` where the file is no longer what it was.
   */
  async trained(): Promise<Network | undefined> {
    const scores = await this.readJson('scores', scoresSchema);
    if (!scores || !(await this.has('model'))) return undefined;
    const file = this.file('model');
    if ((await hashFile(file)) !== scores.model) {
      throw new SutureError(
        'run-invalid',
        `${printable(file)} is not what the training came to: remove it, and distil again.`,
      );
    }
    const { of, meaning } = this.config.student;
    return networkOf((await loadModel(file)).graph, `distilled from ${of}`, fromStored(meaning));
  }

  /** The training has ended, and all that it leaves is written: puts the student in its place. @throws SutureError `output-unwritable`. */
  async finish(): Promise<void> {
    await this.remove('checkpoint');
    if (this.#root !== this.path) await this.#promote();
  }
}

/** @param root where the files are of the student that is, or is to be, at `path`. */
const readConfig = (path: string, root: string) =>
  readSealedConfig(root, configSchema, {
    missing: () => notStudent(path),
    otherFormat: () => notStudent(path),
    otherVersion: () =>
      new SutureError('run-invalid', `${printable(path)} was made by another version of suture; distil again.`),
  });

/**
 * Asks whether a student's directory can be made at `path`, whose lock this process holds: with `force` also where another student is, never
 * where a run is.
 *
 * @throws SutureError `output-exists`, `output-unwritable`.
 */
export async function checkStudentOutput(path: string, force = false): Promise<void> {
  const isThere = await readConfig(path, path).then(
    () => true,
    () => false,
  );
  await checkRunOutput(path, { force, locked: true, what: { kind: 'student', isThere } });
}

export const notStudent = (path: string): SutureError =>
  new SutureError('run-invalid', `${printable(path)} is no student's directory; \`suture distill -o\` makes one.`);
