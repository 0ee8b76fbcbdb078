import { Command } from 'commander';
import { matchers, positionMetrics } from '../../../passes/index.ts';
import { match, similarities } from '../../api/match.ts';
import type { PairsDocument } from '../../network/pairs.ts';
import { defaultImages } from '../../network/similarity.ts';
import { choice, count, path, positive } from '../../options/kinds.ts';
import { optional, standing, type ValuesOf } from '../../options/option.ts';
import { executor, force, json, maybeOutput } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { fixed, name, type Terminal } from '../terminal.ts';

const options = {
  matcher: standing(choice(matchers), 'name', 'alignment, or search for the proven best', 'hirschberg'),
  timeLimit: optional(positive, 'seconds', 'how long the exact matcher may take'),
  metric: optional(choice(positionMetrics), 'name', 'how distance of positions lowers a score, 1 - d²/2 or 1 - d', {
    otherwise: '1 - d²/2',
    conflicts: ['similarity'],
  }),
  similarity: optional(choice(similarities), 'name', 'also score how alike features are on data (linear CKA)'),
  data: optional(path, 'file', 'an .npz file with images, for --similarity; labels are not needed'),
  images: optional(count, 'n', 'how many of the images --similarity looks at', { otherwise: String(defaultImages) }),
  executor,
  output: maybeOutput('file', 'write the pairs to a JSON file'),
  force,
  json,
};

export const matchCommand = ({ terminal, signal }: Context): Command =>
  addOptions(
    new Command('match')
      .description('match the layers of two networks')
      .argument('<a>', 'an ONNX file')
      .argument('<b>', 'another one'),
    options,
  ).action(async (a: string, b: string, flags: ValuesOf<typeof options>) => {
    const { warnings, ...document } = await match(a, b, { ...flags, signal, onProgress: terminal.progress });
    for (const message of warnings) terminal.warning(message);
    terminal.result(document, () => show(document, flags.output, terminal));
  });

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
