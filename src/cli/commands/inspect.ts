import { Command } from 'commander';
import { SutureError } from '../../../ir/index.ts';
import { meaningText } from '../../../passes/index.ts';
import { inspect, type ModelFacts } from '../../api/inspect.ts';
import { inspectRun } from '../../api/inspect-run.ts';
import { isFolder } from '../../files/there.ts';
import { count, memory } from '../../options/kinds.ts';
import { flag, optional, type ValuesOf } from '../../options/option.ts';
import { json } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { grouped, name, type Terminal } from '../terminal.ts';
import { showRun } from './inspect-run.ts';

const options = {
  graph: flag('of a network: print the whole graph as well'),
  batch: optional(count, 'n', 'of a run: images in a step, instead of as it was trained'),
  memory: optional(memory, 'limit', 'of a run: what a step may keep, as 800MB or 50%, instead of as it was trained'),
  json,
};

export const inspectCommand = ({ terminal }: Context): Command =>
  addOptions(
    new Command('inspect')
      .description('show what a network consists of, or the memory that the training of a run takes')
      .argument('<path>', 'an ONNX file or a run directory'),
    options,
  ).action(async (path: string, { graph, batch, memory }: ValuesOf<typeof options>) => {
    if (await isFolder(path)) {
      if (graph) throw new SutureError('option-invalid', '--graph is for networks, and this is a folder.');
      const facts = await inspectRun(path, { batch, memory });
      terminal.result(facts, () => showRun(facts, terminal));
      return;
    }
    if (batch !== undefined || memory !== undefined) {
      throw new SutureError('option-invalid', '--batch and --memory are for run directories, and this is none.');
    }
    const facts = await inspect(path);
    terminal.result(facts, () => show(facts, graph === true, terminal));
  });

function show(facts: ModelFacts, withGraph: boolean, terminal: Terminal): void {
  terminal.heading(name(facts.path));
  if (facts.producer) terminal.line(`  written by ${name(facts.producer)}`);
  terminal.line();
  terminal.table(
    ['', 'name', 'type'],
    [
      ...facts.inputs.map(v => ['input', name(v.name), v.type]),
      ...facts.outputs.map(v => ['output', name(v.name), v.type]),
    ],
  );
  const meant = facts.outputs.find(v => v.meaning);
  if (meant?.meaning)
    terminal.line(`${name(meant.name)} means ${meaningText(meant.meaning)}, as far as the file says.`);
  if (facts.sizes !== undefined) terminal.line(`Its layers fit together at a ${facts.sizes}.`);
  terminal.line();
  terminal.table(
    ['operator', 'nodes'],
    facts.operators.map(o => [o.op, o.count]),
  );
  terminal.line();
  terminal.line(`${grouped(facts.parameters)} parameters, ${facts.nodes} nodes`);
  if (facts.flops !== undefined) terminal.line(`${grouped(facts.flops)} FLOPs for one sample`);
  for (const text of facts.needs) terminal.line(name(text, 1000));
  for (const [key, value] of Object.entries(facts.metadata)) terminal.line(`${name(key)}: ${name(value, 200)}`);
  for (const warning of facts.warnings) terminal.warning(warning.message);
  if (withGraph) terminal.line(`\n${facts.text}`);
  else terminal.line('--graph prints the graph.');
}
