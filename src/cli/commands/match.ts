import { Command } from 'commander';
import { checkOutputFile, jsonText, loadModel, match, matchers, type PairsDocument, writeOutput } from '../../index.ts';
import { choiceOption, forceOption, jsonOption, positiveOption } from '../options.ts';
import type { Context } from '../program.ts';
import { fixed, name, type Terminal } from '../terminal.ts';

interface Flags {
  readonly matcher: (typeof matchers)[number];
  readonly timeLimit?: number;
  readonly output?: string;
  readonly force?: boolean;
}

export const matchCommand = ({ terminal }: Context): Command =>
  new Command('match')
    .description('match the layers of two networks')
    .argument('<a>', 'an ONNX file')
    .argument('<b>', 'another one')
    .addOption(choiceOption('--matcher <name>', 'alignment, or search for the proven best', matchers, 'hirschberg'))
    .addOption(positiveOption('--time-limit <seconds>', 'how long the exact matcher may take'))
    .option('-o, --output <file>', 'write the pairs to a JSON file')
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(async (a: string, b: string, flags: Flags) => {
      if (flags.output !== undefined) await checkOutputFile(flags.output, flags);
      const [modelA, modelB] = [await loadModel(a), await loadModel(b)];
      for (const { message } of [...modelA.warnings, ...modelB.warnings]) terminal.warning(message);
      const { matcher, timeLimit } = flags;
      const found = match(modelA.graph, modelB.graph, { matcher, ...(timeLimit !== undefined && { timeLimit }) });
      const document: PairsDocument = { a, b, ...found };
      if (flags.output !== undefined) await writeOutput(flags.output, jsonText(document), flags);
      terminal.result(document, () => show(document, flags.output, terminal));
    });

function show(found: PairsDocument, output: string | undefined, terminal: Terminal): void {
  terminal.table(
    ['#', `a: ${name(found.a)}`, 'at', `b: ${name(found.b)}`, 'at', 'score'],
    found.pairs.map((pair, i) => [
      i,
      name(pair.a),
      fixed(pair.positionA, 3),
      name(pair.b),
      fixed(pair.positionB, 3),
      fixed(pair.score),
    ]),
  );
  terminal.line();
  const bound = found.bound === undefined ? '' : `, bound ${fixed(found.bound)}`;
  const optimal = found.optimal === undefined ? '' : found.optimal ? ', proven to be the best' : ', not proven';
  terminal.line(`${found.pairs.length} pairs, score ${fixed(found.score)}${bound}${optimal}`);
  if (output !== undefined) terminal.line(`Written to ${name(output)}.`);
}
