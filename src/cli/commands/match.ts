import { Command } from 'commander';
import {
  checkOutputFile,
  ckaSimilarity,
  type ExecutorChoice,
  jsonText,
  loadDataset,
  loadModel,
  type Model,
  match,
  matchers,
  type PairsDocument,
  type PositionMetric,
  positionMetrics,
  rolesOf,
  type Similarity,
  SutureError,
  type WorkOptions,
  withExecutor,
  writeOutput,
} from '../../index.ts';
import type { Context } from '../context.ts';
import { choiceOption, countOption, executorOption, forceOption, jsonOption, positiveOption } from '../options.ts';
import { fixed, name, type Terminal } from '../terminal.ts';

interface Flags {
  readonly matcher: (typeof matchers)[number];
  readonly timeLimit?: number;
  readonly metric?: PositionMetric;
  readonly similarity?: 'cka';
  readonly data?: string;
  readonly images?: number;
  readonly executor: ExecutorChoice;
  readonly output?: string;
  readonly force?: boolean;
}

export const matchCommand = ({ terminal, signal }: Context): Command =>
  new Command('match')
    .description('match the layers of two networks')
    .argument('<a>', 'an ONNX file')
    .argument('<b>', 'another one')
    .addOption(choiceOption('--matcher <name>', 'alignment, or search for the proven best', matchers, 'hirschberg'))
    .addOption(positiveOption('--time-limit <seconds>', 'how long the exact matcher may take'))
    .addOption(
      choiceOption(
        '--metric <name>',
        'how distance of positions lowers a score: 1 - d²/2 (default), or 1 - d',
        positionMetrics,
      ).conflicts('similarity'),
    )
    .addOption(choiceOption('--similarity <name>', 'also score how alike features are on data: linear CKA', ['cka']))
    .option('--data <file>', 'an .npz file with images, for --similarity; labels are not needed')
    .addOption(countOption('--images <n>', 'how many of the images --similarity looks at (default: 64)'))
    .addOption(executorOption())
    .option('-o, --output <file>', 'write the pairs to a JSON file')
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(async (a: string, b: string, flags: Flags) => {
      if (flags.output !== undefined) await checkOutputFile(flags.output, flags);
      const [modelA, modelB] = [await loadModel(a), await loadModel(b)];
      for (const { message } of [...modelA.warnings, ...modelB.warnings]) terminal.warning(message);
      const { matcher, timeLimit, metric } = flags;
      const similarity = await similarityOf(modelA, modelB, flags, { signal, onProgress: terminal.progress });
      const found = match(modelA.graph, modelB.graph, {
        matcher,
        names: rolesOf(modelA, modelB),
        ...(timeLimit !== undefined && { timeLimit }),
        ...(metric !== undefined && { metric }),
        ...(similarity && { similarity }),
      });
      const document: PairsDocument = { a, b, ...found };
      if (flags.output !== undefined) await writeOutput(flags.output, jsonText(document), flags);
      terminal.result(document, () => show(document, flags.output, terminal));
    });

/** The similarity that the flags ask for, if any. @throws SutureError `option-invalid` where one flag needs another. */
async function similarityOf(
  a: Model,
  b: Model,
  { similarity, data, images, executor }: Flags,
  work: WorkOptions,
): Promise<Similarity | undefined> {
  if (similarity === undefined) {
    if (data === undefined && images === undefined) return undefined;
    throw new SutureError('option-invalid', 'Matching looks at data for a similarity only; add --similarity cka.');
  }
  if (data === undefined) {
    throw new SutureError('option-invalid', 'A similarity is measured on images; name them with --data IMAGES.npz.');
  }
  const dataset = await loadDataset(data);
  return withExecutor({ executor }, on =>
    ckaSimilarity(a, b, dataset, on, { ...work, ...(images !== undefined && { images }) }),
  );
}

const endings = { proof: '', work: 'its work was done', time: 'its time was up' } as const;

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
  const ended = found.ended ? ` when ${endings[found.ended]}` : '';
  const optimal = found.optimal === undefined ? '' : found.optimal ? ', proven to be the best' : `, not proven${ended}`;
  terminal.line(`${found.pairs.length} pairs, score ${fixed(found.score)}${bound}${optimal}`);
  if (output !== undefined) terminal.line(`Written to ${name(output)}.`);
}
