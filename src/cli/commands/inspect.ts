import { Command } from 'commander';
import { inspectModel, type ModelFacts } from '../../index.ts';
import { jsonOption } from '../options.ts';
import type { Context } from '../program.ts';
import { grouped, name, type Terminal } from '../terminal.ts';

export const inspectCommand = ({ terminal }: Context): Command =>
  new Command('inspect')
    .description('show the inputs, outputs, operators, parameters and FLOPs of a network')
    .argument('<model>', 'an ONNX file')
    .option('--graph', 'print the whole graph as well')
    .addOption(jsonOption())
    .action(async (path: string, flags: { readonly graph?: boolean }) => {
      const facts = await inspectModel(path);
      terminal.result(facts, () => show(facts, flags.graph === true, terminal));
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
  terminal.line();
  terminal.table(
    ['operator', 'nodes'],
    facts.operators.map(o => [o.op, o.count]),
  );
  terminal.line();
  terminal.line(`${grouped(facts.parameters)} parameters, ${facts.nodes} nodes`);
  if (facts.flops !== undefined) terminal.line(`${grouped(facts.flops)} FLOPs for one sample`);
  for (const warning of facts.warnings) terminal.warning(warning.message);
  if (withGraph) terminal.line(`\n${facts.text}`);
  else terminal.line('--graph prints the graph.');
}
