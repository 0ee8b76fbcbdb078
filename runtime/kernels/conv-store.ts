/** The end of convolutions whose sum may be cut into pieces: bias, epilogue and store, at once or after adding the pieces. */
import { product } from '../../ir/numbers.ts';
import type { ConvSpec } from './conv-spec.ts';
import { convLabel } from './conv-spec.ts';
import type { Dispatch, KernelContext, Scratch } from './kernel.ts';
import { bindEpilogue, ModuleBuilder } from './module.ts';
import { ceilDiv, foldGrid, u32 } from './wgsl.ts';

interface ConvFinish {
  /** Stores the element at batch `n`, channel `channel`, flat position `position`; `split` is in scope if there are pieces. */
  readonly store: (value: string, n: string, channel: string, position: string) => string;
  readonly dispatches: readonly Dispatch[];
  readonly scratch: readonly Scratch[];
}

function bindFinish(spec: ConvSpec, builder: ModuleBuilder, context: KernelContext): ConvFinish['store'] {
  if (spec.bias) builder.bind('bias', { kind: 'input', index: 2 });
  builder.bind('y', { kind: 'output', index: 0 }, 'f32', 'read_write');
  const store = bindEpilogue(builder, context, spec.bias ? 3 : 2);
  const positions = product(spec.output);
  return (value, n, channel, position) => {
    const flat = `(${n} * ${u32(spec.outChannels)} + ${channel}) * ${u32(positions)} + ${position}`;
    const result = spec.bias ? `${value} + bias[${channel}]` : value;
    return `{ let result = ${result}; ${store('result', { flat, channel, batch: n }, 'y')} }`;
  };
}

/** Binds what the store needs and plans what follows it. The pieces lie in scratch 0. */
export function convFinish(spec: ConvSpec, builder: ModuleBuilder, pieces: number, context: KernelContext): ConvFinish {
  if (pieces === 1) return { store: bindFinish(spec, builder, context), dispatches: [], scratch: [] };
  const positions = product(spec.output);
  const total = spec.batch * spec.outChannels * positions;
  builder.bind('partial', { kind: 'scratch', index: 0 }, 'f32', 'read_write');
  const sum = new ModuleBuilder();
  sum.bind('partial', { kind: 'scratch', index: 0 });
  const finish = bindFinish(spec, sum, context);
  const grid = foldGrid(ceilDiv(total, 64), context.limits);
  const body = `  let i = ${grid.flat('wid')} * 64u + lid;
  if (i >= ${u32(total)}) { return; }
  var sum = 0.0;
  for (var piece = 0u; piece < ${u32(pieces)}; piece++) { sum += partial[piece * ${u32(total)} + i]; }
  let n = i / ${u32(spec.outChannels * positions)};
  let channel = (i / ${u32(positions)}) % ${u32(spec.outChannels)};
  let position = i % ${u32(positions)};
  ${finish('sum', 'n', 'channel', 'position')}`;
  return {
    store: (value, n, channel, position) =>
      `partial[((split * ${u32(spec.batch)} + ${n}) * ${u32(spec.outChannels)} + ${channel}) * ${u32(positions)} + ${position}] = ${value};`,
    dispatches: [
      sum.dispatch(`sum of ${pieces} pieces of ${convLabel(spec)}`, grid.workgroups, {
        workgroup: 64,
        group: 'wid',
        local: 'lid',
        body,
      }),
    ],
    scratch: [{ bytes: pieces * total * 4, lifetime: 'run' }],
  };
}
