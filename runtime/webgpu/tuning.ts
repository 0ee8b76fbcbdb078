/** Sizes of kernels by measurement: candidates compete on the adapter, with the operands that they will have. */
import { SutureError } from '../../ir/errors.ts';
import { inputAt } from '../../ir/graph.ts';
import type { Device } from '../adapter/device.ts';
import type { AdapterClass } from '../adapter/facts.ts';
import type { Candidate, Choice, Operand } from '../kernels/kernel.ts';
import { Buffers } from './buffers.ts';
import { type Command, encode } from './commands.ts';
import { bytesOnDevice } from './layout.ts';
import type { TuningProgress } from './options.ts';
import { PipelineCache } from './pipelines.ts';
import { timeGroups } from './profile.ts';
import type { Program, Step } from './program.ts';

/** Runs of a kernel that compiling it must pay off in, where the processor that computes also compiles. */
const expectedRuns = 100;

/** The model's candidate stays unless another is better by this factor: differences below it are noise. */
const hysteresis = 0.95;

/** Measurements of each candidate that is not left behind; the best counts. */
const rounds = 4;

/** A candidate that takes this many times the best's time is left behind after its first measurement. */
const hopeless = 1.5;

/** What one measurement should take at least, in milliseconds: shorter kernels run several times in it. */
const least = 1;
const mostRepeats = 32;

/** Which sizes of kernels were measured to be best on one adapter. */
export interface Measurements {
  /** The name of the best candidate by the key of the choice: what `KernelContext.choices` takes. */
  readonly measured: Map<string, string>;
  /** Keeps what was measured since, where there is a place to keep it. */
  save(): Promise<void>;
}

/** Whose choices are measured, for which class of adapters, and where they are kept. */
interface Measuring {
  readonly adapterClass: AdapterClass;
  readonly program: Program;
  readonly choices: Measurements;
  readonly onProgress?: TuningProgress | undefined;
}

/** Makes the choices of a program that are not made yet. Each is kept as soon as it is known. */
export async function measureChoices(
  device: Device,
  { adapterClass, program, choices, onProgress = () => undefined }: Measuring,
): Promise<void> {
  const open = new Map<string, { readonly step: Step; readonly choice: Choice }>();
  for (const step of program.steps) {
    const { choice } = step.plan;
    if (choice && !choices.measured.has(choice.key)) open.set(choice.key, { step, choice });
  }
  let done = 0;
  for (const [key, { step, choice }] of open) {
    onProgress(done++, open.size, step.plan.dispatches.at(-1)?.label ?? step.op);
    choices.measured.set(key, await fastest(device, adapterClass, step, choice.candidates));
    await choices.save();
  }
  if (open.size > 0) onProgress(done, open.size, '');
}

/** A candidate that is compiled and bound. */
interface Contender {
  readonly name: string;
  readonly commands: readonly Command[];
  /** Milliseconds that compiling took. */
  readonly compiling: number;
  /** Milliseconds of the fastest run. */
  best: number;
}

/** The name of the best candidate for a step; the first where a measurement is not possible. */
async function fastest(
  device: Device,
  kernels: AdapterClass,
  step: Step,
  candidates: readonly Candidate[],
): Promise<string> {
  const buffers = new Buffers(device);
  try {
    return await device.attempt(`measuring sizes of the kernel of '${step.node}'`, async () => {
      const contenders: Contender[] = [];
      const shared = new Map<string, GPUBuffer>();
      for (const candidate of candidates)
        contenders.push(await contenderOf(device, step, candidate, { buffers, shared }));
      await compete(device, contenders);
      const costOf = ({ best, compiling }: Contender) =>
        kernels === 'software' ? expectedRuns * best + compiling : best;
      const [standard, ...others] = contenders as [Contender, ...Contender[]];
      const winner = others.reduce((a, b) => (costOf(b) < costOf(a) ? b : a), standard);
      return costOf(winner) < hysteresis * costOf(standard) ? winner.name : standard.name;
    });
  } catch (error) {
    // What the driver refuses or has no memory for is no reason to stop: the model's candidate is tried as if nothing had been.
    if (!(error instanceof SutureError) || error.code === 'device-lost') throw error;
    return candidates[0].name;
  } finally {
    buffers.dispose();
  }
}

async function contenderOf(
  device: Device,
  step: Step,
  { name, plan: make }: Candidate,
  { buffers, shared }: { readonly buffers: Buffers; readonly shared: Map<string, GPUBuffer> },
): Promise<Contender> {
  const plan = make();
  const what = `An operand of '${step.node}'`;
  const scratch = plan.scratch.map(({ bytes }) => buffers.storage(bytes, what));
  const bufferOf = ({ kind, index }: Operand): GPUBuffer => {
    if (kind === 'scratch') return scratch[index];
    const key = `${kind} ${index}`;
    let buffer = shared.get(key);
    if (buffer === undefined) {
      const value = kind === 'input' ? inputAt(step, index) : step.outputs[index];
      buffer = buffers.storage(bytesOnDevice(value), what);
      shared.set(key, buffer);
    }
    return buffer;
  };
  // A cache of its own: what the losers compiled is not kept, and what is measured was not compiled before.
  const pipelines = new PipelineCache(device);
  const started = performance.now();
  const made = await Promise.all(plan.dispatches.map(dispatch => pipelines.get(dispatch.module, dispatch.label)));
  const compiling = performance.now() - started;
  const all = plan.dispatches.map((dispatch, i): Command => {
    const { pipeline, layout } = made[i];
    const entries = dispatch.operands.map((operand, binding) => ({ binding, resource: { buffer: bufferOf(operand) } }));
    const group = device.gpu.createBindGroup({ layout, entries });
    return { kind: 'dispatch', step, dispatch, pipeline, group };
  });
  const encoder = device.gpu.createCommandEncoder();
  encode(encoder, all);
  device.queue.submit([encoder.finish()]);
  await device.queue.onSubmittedWorkDone();
  const commands = all.filter(command => command.kind === 'dispatch' && !command.dispatch.once);
  return { name, commands, compiling, best: Number.POSITIVE_INFINITY };
}

/** Measures all in turns, so that whatever else the machine does falls on all of them. */
async function compete(device: Device, contenders: readonly Contender[]): Promise<void> {
  const best = () => Math.min(...contenders.map(contender => contender.best));
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      if (round > 0 && contender.best > hopeless * best()) continue;
      const repeats = Math.min(mostRepeats, Math.max(1, Math.ceil(round === 0 ? 1 : least / contender.best)));
      const group = Array.from({ length: repeats }, () => contender.commands).flat();
      const [milliseconds] = await timeGroups(device, [group]);
      // Clocks of some devices are coarse: no time at all is a time too short to see.
      contender.best = Math.min(contender.best, Math.max(1e-6, milliseconds / repeats));
    }
  }
}
