/** From a run to a student: trained, interrupted, damaged, refused. */
import { copyFile, cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { type DistillOptions, distill, resumeDistill } from '../../../src/api/distill.ts';
import { evaluate } from '../../../src/api/evaluate.ts';
import { search } from '../../../src/api/search.ts';
import { stitch } from '../../../src/api/stitch.ts';
import { npyArray } from '../../../src/data/npy.ts';
import { formatNpz } from '../../../src/data/npz.ts';
import { shared, suture } from '../cli/support.ts';
import { requestIn } from '../run/prepared.ts';

const folder = shared();
let run: string;
let data: string;

beforeAll(async () => {
  const request = await requestIn(folder());
  await stitch(request);
  ({ output: run, data } = request);
});

const asked = (output: string, more: Partial<DistillOptions> = {}): DistillOptions & { executor: 'ort' } => ({
  ...{ data, validation: data, output: join(folder(), output) },
  ...{ steps: 8, batch: 2, learningRate: 0.02, teacher: 'a', student: 'b', shift: 0.5, executor: 'ort' },
  ...more,
});

const keptStudents = new Map<string, ReturnType<typeof distill>>();
/** A student that several tests look at, trained once. */
function kept(output: string, more: Partial<DistillOptions> = {}): ReturnType<typeof distill> {
  const student = keptStudents.get(output) ?? distill(run, asked(output, more));
  keptStudents.set(output, student);
  return student;
}

/** Distils up to the third step. */
async function interrupted(output: string, more: Partial<DistillOptions> = {}): Promise<string> {
  const controller = new AbortController();
  const onProgress = ({ stage, done }: { stage: string; done: number }) => {
    if (stage === 'training the student' && done === 3) controller.abort();
  };
  const work = distill(run, asked(output, more), { signal: controller.signal, onProgress });
  await expect(work).rejects.toThrow(/stopped after 3 of 8 steps.*go on with `suture distill --resume/);
  return join(folder(), output);
}

describe('a student', () => {
  it('is one network with the names of the own, and scored as its file is', async () => {
    const summary = await kept('whole');
    expect(summary).toMatchObject({ from: 'b', teacher: 'a', metric: 'dice' });
    expect(summary.scores.map(s => s.network)).toEqual(['a', 'b', 'teacher', 'student']);
    const files = [
      'config.json',
      'metrics.jsonl',
      'parameters.npz',
      'scores.json',
      'start.onnx',
      'student.onnx',
      'teacher.onnx',
    ];
    expect((await readdir(summary.student)).toSorted()).toEqual(files);
    const { graph } = importOnnx(summary.file);
    expect(graph.inputs.map(i => i.name)).toEqual(['x']);
    expect(graph.outputs.map(o => o.name)).toEqual(['logits']);
    const { rows } = await evaluate([summary.file, join(folder(), 'a.onnx')], data, { executor: 'ort' });
    const of = (network: string) => summary.scores.find(s => s.network === network)!.value;
    expect(of('student')).toBeCloseTo(rows[0].score.value, 6);
    expect(of('a')).toBeCloseTo(rows[1].score.value, 6);
    expect(of('teacher')).toBe(of('a'));
    expect(of('student')).not.toBe(of('b'));
  });

  it('is the parent best under shift, of the gated teacher, where nothing is said and no trunk is cheap', async () => {
    const options = { student: undefined, teacher: undefined, steps: 1 };
    const { from, teacher, scores } = await distill(run, asked('unsaid', options));
    const [a, b] = scores.map(s => s.shift);
    expect(teacher).toBe('gated');
    expect(a).not.toBe(b);
    expect(from).toBe(a > b ? 'a' : 'b');
  });

  it('comes nearer to its teacher', async () => {
    const { firstLoss, lastLoss } = await distill(run, asked('long', { steps: 60, shift: 0, turn: false, batch: 6 }));
    expect(lastLoss!).toBeLessThan(firstLoss! * 0.8);
  });

  it('that was interrupted is the same to the last byte', async () => {
    const path = await interrupted('resumed');
    await resumeDistill(path);
    const whole = await kept('whole');
    const bytes = (folder: string) => readFile(join(folder, 'student.onnx'));
    expect((await bytes(path)).equals(await bytes(whole.student))).toBe(true);
    await expect(resumeDistill(path)).rejects.toThrow('there is nothing to resume');
  });

  it('is not gone on with on other files than it was begun with', async () => {
    const path = await interrupted('damaged');
    const file = (name: string) => join(path, name);
    const config = await readFile(file('config.json'), 'utf8');
    await writeFile(file('config.json'), config.replace('"steps": 8', '"steps": 9'));
    await expect(resumeDistill(path)).rejects.toThrow('was changed after it was written');
    await writeFile(file('config.json'), config);
    await copyFile(file('teacher.onnx'), file('kept.onnx'));
    await copyFile(file('start.onnx'), file('teacher.onnx'));
    await expect(resumeDistill(path)).rejects.toThrow('is not the network that the training was begun with');
    await copyFile(file('kept.onnx'), file('teacher.onnx'));
    await expect(resumeDistill(path)).resolves.toMatchObject({ from: 'b' });
  });
});

describe('with force', () => {
  it('a student takes the place of another when its training has ended, and not before', async () => {
    const path = join(folder(), 'replaced');
    await cp((await kept('whole')).student, path, { recursive: true });
    const file = join(path, 'student.onnx');
    const first = await readFile(file);
    await expect(distill(run, asked('replaced'))).rejects.toThrow('holds a student already');
    await interrupted('replaced', { force: true, learningRate: 0.05 });
    expect((await readFile(file)).equals(first)).toBe(true);
    const { scores } = await resumeDistill(path);
    expect((await readFile(file)).equals(first)).toBe(false);
    expect(scores.map(s => s.network)).toContain('student');
    const config = JSON.parse(await readFile(join(path, 'config.json'), 'utf8'));
    expect(config.training.learningRate).toBe(0.05);
    expect((await readdir(path)).filter(name => name.startsWith('.'))).toEqual([]);
  });

  it('no run is replaced', async () => {
    await expect(distill(run, asked('run', { force: true }))).rejects.toThrow("holds other files than a student's");
    expect(await readdir(run)).toContain('parameters.npz');
  });
});

it('learns from a setting that was searched, by its number and by its name', async () => {
  await expect(distill(run, asked('early', { teacher: 'setting:0' }))).rejects.toThrow('run `suture search` first');
  const { front } = await search(run, data, { evaluations: 8, executor: 'ort' });
  const at = front.findIndex(({ output }) => output !== 'gated');
  const { name } = front[at];
  const found = await distill(run, asked('found', { teacher: `setting:${name}`, student: `setting:${at}`, steps: 1 }));
  expect(found).toMatchObject({ teacher: name, from: name });
  await expect(distill(run, asked('never', { teacher: 'setting:99' }))).rejects.toThrow('found no setting 99');
});

describe('branches on a shared trunk', () => {
  const trunk = { student: '95%', teacher: undefined };

  it('learn from their own parents, and are gated in the file', async () => {
    const summary = await kept('trunk', trunk);
    expect(summary).toMatchObject({ from: expect.stringMatching(/^trunk of b for a at \d/), teacher: 'a, b' });
    expect(summary.lastLoss!).toBeLessThan(summary.firstLoss!);
    expect(summary.scores.map(s => s.network)).toEqual(['a', 'b', 'teacher', 'student']);
    const { graph } = importOnnx(summary.file);
    expect(graph.inputs.map(i => i.name)).toEqual(['x']);
    expect(graph.outputs.map(o => o.name)).toEqual(['logits']);
    expect(graph.outputs[0].value.type.shape).toEqual(
      importOnnx(join(folder(), 'a.onnx')).graph.outputs[0].value.type.shape,
    );
    expect(graph.info.metadata).toMatchObject({
      'suture.gate.over': 'image',
      'suture.output.kind': 'log-probabilities',
      'suture.setting': `${summary.from}, distilled from a, b`,
    });
    const { rows } = await evaluate([summary.file], data, { executor: 'ort' });
    expect(rows[0].score.value).toBeCloseTo(summary.scores.at(-1)!.value, 12);
  });

  it('take labels for the own branch alone', async () => {
    const { student, lastLoss } = await distill(run, asked('labelled', { ...trunk, labelShare: 0.5 }));
    const [first] = (await readFile(join(student, 'metrics.jsonl'), 'utf8')).trim().split('\n');
    const { loss, terms } = JSON.parse(first);
    expect(Object.keys(terms)).toEqual(['teacher', 'teacher/1', 'labels']);
    expect(loss).toBeCloseTo(terms.teacher + terms['teacher/1'] + terms.labels, 5);
    expect(lastLoss!).toBeLessThan(loss);
  });

  it('go on to the same file when they were interrupted', async () => {
    const path = await interrupted('halted', trunk);
    const { file } = await resumeDistill(path);
    const whole = await kept('trunk', trunk);
    expect((await readFile(file)).equals(await readFile(whole.file))).toBe(true);
  });

  it.each([
    [{ student: '3%' }, 'No shared trunk of these networks costs 3% of both or less'],
    [{ student: 'x%' }, 'No shared trunk of these networks costs x% of both or less'],
    [{ student: '95%', teacher: 'mean' }, 'each of its branches learns from its own parent, without --teacher'],
  ])('are refused with %o', async (more, message) => {
    await expect(distill(run, asked('never', more))).rejects.toThrow(message);
    expect(await readdir(folder())).not.toContain('never');
  });
});

it('is refused where memory is short, and leaves nothing', async () => {
  vi.stubEnv('SUTURE_MEMORY_GIB', '0.00001');
  await expect(distill(run, asked('large'))).rejects.toThrow(
    /^The student's layers have \d+ parameters, which take to be trained .*, a step of 2 images takes .* besides, and .* of memory are free: take a smaller --batch, or say with SUTURE_MEMORY_GIB/,
  );
  vi.unstubAllEnvs();
  expect(await readdir(folder())).not.toContain('large');
});

describe('refuses', () => {
  it('a folder that holds something, and leaves it', async () => {
    await expect(distill(run, asked('run'))).rejects.toThrow("exists and holds other files than a student's");
    await expect(resumeDistill(run)).rejects.toThrow("is no student's directory");
    await expect(resumeDistill(join(folder(), 'nowhere'))).rejects.toThrow(
      "nowhere does not exist; `suture distill -o` makes a student's directory.",
    );
  });

  it.each([
    ['teacher', 'c', '--teacher must be one of a, b, mean, gated, a position'],
    ['student', 'gated', '--student must be one of a, b, mean, a position'],
    ['teacher', '99', 'There is no position 99'],
  ])('%s %s', async (option, value, message) => {
    await expect(distill(run, asked('never', { [option]: value }))).rejects.toThrow(message);
    expect(await readdir(folder())).not.toContain('never');
  });

  it('labels and batches that do not do, before anything is written', async () => {
    const unlabelled = join(folder(), 'unlabelled.npz');
    const images = npyArray(new Float32Array(2 * 64).fill(1), [2, 1, 8, 8]);
    await writeFile(unlabelled, formatNpz({ images }));
    const coloured = join(folder(), 'coloured.npz');
    await writeFile(coloured, formatNpz({ images: npyArray(new Float32Array(2 * 3 * 64), [2, 3, 8, 8]) }));
    await expect(distill(run, asked('never', { data: coloured }))).rejects.toThrow(
      `${coloured}: "images" has the shape [2, 3, 8, 8], and `,
    );
    const without = distill(run, asked('never', { data: unlabelled, labelShare: 0.5 }));
    await expect(without).rejects.toThrow('there is no array "labels"');
    await expect(distill(run, asked('never', { batch: 1e9 }))).rejects.toThrow('choose a smaller --batch');
    expect(await readdir(folder())).not.toContain('never');
  });

  it('a command line that says too little', async () => {
    const { code, stderr } = await suture('distill', run, '--data', data, '--val', data);
    expect(code).toBe(2);
    expect(stderr).toContain('-o STUDENT');
  });
});
