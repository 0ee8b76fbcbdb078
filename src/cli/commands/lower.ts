import { Command } from 'commander';
import { SutureError } from '../../../ir/index.ts';
import { type LoweredFile, lower, type NamedType, type RunGraph } from '../../api/lower.ts';
import { flag, type ValuesOf } from '../../options/option.ts';
import { force, json, outputPath } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { grouped, name, type Terminal } from '../terminal.ts';

const options = {
  trainingStep: flag('forward, loss, backward and optimiser; parameters and state go in and come out', {
    conflicts: ['supernet'],
  }),
  supernet: flag('both networks with the trained stitches; the weights of the switches are inputs'),
  output: outputPath('file', 'the ONNX file'),
  force,
  json,
};

type Flags = ValuesOf<typeof options>;

export const lowerCommand = ({ terminal }: Context): Command =>
  addOptions(
    new Command('lower')
      .description('write what a run computes as one ONNX file: its training step, or its super-network')
      .argument('<run>', 'a run directory'),
    options,
  ).action(async (run: string, { output, force, ...flags }: Flags) => {
    const lowered = await lower(run, output, graphOf(flags), { force });
    terminal.result(lowered, () => show(lowered, terminal));
  });

function graphOf({ trainingStep, supernet }: Pick<Flags, 'trainingStep' | 'supernet'>): RunGraph {
  if (trainingStep) return 'training-step';
  if (supernet) return 'supernet';
  throw new SutureError('option-invalid', 'Say what to write: --training-step or --supernet.');
}

/** Inputs and outputs by kind: there are hundreds, and their names say what they are. */
function show({ file, nodes, inputs, outputs }: LoweredFile, terminal: Terminal): void {
  const rows = (side: string, values: readonly NamedType[]) => {
    const kinds = new Map<string, NamedType[]>();
    for (const v of values) kinds.set(kind(v.name), [...(kinds.get(kind(v.name)) ?? []), v]);
    return [...kinds.values()].map(([first, ...more]) => [side, more.length + 1, name(first.name), first.type]);
  };
  terminal.table(['', 'number', 'such as', 'type'], [...rows('inputs', inputs), ...rows('outputs', outputs)]);
  terminal.line();
  terminal.wrote(file, `${grouped(nodes)} nodes`);
}

/** A name up to what numbers the positions: `next/adamw/m/stitch/…`. */
const kind = (text: string): string => text.replace(/\d+(\/.*)?$/, '');
