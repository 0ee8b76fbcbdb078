/** The program as users start it: a process of its own, with exit codes and signals. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { embeddedDriverUnavailable, unpackEmbeddedDriver } from '../../../runtime/adapter/swiftshader.ts';
import { driversOnly } from '../../../runtime/adapter/system.ts';
import { parseNpz } from '../../../src/data/npz.ts';
import { buildProgram, type Ended, main, start } from '../../program.ts';
import { filesOf } from './files.ts';
import { smallData, smallParents } from './small.ts';
import { type Outcome, scratch, shared, suture, sutureWith } from './support.ts';

beforeAll(buildProgram, 120_000);

const ends = (...args: readonly string[]): Promise<Ended> => start(args).ended;

describe('the program', () => {
  const folder = shared();
  /** A network of one convolution, which is all that an adapter needs to answer. */
  let network = '';
  let evaluation: readonly string[] = [];
  beforeAll(async () => {
    [network] = await smallParents(folder(), [[], []]);
    const data = await smallData(join(folder(), 'data.npz'));
    evaluation = ['evaluate', network, '--data', data, '--executor', 'webgpu'];
  });

  it('exits with 2 on wrong usage, with nothing on standard output', async () => {
    expect(await ends('inspect')).toMatchObject({ code: 2, stdout: '' });
  });

  describe.skipIf(embeddedDriverUnavailable() !== undefined)('finds its adapter without a word', () => {
    /** Machines by environment: with the loader that suture carries in the place of a system's, and without any. */
    async function machines(): Promise<Readonly<Record<string, NodeJS.ProcessEnv>>> {
      const folder = await scratch();
      // The linker takes the first file of the name, and fails with an empty one.
      await writeFile(join(folder, 'libvulkan.so.1'), '');
      const { directory, icd } = await unpackEmbeddedDriver(join(folder, 'cache'));
      return {
        'without a loader': { LD_LIBRARY_PATH: folder },
        'without a driver': { LD_LIBRARY_PATH: directory, ...driversOnly('/dev/null') },
        'with drivers that write': {
          LD_LIBRARY_PATH: directory,
          ...driversOnly(`${join(folder, 'none.json')}:${icd}`),
          VK_LOADER_DEBUG: 'error',
        },
      };
    }

    it('whatever the machine lacks, and doctor knows', async () => {
      const written: Record<string, string> = {};
      for (const [machine, environment] of Object.entries(await machines())) {
        const { code, stdout, stderr } = await start(['doctor', '--json'], environment).ended;
        expect({ machine, code, stderr }).toEqual({ machine, code: 0, stderr: '' });
        const { adapters } = JSON.parse(stdout);
        expect(adapters.chosen, machine).toBeDefined();
        written[machine] = adapters.attempts[0].complaints?.join(' ') ?? adapters.attempts[0].detail;
        if (machine !== 'with drivers that write') continue;
        const evaluated = await start(evaluation, environment).ended;
        const progress = /^Scoring .*\n/gm;
        const said = { code: evaluated.code, stderr: evaluated.stderr.replace(progress, '') };
        expect(said).toEqual({ code: 0, stderr: '' });
      }
      expect(written).toMatchObject({
        'without a loader': expect.stringContaining('no Vulkan loader'),
        'without a driver': expect.stringContaining('VK_ERROR_INCOMPATIBLE_DRIVER'),
        'with drivers that write': expect.stringContaining('none.json'),
      });
    });
  });

  it('says what to do where there is no adapter', async () => {
    const nowhere = { SUTURE_ADAPTER: 'gpu', VK_DRIVER_FILES: '/dev/null', VK_ICD_FILENAMES: '/dev/null' };
    const { code, stdout, stderr } = await start(evaluation, nowhere).ended;
    expect(stderr).toMatch(/^error No GPU adapter can be used here; .*--executor ort/);
    expect(stdout).toBe('');
    expect(code).toBe(1);
  });
});

describe('a training that is ended from outside', () => {
  const folder = shared();
  /** The command but for the run that it makes. */
  let args: readonly string[] = [];
  beforeAll(async () => {
    const [a, b] = await smallParents(folder(), [[3], [2, 3]]);
    const data = await smallData(join(folder(), 'data.npz'));
    args = ['stitch', a, b, '--data', data, '--steps', '20', '--batch', '2', '-o'];
  });

  const always = ['--checkpoint-every', '0'];
  const ort = ['--executor', 'ort'];

  let first: Promise<{ readonly whole: string; readonly took: number }> | undefined;
  /** A run by a process that nothing ends, made once, and the milliseconds that it takes. */
  const undisturbed = () =>
    (first ??= (async () => {
      const whole = join(folder(), 'whole');
      const since = performance.now();
      expect(await ends(...args, whole, ...ort, ...always)).toMatchObject({ code: 0 });
      return { whole, took: performance.now() - since };
    })());

  const untilTraining = async (run: string): Promise<void> => {
    while (!existsSync(join(run, 'metrics.jsonl'))) await new Promise(resolve => setTimeout(resolve, 5));
  };

  it('by Ctrl-C ends with a checkpoint, and says how to go on', async () => {
    const run = join(await scratch(), 'run');
    const { child, ended } = start([...args, run, ...ort]);
    await untilTraining(run);
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    expect(stderr).toContain(`go on with \`suture stitch --resume ${run}\``);
    expect(code).toBe(130);
    expect(existsSync(join(run, 'checkpoint.npz'))).toBe(true);
  }, 180_000);

  /** Kills a command after a share of the time that it takes in full, and says whether it was still running. */
  async function killed(milliseconds: number, ...command: readonly string[]): Promise<boolean> {
    const { child, ended } = start(command);
    const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds);
    const { signal, code, stderr } = await ended;
    clearTimeout(timer);
    if (signal === null) expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    return signal === 'SIGKILL';
  }

  /** Ends what a killed process began, in this one. */
  const finished = async (moments: readonly number[], ...command: readonly string[]): Promise<void> => {
    const { code, stderr } = await suture(...command);
    expect(code, `killed after ${moments} ms: ${stderr}`).toBe(0);
  };

  it('by kill -9 at any moment goes on to the same bytes', async () => {
    const run = join(await scratch(), 'run');
    const { whole, took } = await undisturbed();
    // They differ from one running of the test to the next; a failure names them.
    const moments: number[] = [];
    const begin = [...args, run, ...ort, ...always];
    const again = ['stitch', '--resume', run, ...always];
    const command = () => (existsSync(join(run, 'config.json')) ? again : begin);
    for (let going = true; going && moments.length < 2; ) {
      moments.push(Math.round(took * Math.random()));
      going = await killed(moments.at(-1)!, ...command());
    }
    const left = existsSync(join(run, 'parameters.npz')) && !existsSync(join(run, 'checkpoint.npz'));
    if (!left) await finished(moments, ...command());
    expect(await filesOf(run), `killed after ${moments} ms`).toEqual(await filesOf(whole));
  }, 240_000);

  it('by kill -9 at any moment of a replacement, has the old run or the new one', async () => {
    const run = join(await scratch(), 'run');
    const another = [...ort, '--seed', '2'];
    const { whole, took } = await undisturbed();
    await cp(whole, run, { recursive: true });
    const old = await filesOf(run);
    const other = join(folder(), 'another');
    await finished([], ...args, other, ...another, ...always);
    const wanted = await filesOf(other);
    const moment = Math.round(took * (0.4 + 0.6 * Math.random()));
    if (await killed(moment, ...args, run, ...another, ...always, '--force')) {
      // Whatever was going on, the run can be used.
      const file = join(run, '..', 'all.onnx');
      expect(await suture('export', run, '--all', '-o', file), `killed after ${moment} ms`).toMatchObject({ code: 0 });
      const { 'config.json': config, 'parameters.npz': parameters } = await filesOf(run);
      expect([old, wanted].map(f => ({ config: f['config.json'], parameters: f['parameters.npz'] }))).toContainEqual({
        config,
        parameters,
      });
    }
    // A replacement that was begun may lie beside the old run, and beside the new one where that was begun again.
    const next = join(run, '.suture-next');
    if (existsSync(next) || (await filesOf(run))['config.json'] === old['config.json']) {
      const end = existsSync(join(next, 'config.json'))
        ? ['stitch', '--resume', run]
        : [...args, run, ...another, '--force'];
      await finished([moment], ...end);
    }
    expect(await filesOf(run), `killed after ${moment} ms`).toEqual(wanted);
  }, 240_000);
});

describe('commands that are ended from outside or run out of disk', () => {
  const ort = ['--executor', 'ort'];
  const training = ['--steps', '20', '--batch', '2', '--init', 'kaiming', '--checkpoint-every', '0', ...ort];
  const given = shared();
  /** What the commands are given, in a folder. */
  const inputs = (folder: string) => {
    const file = (name: string): string => join(folder, name);
    return { a: file('a.onnx'), b: file('b.onnx'), data: file('data.npz'), run: file('run') };
  };
  beforeAll(async () => {
    await smallParents(given());
    const { a, b, data, run } = inputs(given());
    await smallData(data);
    expect(await suture('stitch', a, b, '--data', data, ...training, '-o', run)).toMatchObject({ code: 0 });
  });

  async function prepared() {
    const folder = await scratch();
    await cp(given(), folder, { recursive: true });
    const { a, b, data, run } = inputs(folder);
    const out = (name: string) => ['-o', join(folder, name)];
    const commands = {
      inspect: ['inspect', run],
      match: ['match', a, b, ...out('pairs.json')],
      stitch: ['stitch', a, b, '--data', data, ...training, ...out('stitched')],
      evaluate: ['evaluate', a, b, '--data', data, ...ort],
      sweep: ['sweep', run, '--data', data, ...ort],
      front: ['sweep', run, '--data', data, ...ort, '--weights', '0.5', ...out('front.svg')],
      curve: ['curve', run, '--data', data, ...ort, ...out('curve.svg')],
      weigh: ['weigh', run, '--data', data, '--learn', 'switches', '--steps', '20', ...ort],
      export: ['export', run, '--all', ...out('all.onnx')],
      lower: ['lower', run, '--training-step', ...out('step.onnx')],
      run: ['run', a, b, '--train', data, '--val', data, ...training, ...out('whole')],
    };
    return { folder, commands };
  }

  const read = new Set<string>();

  /** No file is half-written: whatever is there under its name can be read. What was read before is not read again. */
  async function expectWhole(folder: string, what: string): Promise<void> {
    for (const [name, text] of Object.entries(await filesOf(folder))) {
      expect(name, what).not.toMatch(/\.tmp$/);
      if (read.has(text)) continue;
      read.add(text);
      const bytes = Buffer.from(text, 'base64');
      if (name.endsWith('.json')) JSON.parse(bytes.toString());
      if (name.endsWith('.svg')) expect(bytes.toString(), what).toMatch(/<\/svg>\s*$/);
      if (name.endsWith('.npz')) expect(() => parseNpz(bytes), what).not.toThrow();
      if (name.endsWith('.onnx')) expect(() => importOnnx(join(folder, name)), what).not.toThrow();
    }
  }

  /** What is said of an end that came after some milliseconds, and no file that is half-written. */
  async function expectStopped(folder: string, name: string, moment: number, { code, stderr }: Outcome): Promise<void> {
    const what = `${name}, after ${moment} ms: ${stderr}`;
    expect([0, 130], what).toContain(code);
    if (code === 130) expect(stderr, what).toMatch(/^error .*(interrupted|stopped)/m);
    expect(stderr, what).not.toMatch(/defect|\n +at /);
    await expectWhole(folder, what);
  }

  it('stop with 130 and whole files, whenever they are asked to', async () => {
    const { folder, commands } = await prepared();
    for (const [name, command] of Object.entries(commands)) {
      const moment = Math.round(150 * Math.random());
      const outcome = await sutureWith(AbortSignal.timeout(moment), ...command);
      await expectStopped(folder, name, moment, outcome);
    }
  }, 180_000);

  it('are asked to by Ctrl-C, or end at once', async () => {
    const { folder, commands } = await prepared();
    const { child, ended } = start(commands.run);
    const moment = Math.round(1500 * Math.random());
    const timer = setTimeout(() => child.kill('SIGINT'), moment);
    const { code, signal, stdout, stderr } = await ended;
    clearTimeout(timer);
    // One that the system ended has no more to say.
    await expectStopped(folder, 'run', moment, { code: signal === 'SIGINT' ? 0 : code!, stdout, stderr });
  }, 180_000);

  it('say so where a file does not fit, and leave none that is half-written', async () => {
    const { folder, commands } = await prepared();
    // The lock of a run and the folder that was made for it too.
    const entries = async (): Promise<readonly string[]> => (await readdir(folder, { recursive: true })).toSorted();
    const before = await entries();
    for (const name of ['stitch', 'weigh'] as const) {
      const command = commands[name];
      const text = ['ulimit -f 0 && exec "$0" "$@"', process.execPath, main, ...command];
      const { stdout, code, stderr } = await promisify(execFile)('sh', ['-c', ...text]).then(
        found => ({ ...found, code: 0 }),
        error => error as { stdout: string; stderr: string; code: number },
      );
      expect({ name, code, stdout }).toEqual({ name, code: 1, stdout: '' });
      expect(stderr, name).toMatch(/^error .* cannot be written: the file would be larger than the file system allows/);
      expect(stderr.trimEnd().split('\n'), name).toHaveLength(1);
      await expectWhole(folder, name);
      expect(await entries(), name).toEqual(before);
    }
  }, 180_000);
});
