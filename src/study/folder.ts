/** The folder of a study: the state on disk is the whole state. See `docs/study.md`. */
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/errors.ts';
import { readRegular } from '../files/input.ts';
import { jsonText, makeFolder, writeOutput } from '../files/output.ts';
import { isThere } from '../files/there.ts';
import { metricNames } from '../metrics/metric.ts';
import { differenceSchema, scoreSchema } from '../metrics/schema.ts';
import { refuseLocked } from '../run/lock.ts';
import { type Cell, cellsOf } from './cells.ts';
import { readStudy, type StudyRequest } from './request.ts';

/** A network's scores on the test data of one site. */
const testSchema = v.object({
  site: v.string(),
  value: scoreSchema,
  pooled: scoreSchema,
  classes: v.array(v.object({ name: v.string(), mean: scoreSchema })),
  /** This network less another on the same images, in the direction that is better, with its paired interval: `alone a`, `ensemble`. */
  against: v.array(
    v.object({
      ...{ network: v.string(), ...differenceSchema.entries },
      /** The same of each class. */
      classes: v.optional(v.array(differenceSchema), []),
    }),
  ),
});

export type TestScores = v.InferOutput<typeof testSchema>;

const positionSchema = v.object({
  position: v.number(),
  depth: v.optional(v.number()),
  validation: scoreSchema,
  /** By sites. */
  tests: v.record(v.string(), scoreSchema),
});

export type PositionScores = v.InferOutput<typeof positionSchema>;

/** What a cell came to. */
const resultSchema = v.object({
  /** The network that was scored, relative to the study's folder, or where a site has it. */
  network: v.optional(v.string()),
  metric: v.optional(v.picklist(metricNames)),
  higherIsBetter: v.optional(v.boolean()),
  tests: v.optional(v.array(testSchema)),
  /** Every position stitched alone, of a run. */
  positions: v.optional(v.array(positionSchema)),
  /** Of a run: the score on the own test data with so many positions stitched at once. */
  curve: v.optional(v.array(v.object({ count: v.number(), value: scoreSchema }))),
  /** What was chosen, in words. */
  note: v.optional(v.string()),
});

export type CellResult = v.InferOutput<typeof resultSchema>;

const recordSchema = v.object({
  format: v.literal('suture-cell'),
  version: v.literal(1),
  key: v.string(),
  kind: v.string(),
  sites: v.array(v.string()),
  seed: v.number(),
  fold: v.optional(v.number()),
  needs: v.array(v.string()),
  status: v.picklist(['begun', 'done', 'failed']),
  /** Of the process that ended it; a cell that was interrupted counts all its processes. */
  seconds: v.number(),
  /** The most memory that a process of it had at once. */
  peakBytes: v.number(),
  error: v.optional(v.string()),
  result: v.optional(resultSchema),
});

export type CellRecord = v.InferOutput<typeof recordSchema>;

/** `waiting` for others, `blocked` by one that failed, `interrupted` where no process works on what was begun. */
export type CellStatus = 'done' | 'failed' | 'running' | 'interrupted' | 'blocked' | 'waiting' | 'ready';

export interface CellState {
  readonly cell: Cell;
  readonly status: CellStatus;
  readonly record: CellRecord | undefined;
}

const files = { request: 'request.json', cells: 'cells', record: 'cell.json', log: 'log.txt' } as const;

export class StudyFolder {
  readonly path: string;
  readonly request: StudyRequest;
  readonly cells: readonly Cell[];

  private constructor(path: string, request: StudyRequest, cells: readonly Cell[]) {
    this.path = resolve(path);
    this.request = request;
    this.cells = cells;
  }

  /**
   * Makes a study's folder, or finds it with the same or another description: cells whose inputs are the same stay, others are new.
   *
   * @throws SutureError `output-exists` for a folder that holds something else; `run-locked` for another description while cells of the one
   * that is there are computed, which read it; as `cellsOf`.
   */
  static async make(path: string, request: StudyRequest): Promise<StudyFolder> {
    const present = await readdir(path).catch(() => [] as string[]);
    if (present.length > 0 && !present.includes(files.request)) {
      throw new SutureError(
        'output-exists',
        `${printable(path)} holds other files than a study's; choose another folder.`,
      );
    }
    const folder = new StudyFolder(path, request, await cellsOf(request));
    await makeFolder(join(path, files.cells));
    const text = jsonText(request);
    const kept = await readRegular(folder.requestFile).catch(() => undefined);
    if (kept?.toString('utf8') === text) return folder;
    for (const key of await readdir(join(path, files.cells))) {
      if (!(await folder.#isRunning({ key }))) continue;
      throw new SutureError(
        'run-locked',
        `${printable(path)} holds another description, and its cell ${printable(key)} is being computed; ` +
          'wait until that has ended, or choose another folder.',
      );
    }
    await writeOutput(folder.requestFile, text, { force: true });
    return folder;
  }

  /** @throws SutureError `study-invalid`. */
  static async open(path: string): Promise<StudyFolder> {
    const file = join(path, files.request);
    if (!(await isThere(file))) {
      throw new SutureError('study-invalid', `${printable(path)} is no study's folder; \`suture study -o\` makes one.`);
    }
    const request = await readStudy(file);
    return new StudyFolder(path, request, await cellsOf(request));
  }

  folderOf({ key }: Pick<Cell, 'key'>): string {
    return join(this.path, files.cells, key);
  }

  get requestFile(): string {
    return join(this.path, files.request);
  }

  recordOf(cell: Pick<Cell, 'key'>): string {
    return join(this.folderOf(cell), files.record);
  }

  logOf(cell: Pick<Cell, 'key'>): string {
    return join(this.folderOf(cell), files.log);
  }

  cell(key: string): Cell {
    const found = this.cells.find(cell => cell.key === key);
    if (found) return found;
    throw new SutureError('study-invalid', `${printable(this.path)} has no cell ${printable(key)}.`);
  }

  /** What is kept of a cell; undefined where it was not begun. What cannot be read is that of a cell that failed. */
  async record(cell: Cell): Promise<CellRecord | undefined> {
    const file = this.recordOf(cell);
    if (!(await isThere(file))) return undefined;
    try {
      return v.parse(recordSchema, JSON.parse((await readRegular(file)).toString('utf8')));
    } catch {
      const error = `${printable(file)} is damaged; the cell is computed again with the study.`;
      return this.#recordOf(cell, { status: 'failed', seconds: 0, peakBytes: 0, error });
    }
  }

  #recordOf(cell: Cell, found: Omit<CellRecord, 'format' | 'version' | keyof Cell>): CellRecord {
    return {
      ...{ format: 'suture-cell', version: 1 },
      ...{ ...cell, sites: [...cell.sites], needs: [...cell.needs] },
      ...found,
    };
  }

  async write(cell: Cell, found: Omit<CellRecord, 'format' | 'version' | keyof Cell>): Promise<void> {
    await makeFolder(this.folderOf(cell));
    await writeOutput(this.recordOf(cell), jsonText(this.#recordOf(cell, found)), { force: true });
  }

  /** Where all cells are, in their order. */
  async states(): Promise<readonly CellState[]> {
    const states = new Map<string, CellState>();
    for (const cell of this.cells) {
      const record = await this.record(cell);
      const needed = cell.needs.map(key => states.get(key)!.status);
      states.set(cell.key, { cell, record, status: await this.#statusOf(cell, record, needed) });
    }
    return [...states.values()];
  }

  async #statusOf(cell: Cell, record: CellRecord | undefined, needed: readonly CellStatus[]): Promise<CellStatus> {
    if (record?.status === 'done') return 'done';
    if (record && (await this.#isRunning(cell))) return 'running';
    if (record?.status === 'failed') return 'failed';
    if (needed.some(status => status === 'failed' || status === 'blocked')) return 'blocked';
    if (record) return 'interrupted';
    return needed.every(status => status === 'done') ? 'ready' : 'waiting';
  }

  async #isRunning(cell: Pick<Cell, 'key'>): Promise<boolean> {
    try {
      await refuseLocked(this.folderOf(cell));
      return false;
    } catch (error) {
      if (error instanceof SutureError && error.code === 'run-locked') return true;
      throw error;
    }
  }
}
