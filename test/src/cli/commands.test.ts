/** The commands in a row on small networks, with ONNX Runtime; what they print and what they leave. */
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { onnxRuntime } from '../../../runtime/ort/onnxruntime.ts';
import type { RunResult } from '../../../src/api/follow.ts';
import { formatNpz, parseNpz } from '../../../src/data/npz.ts';
import { relativeDifference } from '../../../src/run/verify.ts';
import { filesOf } from './files.ts';
import { smallData, smallParents } from './small.ts';
import { type Outcome, scratch, shared, suture, sutureWith } from './support.ts';

/** The one document on standard output. */
function documentOf({ code, stdout, stderr }: Outcome): Record<string, never> & { [key: string]: unknown } {
  // On failure the reason is shown; on success standard error may hold progress.
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

async function inputs(
  widths: Parameters<typeof smallParents>[1] = [[3], [2, 3]],
): Promise<{ folder: string; a: string; b: string; data: string }> {
  const folder = await scratch();
  const [a, b] = await smallParents(folder, widths);
  const data = await smallData(join(folder, 'data.npz'));
  return { folder, a, b, data };
}

const training = ['--steps', '12', '--batch', '2', '--executor', 'ort'];
/** For what is not about the training. */
const brief = ['--steps', '1', '--batch', '2', '--init', 'kaiming', '--closing-images', '0', '--executor', 'ort'];

const kept = shared();
let stitched: Promise<Outcome> | undefined;

/** The inputs of a test with a run of theirs, which is trained once for all tests, and what the training said. */
async function withRun(): Promise<Awaited<ReturnType<typeof inputs>> & { run: string; said: Outcome }> {
  // Wide enough for a few steps to lower the loss.
  const found = await inputs([
    [4, 5],
    [3, 4, 4],
  ]);
  const { a, b, data } = found;
  const [original, run] = [join(kept(), 'run'), join(found.folder, 'run')];
  stitched ??= suture('stitch', a, b, '--data', data, ...training, '-o', original, '--json');
  const said = await stitched;
  await cp(original, run, { recursive: true });
  return { ...found, run, said };
}

describe('inspect and match', () => {
  it('inspect gives the facts of a file', async () => {
    const { a } = await inputs();
    expect(documentOf(await suture('inspect', a, '--json'))).toMatchObject({
      inputs: [{ name: 'x', type: 'float32[N, 1, 8, 8]' }],
      operators: expect.arrayContaining([{ op: 'Conv', count: 2 }]),
      parameters: expect.any(Number),
      flops: expect.any(Number),
    });
    const { stdout } = await suture('inspect', a, '--graph');
    expect(stdout).toContain('return logits = ');
  });

  it('match gives pairs with scores and positions, and writes them', async () => {
    const { folder, a, b } = await inputs();
    const file = join(folder, 'pairs.json');
    const found = documentOf(await suture('match', a, b, '--json', '-o', file));
    const pairs = found.pairs as readonly { score: number }[];
    expect(pairs[0]).toEqual({
      a: expect.any(String),
      b: expect.any(String),
      score: expect.any(Number),
      positionA: expect.any(Number),
      positionB: expect.any(Number),
    });
    expect(found.score).toBeCloseTo(pairs.reduce((sum, pair) => sum + pair.score, 0));
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(found);
  });
});

describe('evaluate', () => {
  it('scores networks and their ensemble', async () => {
    const { a, b, data } = await inputs();
    const found = documentOf(
      await suture('evaluate', a, b, '--data', data, '--ensemble', '--executor', 'ort', '--json'),
    );
    expect(found).toMatchObject({ metric: 'dice', images: 6 });
    expect((found.rows as { model: string }[]).map(r => r.model)).toEqual([a, b, 'ensemble']);
  });

  it('lists every case, and overwrites no list unless it is told to', async () => {
    const { folder, a, b, data } = await inputs();
    const file = join(folder, 'cases.csv');
    const asked = ['evaluate', a, b, '--data', data, '--executor', 'ort', '--json', '--cases', file] as const;
    const plain = documentOf(await suture(...asked));
    const rowsOf = async (): Promise<readonly (readonly string[])[]> => {
      const lines = (await readFile(file, 'utf8')).split('\r\n');
      expect(lines.pop()).toBe('');
      return lines.map(line => line.split(','));
    };
    const [head, ...rows] = await rowsOf();
    expect(head).toEqual(['network', 'case', 'class', 'tp', 'fp', 'fn', 'tn', 'dice']);
    expect(rows.map(row => row.slice(0, 3))).toEqual(
      [a, b].flatMap(model => Array.from({ length: 6 }, (_, image) => [model, String(image), 'class 1'])),
    );
    for (const [i, { score }] of (plain.rows as { score: { value: number } }[]).entries()) {
      const dices = rows.slice(6 * i, 6 * i + 6).map(row => Number(row[7]));
      expect(dices.reduce((sum, dice) => sum + dice, 0) / 6).toBeCloseTo(score.value, 12);
      for (const row of rows) {
        const [tp, fp, fn] = row.slice(3, 6).map(Number) as [number, number, number];
        expect(Number(row[7])).toBeCloseTo((2 * tp) / (2 * tp + fp + fn), 12);
      }
    }
    expect(await suture(...asked)).toMatchObject({ code: 1, stderr: expect.stringContaining('exists already') });
    const measured = documentOf(await suture(...asked, '--force', '--surface', '--tolerance', '2', '--spacing', '1,2'));
    expect((await rowsOf())[0]).toEqual([...head, 'nsd', 'hd95']);
    const [{ surface }] = measured.rows as [{ surface: { nsd: number } }];
    expect(surface).toMatchObject({ tolerance: 2, unit: 'mm', classes: [{ class: 1, cases: 6 }] });
    const nsds = (await rowsOf()).slice(1, 7).map(row => Number(row[8]));
    expect(nsds.reduce((sum, nsd) => sum + nsd, 0) / 6).toBeCloseTo(surface.nsd, 12);
  });

  it('says what is wrong with what is asked of surfaces and metrics', async () => {
    const { folder, a, data } = await inputs();
    const file = join(folder, 'cases.csv');
    const refused = async (...said: string[]) => (await suture('evaluate', a, '--data', data, ...said)).stderr;
    expect(await refused('--spacing', '1,1')).toContain('say --surface too');
    expect(await refused('--surface', '--spacing', '1')).toContain(
      'A spacing of 1 numbers is said, and the labels have 2',
    );
    expect(await refused('--cases', file, '--metric', 'accuracy')).toContain('the score here is accuracy');
    expect(await refused('--metric', 'mse')).toContain('cannot be scored by mse');
    await expect(readFile(file)).rejects.toThrow('ENOENT');
  });
});

interface Shifted {
  readonly value: number;
  readonly shift: { readonly value: number; readonly sets: readonly number[] };
}

describe('validation under shift', () => {
  it('scores positions, settings and networks on the same stress sets', async () => {
    const { folder, a, data, run } = await withRun();
    const other = join(folder, 'other.npz');
    const { labels, images } = Object.fromEntries(parseNpz(await readFile(data)));
    const negative = { ...images, data: (images.data as Float32Array<ArrayBuffer>).map(value => -value) };
    await writeFile(other, formatNpz({ labels, images: negative }));
    const ort = ['--data', data, '--executor', 'ort', '--json'];
    const changes = ['--changes', 'gamma,gaussian-noise'];
    const swept = documentOf(await suture('sweep', run, ...ort, ...changes));
    expect(swept.stress).toEqual([
      { name: 'gamma', source: `${data} under gamma`, images: 6 },
      { name: 'gaussian-noise', source: `${data} under gaussian noise`, images: 6 },
    ]);
    const [parent] = swept.references as readonly Shifted[];
    const scored = documentOf(await suture('evaluate', a, ...ort, ...changes));
    const [row] = scored.rows as readonly Shifted[];
    for (const [set, score] of row.shift.sets.entries()) expect(parent.shift.sets[set]).toBeCloseTo(score, 10);
    expect(row.shift.value).toBeCloseTo((row.shift.sets[0] + row.shift.sets[1]) / 2, 10);
    const settings = ['--positions', 'none', '--weights', '1', '--outputs', '1', '--no-gate'];
    const front = documentOf(await suture('sweep', run, ...ort, ...changes, ...settings));
    expect((front.points as readonly Shifted[])[0].shift.value).toBeCloseTo(row.shift.value, 10);

    // Under data of elsewhere a network has the score that it has there.
    const elsewhere = ['--stress', `own=${data}`, '--stress', `other=${other}`];
    const held = documentOf(await suture('sweep', run, ...ort, ...elsewhere));
    const there = documentOf(await suture('evaluate', a, '--data', other, '--executor', 'ort', '--json'));
    const [first] = held.references as readonly Shifted[];
    expect(first.shift.sets[0]).toBe(first.value);
    const [beside] = there.rows as unknown as readonly { readonly score: { readonly value: number } }[];
    expect(first.shift.sets[1]).toBeCloseTo(beside.score.value, 10);
  });

  it('is one column, of the whole suite where nothing else is said', async () => {
    const { a, data, run } = await withRun();
    const swept = await suture('sweep', run, '--data', data, '--executor', 'ort', '--shift', '--shift-images', '2');
    expect(swept.stdout).toMatch(/position .* shift /);
    expect(swept.stdout).toMatch(/shift: the mean over 8 stress sets \(contrast, gamma, .*, 2 images each\)/);
    const each = await suture('evaluate', a, '--data', data, '--executor', 'ort', '--shift-each');
    expect(each.stdout).toMatch(/shift +contrast +gamma +inverted-gamma +bias-field/);
    for (const said of [
      ['--changes', 'fog'],
      ['--shift', '--stress', `x=${data}`],
    ]) {
      const { code, stderr } = await suture('evaluate', a, '--data', data, ...said);
      expect(code).not.toBe(0);
      expect(stderr).toMatch(/one of brightness|of brightness|one column/);
    }
  });
});

describe('stitch, sweep, export', () => {
  it('lead from two networks to one', async () => {
    const { folder, a, data, run, said } = await withRun();
    const stitched = documentOf(said);
    expect(stitched).toMatchObject({ method: 'double-batched', steps: 12 });
    expect(stitched.lastLoss as unknown as number).toBeLessThan(stitched.firstLoss as unknown as number);
    expect(Object.keys(await filesOf(run)).sort()).toEqual([
      'config.json',
      'metrics.jsonl',
      'pairs.json',
      'parameters.npz',
      'parents/a.onnx',
      'parents/b.onnx',
    ]);
    const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(lines.map(line => JSON.parse(line).step)).toEqual([0, 10, 11]);
    expect(parseNpz(await readFile(join(run, 'parameters.npz'))).get('stitch/0/b-a/bias')?.dtype).toBe('float32');

    const noSweep = await suture('export', run, '--rule', '1', '-o', join(folder, 's.onnx'));
    expect(noSweep).toMatchObject({ code: 1, stderr: expect.stringContaining('run `suture sweep` first') });
    // Rule 3 needs no scores.
    const deep = ['--rule', '3', '--depth', '1', '-o', join(folder, 'deep.onnx')];
    const byDepth = documentOf(await suture('export', run, ...deep, '--json'));
    expect(byDepth).toMatchObject({ rule: 3, position: (stitched.positions as unknown as number) - 1 });

    const swept = documentOf(await suture('sweep', run, '--data', data, '--executor', 'ort', '--json'));
    expect((swept.positions as unknown[]).length).toBe(stitched.positions);
    expect(swept.folds).toEqual([0, 1]);

    const file = join(folder, 's.onnx');
    const exported = documentOf(await suture('export', run, '--rule', '2', '-o', file, '--json'));
    expect(exported).toMatchObject({ rule: 2, file });
    const { graph } = importOnnx(file);
    expect(graph.inputs.map(String)).toEqual(importOnnx(a).graph.inputs.map(String));
    expect(graph.outputs.map(o => o.name)).toEqual(['logits']);

    // The sweep's score of the position is that of the exported file.
    const scored = documentOf(await suture('evaluate', file, '--data', data, '--executor', 'ort', '--json'));
    const [row] = scored.rows as unknown as { score: { value: number } }[];
    const position = (swept.positions as { position: number; value: number }[]).find(
      p => p.position === (exported.position as unknown),
    );
    expect(row.score.value).toBeCloseTo(position!.value, 6);
  });

  it('write the network in float16 where that is asked for', async () => {
    const { folder, run, said } = await withRun();
    documentOf(said);
    const [wide, half] = [join(folder, 'wide.onnx'), join(folder, 'half.onnx')];
    for (const gate of [[], ['--gate']]) {
      const settled = ['export', run, '--position', '1', ...gate, '--force'];
      documentOf(await suture(...settled, '-o', wide, '--json'));
      documentOf(await suture(...settled, '--half', '-o', half, '--json'));
      const { graph } = importOnnx(half);
      const dtypes = graph.constants().filter(({ constant }) => constant.data.length > 8);
      expect(new Set(dtypes.map(({ type }) => type.dtype))).toEqual(new Set(['float16']));
      expect([...graph.inputs, ...graph.outputs.map(o => o.value)].map(v => v.type.dtype)).toEqual([
        'float32',
        'float32',
      ]);
      const { InferenceSession, Tensor } = onnxRuntime();
      const x = new Tensor(
        'float32',
        Float32Array.from({ length: 128 }, (_, i) => Math.sin(i)),
        [2, 1, 8, 8],
      );
      const numbersFrom = async (file: string): Promise<Float32Array> => {
        const { logits } = await (await InferenceSession.create(file)).run({ x });
        return logits.data as Float32Array;
      };
      const error = relativeDifference(await numbersFrom(half), await numbersFrom(wide));
      expect(error).toBeGreaterThan(0);
      expect(error).toBeLessThan(5e-3);
    }
  });

  it('give the same bytes for the same seed, and others for another', async () => {
    const { folder, a, b, data } = await inputs();
    const stitch = async (name: string, seed: string): Promise<Record<string, string>> => {
      const run = join(folder, name);
      // One step into the second time through the images.
      const training = ['--steps', '4', '--batch', '2', '--closing-images', '0', '--executor', 'ort'];
      const options = ['--init', 'kaiming', '--seed', seed, ...training];
      documentOf(await suture('stitch', a, b, '--data', data, ...options, '-o', run, '--json'));
      return filesOf(run);
    };
    const first = await stitch('first', '5');
    expect(await stitch('second', '5')).toEqual(first);
    expect((await stitch('third', '6'))['parameters.npz']).not.toBe(first['parameters.npz']);
  });

  it('goes on after an interruption with the same bytes', async () => {
    const { folder, a, b, data } = await inputs();
    const long = ['--steps', '20', '--batch', '2', '--init', 'kaiming', '--executor', 'ort'];
    const [whole, stopped] = [join(folder, 'whole'), join(folder, 'stopped')];
    documentOf(await suture('stitch', a, b, '--data', data, ...long, '-o', whole, '--json'));
    const controller = new AbortController();
    const going = sutureWith(controller.signal, 'stitch', a, b, '--data', data, ...long, '-o', stopped);
    // The configuration is written right before the first step.
    while (!(await readdir(folder)).includes('stopped')) await new Promise(resolve => setTimeout(resolve, 1));
    while (!(await readdir(stopped)).includes('metrics.jsonl')) await new Promise(resolve => setTimeout(resolve, 1));
    controller.abort();
    const { code, stderr } = await going;
    expect(stderr).toMatch(/stopped after \d+ of 20 steps.*--resume/);
    expect(code).toBe(130);
    const unfinished = await suture('sweep', stopped, '--data', data);
    expect(unfinished).toMatchObject({ code: 1, stderr: expect.stringContaining('no trained stitches yet') });

    documentOf(await suture('stitch', '--resume', stopped, '--json'));
    expect(await filesOf(stopped)).toEqual(await filesOf(whole));
    const again = await suture('stitch', '--resume', stopped);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing to resume') });
    expect(await suture('stitch', '--resume', stopped, '--steps', '3')).toMatchObject({ code: 2 });
  });

  it('replaces a run with --force only, and leaves what is not its own', async () => {
    const { a, b, data, run, said } = await withRun();
    documentOf(said);
    await writeFile(join(run, 'notes.txt'), 'mine');
    const before = await filesOf(run);
    const refused = await suture('stitch', a, b, '--data', data, ...training, '-o', run);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('holds a run already') });
    expect(await filesOf(run)).toEqual(before);
    const other = [...brief, '--seed', '1', '--force'];
    documentOf(await suture('stitch', a, b, '--data', data, ...other, '-o', run, '--json'));
    const after = await filesOf(run);
    expect(after['notes.txt']).toBe(before['notes.txt']);
    expect(after['parameters.npz']).not.toBe(before['parameters.npz']);
  });

  it('notices a parent or data that changed', async () => {
    const { b, data, run, said } = await withRun();
    documentOf(said);
    await writeFile(join(run, 'parents', 'a.onnx'), await readFile(b));
    const found = await suture('sweep', run, '--data', data);
    expect(found).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is not the network that the run was made'),
    });
  });
});

describe('run', () => {
  it('does everything in a row', async () => {
    const { folder, a, b, data } = await inputs();
    const run = join(folder, 'run');
    const sets = ['--train', data, '--val', data, '--test', `own=${data}`, '--test', `other=${data}`];
    const options = [...sets, '--changes', 'gamma', '--rule', '3', '--depth', '1', ...brief];
    const report = documentOf(await suture('run', a, b, ...options, '-o', run, '--json'));
    expect(report).toMatchObject({
      agreement: { agrees: true },
      tests: [{ name: 'own' }, { name: 'other' }],
    });
    const { positions } = report.sweep as { positions: readonly unknown[] };
    expect(report.selection).toMatchObject({ rule: 3, position: positions.length - 1, depth: 1 });
    const text = await readFile(join(run, 'report.md'), 'utf8');
    expect(text).toContain('rule 3, nearest to a depth of 1');
    expect(text).toMatch(/\| network \| cost \| own: Dice \| shift \| own: Dice \| pooled \| other: Dice \| pooled \|/);
    expect(text).toMatch(/\| parent a \|[\s\S]*\| parent b \|[\s\S]*\| output ensemble \|[\s\S]*\| stitched at \d+ \|/);
    expect(text).toContain('agrees in ONNX Runtime');
    expect(text).toContain(`\`${data}\`, 6 images`);
    expect(report.validation).toEqual({ source: data, images: 6, labels: '2 classes of each place' });
    expect(JSON.parse(await readFile(join(run, 'report.json'), 'utf8')).tests).toEqual(report.tests);
    // The file scores what the report says of it.
    const { rows } = documentOf(await suture('evaluate', join(run, 'stitched.onnx'), '--data', data, '--json'));
    const { tests, exported } = JSON.parse(await readFile(join(run, 'report.json'), 'utf8')) as RunResult;
    const said = new Map(tests[0].rows.map(row => [row.network, row.score.value]));
    expect(rows).toMatchObject([{ score: { value: expect.closeTo(said.get(exported.candidate!)!, 6) } }]);
  });

  it('averages outputs as published when told to', async () => {
    const { folder, a, b, data } = await inputs();
    const run = join(folder, 'run');
    const sets = ['--train', data, '--val', data, '--test', `own=${data}`];
    const options = [...sets, '--no-gate', '--no-shift', '--position', '1', ...brief];
    const report = documentOf(await suture('run', a, b, ...options, '-o', run, '--json'));
    expect(report).toMatchObject({ agreement: { agrees: true } });
    expect(report.exported).not.toHaveProperty('gated');
    expect(await readFile(join(run, 'report.md'), 'utf8')).not.toContain('gated');
    const averaged = join(folder, 'averaged.onnx');
    await suture('export', run, '--position', '1', '-o', averaged);
    expect((await readFile(join(run, 'stitched.onnx'))).equals(await readFile(averaged))).toBe(true);
  });
});
