/**
 * The folder that labels are written to. `prediction.json` in it says what they were made by and of which files, so that what was interrupted
 * goes on, and labels of other making are neither mixed with these nor taken for them.
 */
import { realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { printable, SutureError, someOf } from '../../ir/errors.ts';
import { readRegular } from '../files/input.ts';
import { jsonText, makeFolder, writeOutput } from '../files/output.ts';
import { isFolder, isThere } from '../files/there.ts';

const makingSchema = v.object({
  format: v.literal('suture-prediction'),
  model: v.string(),
  plans: v.nullable(v.string()),
  configuration: v.nullable(v.string()),
  mirror: v.array(v.number()),
  step: v.number(),
  labels: v.array(v.number()),
});

/** By what labels are made. */
export type Making = v.InferOutput<typeof makingSchema>;

const recordSchema = v.object({
  ...makingSchema.entries,
  /** The sizes in bytes of the images of each file of labels: other cases of the same name hardly have the same. */
  images: v.record(v.string(), v.array(v.number())),
  /** While labels that were there are written over, nobody knows which are which. */
  replacing: v.optional(v.literal(true)),
});

const recordName = 'prediction.json';

/** A file of labels, and the files that it is made of. */
export interface Labelled {
  readonly labels: string;
  readonly images: readonly string[];
}

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => -1,
  );

async function recordIn(output: string): Promise<v.InferOutput<typeof recordSchema> | undefined> {
  try {
    return v.parse(recordSchema, JSON.parse((await readRegular(join(output, recordName))).toString('utf8')));
  } catch {
    return undefined;
  }
}

/** Labels among the images that they are made of would be written over these, or be taken for images the next time. */
async function requireApart(output: string, cases: readonly Labelled[]): Promise<void> {
  const real = (path: string): Promise<string | undefined> => realpath(path).catch(() => undefined);
  const target = await real(output);
  if (target === undefined) return;
  for (const folder of new Set(cases.flatMap(({ images }) => images.map(image => dirname(image))))) {
    if ((await real(folder)) !== target) continue;
    throw new SutureError(
      'option-invalid',
      `${printable(output)} is the folder of the images; choose another one for labels.`,
    );
  }
}

/** A folder that labels can be written to. */
interface OpenOutput {
  /** Labels of other cases that are there. */
  readonly others: readonly string[];
  /** Labels that are there of cases that have lost files since. */
  readonly lacking: ReadonlySet<string>;
  /** To be called when all labels are written. */
  readonly finish: () => Promise<void>;
}

/**
 * Makes the folder, or finds it fit for labels of these cases: those that are there were made so, of files of the same sizes.
 *
 * @throws SutureError `output-exists`, `output-unwritable`; `option-invalid` for the folder of the images.
 */
export async function openOutput(
  output: string,
  making: Making,
  cases: readonly Labelled[],
  force: boolean,
): Promise<OpenOutput> {
  await requireApart(output, cases);
  if (!(await isFolder(output))) {
    if (await isThere(output)) {
      throw new SutureError('option-invalid', `${printable(output)} is a file; name a folder for labels.`);
    }
    await makeFolder(output);
  }
  const known = await recordIn(output);
  const same = known && JSON.stringify(v.parse(makingSchema, known)) === JSON.stringify(v.parse(makingSchema, making));
  const refuse = (what: string): void => {
    if (force) return;
    throw new SutureError(
      'output-exists',
      `${printable(output)} ${what}; choose another folder, or say --force to write over them.`,
    );
  };
  if (known && !same) refuse('holds labels of another network or other settings');
  if (known?.replacing) refuse('holds labels that were being written over when that was stopped');
  const images: Record<string, readonly number[]> = same ? { ...known.images } : {};
  const others: string[] = [];
  for (const file of Object.keys(images)) {
    if (!cases.some(({ labels }) => labels === file) && (await isThere(join(output, file)))) others.push(file);
  }
  const foreign: string[] = [];
  const lacking = new Set<string>();
  let there = 0;
  for (const one of cases) {
    const sizes = await Promise.all(one.images.map(sizeOf));
    if (await isThere(join(output, one.labels))) {
      there++;
      if (sizes.length < (images[one.labels]?.length ?? 0)) {
        lacking.add(one.labels);
        continue;
      }
      if (String(images[one.labels]) !== String(sizes)) foreign.push(one.labels);
    }
    images[one.labels] = sizes;
  }
  if (foreign.length > 0) {
    refuse(
      `holds ${foreign.length} of ${cases.length} files that this prediction did not make, or made of other images (${someOf(foreign)})`,
    );
  }
  const write = (more: object): Promise<void> =>
    writeOutput(join(output, recordName), jsonText({ ...making, images, ...more }), { force: true });
  const replacing = force && there > 0;
  await write(replacing ? { replacing } : {});
  const finish = async (): Promise<void> => {
    if (replacing) await write({});
  };
  return { others, lacking, finish };
}
