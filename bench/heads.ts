/**
 * This head against another one, an older checkout say, as their users start them: what must not become slower. Both take turns in one run,
 * each command in a process of its own, with ONNX Runtime on one thread; a training step is the difference of a longer and a shorter training.
 *
 *     node dist/bench/heads.js CHECKOUT [FOLDER] [--runs N] [--steps N]
 *
 * CHECKOUT is built (`npm run build`). FOLDER holds `parent_a.onnx`, `parent_b.onnx`, `site_a_train.npz`, `site_a_val.npz`; default: the demo.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ratioOf, type Spent, timingOf, timingText } from './timing.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '5' }, steps: { type: 'string', default: '10' } },
});

const [checkout, folder = join(import.meta.dirname, '../../fixtures/demo')] = positionals;
if (checkout === undefined) throw new Error('Name a checkout to compare with.');
const steps = Number(options.steps);
const heads = { this: resolve(import.meta.dirname, '../..'), other: resolve(checkout) };
type Head = keyof typeof heads;

const [a, b, train, validation] = ['parent_a.onnx', 'parent_b.onnx', 'site_a_train.npz', 'site_a_val.npz'].map(name =>
  join(resolve(folder), name),
);

/** Loaded before a command; writes down what processor time the process has taken when it ends. */
const meter =
  "data:text/javascript,import{writeFileSync}from'node:fs';const path=process.env.SUTURE_BENCH_USAGE;" +
  "process.on('exit',()=>writeFileSync(path,JSON.stringify(process.cpuUsage())))";

const scratch = await mkdtemp(join(tmpdir(), 'suture-heads-'));

async function command(head: Head, ...args: readonly string[]): Promise<Spent> {
  const usage = join(scratch, 'usage.json');
  const start = performance.now();
  const child = spawn(process.execPath, ['--import', meter, join(heads[head], 'dist/src/cli/main.js'), ...args], {
    env: { ...process.env, SUTURE_THREADS: '1', SUTURE_BENCH_USAGE: usage },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', text => (said += text));
  const code = await new Promise<number | null>((ended, failed) => child.on('error', failed).on('close', ended));
  const milliseconds = performance.now() - start;
  if (code !== 0) throw new Error(`${head}: suture ${args.join(' ')} ended with ${code}: ${said}`);
  const { user, system } = JSON.parse(await readFile(usage, 'utf8')) as NodeJS.CpuUsage;
  return { milliseconds, processor: (user + system) / 1000 };
}

const ort = ['--executor', 'ort'];
const recipe = ['--init', 'identity', '--closing-images', '0', ...ort];
const stitch = (head: Head, length: number, output: string, ...more: readonly string[]): Promise<Spent> =>
  command(head, 'stitch', a, b, '--data', train, ...recipe, ...more, '--steps', `${length}`, '-o', output, '--force');

/** The mean of the steps that a longer training has more than a shorter one. */
const stepOf =
  (...more: readonly string[]) =>
  async (head: Head): Promise<Spent> => {
    const output = join(scratch, 'step');
    const [short, long] = [await stitch(head, 1, output, ...more), await stitch(head, 1 + steps, output, ...more)];
    return {
      milliseconds: (long.milliseconds - short.milliseconds) / steps,
      processor: (long.processor - short.processor) / steps,
    };
  };

const runOf = (head: Head): string => join(scratch, `run-${head}`);

const work: Readonly<Record<string, (head: Head) => Promise<Spent>>> = {
  'start-up: match': head => command(head, 'match', a, b, '--json'),
  'a step, settings drawn': stepOf(),
  'a step, all stitched': stepOf('--settings', 'all'),
  'sweep over positions': head => command(head, 'sweep', runOf(head), '--data', validation, ...ort),
  'sweep over settings': head =>
    command(head, 'sweep', runOf(head), '--data', validation, '--weights', '0.5', '--outputs', '0,0.5,1', ...ort),
};

try {
  const turns = Object.keys(heads) as Head[];
  for (const head of turns) await stitch(head, 1, runOf(head));
  for (const [what, spend] of Object.entries(work)) {
    const spent: Record<Head, Spent[]> = { this: [], other: [] };
    for (let i = 0; i < Number(options.runs); i++) for (const head of turns) spent[head].push(await spend(head));
    const timings = { this: timingOf(spent.this), other: timingOf(spent.other) };
    const { wall, processor } = ratioOf(timings.this, timings.other);
    console.log(what);
    for (const head of turns) console.log(timingText(`${head} head`, timings[head], spent[head][0].milliseconds));
    console.log(
      `  this head takes ${wall.toFixed(2)} of the other's time, ${processor.toFixed(2)} of its processor time`,
    );
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}
