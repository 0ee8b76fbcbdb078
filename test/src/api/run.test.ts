import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { curve } from '../../../src/api/curve.ts';
import { evaluate } from '../../../src/api/evaluate.ts';
import { exportNetwork } from '../../../src/api/export.ts';
import { type RunRequest, resumeRun, run } from '../../../src/api/run.ts';
import { stitch } from '../../../src/api/stitch.ts';
import { front, sweep } from '../../../src/api/sweep.ts';
import type { ProgressEvent } from '../../../src/execution/progress.ts';
import { smallData, smallParents } from '../cli/small.ts';

let folder: string;
let request: RunRequest;
let whole: readonly string[];

const files = [
  'report.html',
  'by-case.json',
  'report.json',
  'report.md',
  'sweep.json',
  'verdict.json',
  'parameters.npz',
  'stitched.onnx',
  'stitched-half.onnx',
  'metrics.jsonl',
];
/** What a run leaves, but for where it lies. */
const left = async (run: string): Promise<readonly string[]> =>
  Promise.all(files.map(async file => (await readFile(join(run, file), 'latin1')).replaceAll(run, 'RUN')));

const into = (name: string): RunRequest => ({ ...request, output: `${request.output}-${name}` });
/** What serves where it is not looked at how stitches are trained, nor at float16 or changed images. */
const small = {
  training: { steps: 1, batch: 2, init: 'identity', closingImages: 0 },
  half: false,
  stress: false,
} as const;

/** Ends the work when a stage has come so far. */
function endedAt(done: number, stage: string) {
  const controller = new AbortController();
  const onProgress = (event: ProgressEvent) => {
    if (event.stage.startsWith(stage) && event.done === done) controller.abort();
  };
  return { signal: controller.signal, onProgress };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'suture-test-'));
  const [a, b] = await smallParents(folder, [[3], [2, 3]]);
  const [train, validation, test] = await Promise.all(
    ['train', 'val', 'test'].map(name => smallData(join(folder, `${name}.npz`))),
  );
  const training = { steps: 4, batch: 2, initImages: 4, closingImages: 4 };
  request = {
    networks: [a, b],
    train,
    validation,
    tests: [{ name: 'away', file: test }],
    training,
    executor: 'ort',
    half: true,
    stress: { changes: ['gamma', 'gaussian-noise'] },
    output: join(folder, 'run'),
  };
  await run(request);
  whole = await left(request.output);
  const report = whole[files.indexOf('report.md')];
  expect(report).toContain('6 images; labels: 2 classes of each place).');
  // The three files hold the same.
  expect(report).toContain(
    '\nTest set away is the validation data, which choices were made by: give images of its own.\n',
  );
  expect(report).toMatch(/The verdict: .*, at .* % of what the parents cost together, .*under shift/);
  expect(report).toMatch(/stitched-half\.onnx` is the network in float16: \d+ of \d+ nodes stay in float32/);
  expect(report).toMatch(/- .+ parent a on away: .*\[.*\]: (better|worse|no difference shown)/);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

it('a run that was interrupted in every step, one after the other, goes on to the same files', async () => {
  const again = into('again');
  const interruptions = [
    [2, 'training the stitches'],
    [1, 'fitting the last stitches'],
    [0, 'scoring every position'],
    [1, 'scoring settings on gamma'],
    [0, 'scoring settings on away'],
  ] as const;
  const [first, ...later] = interruptions.map(([done, stage]) => endedAt(done, stage));
  const goOn = new RegExp(`go on with \`suture run --resume ${again.output}\``);
  await expect(run(again, first)).rejects.toThrow(goOn);
  const resumed: string[][] = [];
  for (const ended of [...later, undefined]) {
    const stages: string[] = [];
    resumed.push(stages);
    const going = resumeRun(again.output, {
      ...(ended && { signal: ended.signal }),
      onProgress: event => {
        if (!stages.includes(event.stage)) stages.push(event.stage);
        ended?.onProgress(event);
      },
    });
    if (ended) await expect(going).rejects.toThrow(goOn);
    else await going;
  }
  expect(await left(again.output)).toEqual(whole);
  // What is there is not computed again.
  const among = (stage: string): number[] => resumed.flatMap((stages, i) => (stages.includes(stage) ? [i] : []));
  expect(among('training the stitches')).toEqual([0, 1]);
  expect(among('scoring every position')).toEqual([1, 2]);
  expect(among('scoring settings on gamma')).toEqual([2, 3]);
  expect(among('scoring settings on away')).toEqual([3, 4]);
});

it('what has its report, what was only stitched, and data that have changed are refused', async () => {
  await expect(resumeRun(request.output)).rejects.toThrow(/has its report: there is nothing to resume/);
  const { train, validation, tests, ...rest } = { ...into('stitched'), ...small };
  await stitch({ ...rest, data: train });
  await expect(resumeRun(rest.output)).rejects.toThrow(/made by `suture stitch`/);
  const changed = {
    ...into('changed'),
    ...small,
    validation: await smallData(join(request.output, '..', 'changed.npz')),
  };
  await expect(run(changed, endedAt(1, 'scoring every position'))).rejects.toThrow();
  await smallData(changed.validation, 16);
  await expect(resumeRun(changed.output)).rejects.toThrow(/changed\.npz has changed since the run was started/);
});

it('is chosen on data of elsewhere and reported by the metric that is said, whatever the run was swept by in between', async () => {
  const [{ file }] = request.tests;
  const asked = {
    ...into('metric'),
    ...small,
    metric: 'dice-foreground',
    stress: { files: [{ name: 'x', file }] },
  } as const;
  await expect(run(asked, endedAt(0, 'scoring settings on away'))).rejects.toThrow('--resume');
  const { output, validation } = asked;
  const sweptBy = async (): Promise<unknown> => JSON.parse(await readFile(join(output, 'sweep.json'), 'utf8')).metric;
  expect(await sweptBy()).toBe('dice-foreground');
  const executor = 'ort';
  expect(await sweep(output, validation, { executor })).toMatchObject({ metric: 'dice' });
  expect(await sweptBy()).toBe('dice');
  const { tests, sweep: swept, verdict } = await resumeRun(output);
  expect(tests).toMatchObject([{ metric: 'dice-foreground' }]);
  expect(swept.metric).toBe('dice-foreground');
  expect(await readFile(join(output, 'report.md'), 'utf8')).toContain('| away: Dice, foreground | pooled |');
  expect(verdict.stress).toEqual([{ name: 'x', source: file, images: 6 }]);
  for (const { name, shift } of verdict.standings) {
    // Trunks that their scores at home rule out were not asked.
    if (shift === undefined) expect(name).toContain('trunk');
    else expect(shift).toBeCloseTo(tests[0].rows.find(row => row.network === name)!.score.value, 9);
  }

  const metric = 'accuracy';
  expect(await curve([output], validation, { executor, metric, counts: [1] })).toMatchObject({ metric });
  const settings = { weights: [0.5], outputs: [0.5], groups: [[0]], gate: false };
  expect(await front(output, validation, { executor, metric, ...settings })).toMatchObject({ metric });
  await expect(sweep(output, validation, { executor, metric: 'mse' })).rejects.toThrow('cannot be scored by mse');
});

describe('what is exported', () => {
  /** What a run leaves under other wishes. */
  const runOf = (name: string, wishes: Partial<RunRequest>) => run({ ...into(name), ...small, ...wishes });

  it('costs no more than is allowed, and goes by the scores at home where nothing is to be asked about other sites', async () => {
    const budget = 0.95;
    const { verdict, exported } = await runOf('cheap', { budget, distill: 2, tests: [] });
    expect(exported.cost).toBeLessThanOrEqual(budget);
    const { standings, chosen, bar, stress } = verdict;
    expect(standings[chosen].name).toBe(exported.candidate);
    expect(stress).toEqual([]);
    expect(standings[chosen].own).toBeGreaterThanOrEqual(0.99 * standings[bar].own);
    for (const { shift } of standings) expect(shift).toBeUndefined();
    // The budget pays for a trunk, from which a student has branches.
    const student = standings.find(({ name }) => name.startsWith('distilled'))!;
    expect(student.name).toMatch(/^distilled from trunk of b for a at \d/);
    expect(student.cost).toBeLessThanOrEqual(budget);
    const { output } = into('cheap');
    expect(JSON.parse(await readFile(join(output, 'student', 'config.json'), 'utf8')).teacher.of).toBe('a, b');
    // Before anything is trained.
    await expect(runOf('free', { budget: 0.01 })).rejects.toThrow(
      /^Nothing costs as little as 1 % of the parents together: the cheapest, parent a, costs [\d.]+ %\.$/,
    );
    expect(existsSync(into('free').output)).toBe(false);
  });

  it('is what is asked for by name, with what speaks against it', async () => {
    const { exported, verdict, warnings, agreement } = await runOf('asked', { position: 0, tests: [] });
    expect(exported).toMatchObject({ position: 0, candidate: 'stitched at 0, gated' });
    expect(agreement.agrees).toBe(true);
    const better = verdict.standings[verdict.chosen].name;
    expect(warnings.at(-1)).toMatch(
      new RegExp(`^The verdict is for ${better}, and not for stitched at 0, gated, which was asked for: at home`),
    );
    // So does an export, once there is a verdict.
    const { output } = into('asked');
    const again = await exportNetwork(output, `${output}.onnx`, { position: 0, gated: true });
    expect(again.warnings).toEqual(warnings.slice(-1));
    await expect(runOf('nowhere', { position: 9 })).rejects.toThrow(/no position 9/);
  });

  it('may be a student of one answer, which is compared as all others are, also after an interruption', async () => {
    const asked = { ...into('distilled'), ...small, distill: 6, gate: false };
    const { output } = asked;
    // What it was stopped in is a part of the run, and goes on with it: the one command is named.
    await expect(run(asked, endedAt(3, 'training the student'))).rejects.toMatchObject({
      message: expect.stringMatching(
        /^The training was stopped after 3 of 6 steps; it was interrupted; go on with `suture run --resume \S+-distilled`\.$/,
      ),
    });
    const { verdict, tests } = await resumeRun(output);
    const student = verdict.standings.at(-1)!;
    expect(student.name).toMatch(/^distilled from [ab]$/);
    expect(student.cost).toBeLessThan(1);
    expect(await readFile(join(output, 'report.html'), 'utf8')).toContain('<h3>Of the student</h3>');
    const [{ rows }] = tests;
    const found = await evaluate([join(output, 'student', 'student.onnx')], request.tests[0].file, {
      executor: 'ort',
    });
    expect(rows.at(-1)!.score.value).toBeCloseTo(found.rows[0].score.value, 6);
  });
});
