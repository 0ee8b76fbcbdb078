/**
 * A closed-form stitch, of c channels to m: suture's Cholesky decomposition by tiles against `numpy.linalg.solve`, in turns, one thread
 * each, from the same numbers. From moments; with fewer rows than channels from the samples, by the dual form on both sides. NumPy runs
 * as a child process (`closed_form.py`), where there is a Python that has it. The norms of what comes out are compared.
 *
 *     node dist/bench/closed-form.js [--channels 1024] [--targets 1024] [--rows 1024] [--runs 5] [--python PATH]
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type AffineMap,
  type Matrix,
  type PairMoments,
  ridgeOfMoments,
  ridgeOfSamples,
  type Steps,
  withoutStops,
} from '../passes/index.ts';
import { npyArray } from '../src/data/npy.ts';
import { formatNpz } from '../src/data/npz.ts';
import { openPeer, type PeerStep } from './peer.ts';
import { noise, ratioOf, timed, timingOf, timingText } from './timing.ts';

const { values: options } = parseArgs({
  options: {
    channels: { type: 'string', default: '1024' },
    targets: { type: 'string', default: '1024' },
    rows: { type: 'string', default: '1024' },
    runs: { type: 'string', default: '5' },
    python: { type: 'string', default: '/usr/bin/python3' },
  },
});
const [c, m, rows, runs] = [options.channels, options.targets, options.rows, options.runs].map(Number) as [
  number,
  number,
  number,
  number,
];
const lambda = 1e-3;

/** Numbers as float32 holds them, as features come from an executor. */
const [x, y] = [c, m].map(
  (columns, i): Matrix => ({ rows, columns, data: Float64Array.from(noise(rows * columns, i + 1)) }),
) as [Matrix, Matrix];

function momentsOf(): PairMoments {
  const [p, q] = [x, y].map(({ columns, data }) => {
    const mean = new Float64Array(columns);
    for (const [k, value] of data.entries()) mean[k % columns] += value / rows;
    return { mean, rest: data.map((value, k) => value - mean[k % columns]) };
  }) as [{ mean: Float64Array; rest: Float64Array }, { mean: Float64Array; rest: Float64Array }];
  const product = (columns: number, right: Float64Array): Matrix => {
    const data = new Float64Array(c * columns);
    for (let k = 0; k < rows; k++) {
      for (let i = 0; i < c; i++) {
        const left = p.rest[k * c + i] / rows;
        for (let j = 0; j < columns; j++) data[i * columns + j] += left * right[k * columns + j];
      }
    }
    return { rows: c, columns, data };
  };
  return { meanX: p.mean, meanY: q.mean, xx: product(c, p.rest), xy: product(m, q.rest) };
}

function fitting(): () => Steps<AffineMap> {
  if (rows < c) return () => ridgeOfSamples({ x, y }, lambda);
  const moments = momentsOf();
  return () => ridgeOfMoments(moments, lambda);
}

const solving = fitting();
const norm = ({ weight, bias }: AffineMap): number => {
  let sum = 0;
  for (const values of [weight, bias]) for (const value of values) sum += value * value;
  return Math.sqrt(sum);
};
const ownStep = async (): Promise<PeerStep> => {
  const { value, ...spent } = await timed(async () => withoutStops(solving()));
  return { loss: norm(value), ...spent };
};

const script = [
  join(import.meta.dirname, 'closed_form.py'),
  resolve(import.meta.dirname, '../../bench/closed_form.py'),
].find(existsSync);
const folder = await mkdtemp(join(tmpdir(), 'suture-bench-'));
const file = join(folder, 'case.npz');
const arrays = Object.entries({ x, y }).map(
  ([name, { columns, data }]) => [name, npyArray(Float32Array.from(data), [rows, columns])] as const,
);
await writeFile(file, formatNpz(new Map(arrays)));
const single = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', MKL_NUM_THREADS: '1' };
const numpy =
  script === undefined || !existsSync(options.python)
    ? undefined
    : await openPeer(options.python, [script, file, String(lambda)], single);
await rm(folder, { recursive: true, force: true });
if (numpy) console.log(`NumPy: ${JSON.stringify(numpy.hello)}`);
else console.log(`NumPy is left out: ${options.python} lacks it.`);

const ours: PeerStep[] = [];
const theirs: PeerStep[] = [];
for (let i = 0; i <= runs; i++) {
  ours.push(await ownStep());
  if (numpy) theirs.push(await numpy.step());
}
numpy?.close();
console.log(`A stitch of ${c} channels to ${m}, from ${rows < c ? `${rows} samples` : 'moments'}`);
const timing = timingOf(ours.slice(1));
console.log(timingText('suture', timing, ours[0].milliseconds));
if (numpy) {
  const other = timingOf(theirs.slice(1));
  console.log(timingText('NumPy', other, theirs[0].milliseconds));
  const ratio = ratioOf(timing, other);
  console.log(
    `  suture takes ${ratio.wall.toFixed(2)} times as long (${ratio.processor.toFixed(2)} by processor time); ` +
      `norms differ by ${Math.abs(ours[0].loss / theirs[0].loss - 1).toExponential(1)}`,
  );
}
