import { Command } from 'commander';
import { matchers, type ParentsMatched, positionMetrics } from '../../../passes/index.ts';
import { match, type SeveralMatchResult, similarities } from '../../api/match.ts';
import type { PairsDocument } from '../../network/pairs.ts';
import { defaultImages } from '../../network/similarity.ts';
import { choice, count, path, positive } from '../../options/kinds.ts';
import { optional, standing, type ValuesOf } from '../../options/option.ts';
import {
  executor,
  folders,
  force,
  json,
  labelOptions,
  matchWith,
  maybeOutputPath,
  outputNames,
  outputRequest,
  partnerPlans,
} from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { fixed, name, type Terminal } from '../terminal.ts';

const options = {
  matchWith,
  ...outputNames,
  matcher: standing(choice(matchers), 'name', 'alignment, or search for the proven best', 'hirschberg'),
  timeLimit: optional(positive, 'seconds', 'how long the exact matcher may take'),
  metric: optional(choice(positionMetrics), 'name', 'how distance of positions lowers a score, 1 - d²/2 or 1 - d', {
    otherwise: '1 - d²/2',
    conflicts: ['similarity'],
  }),
  similarity: optional(choice(similarities), 'name', 'also score how alike features are on data (linear CKA)'),
  data: optional(path, 'file', 'an .npz file or a folder with images, for --similarity; labels are not needed'),
  ...folders,
  ...partnerPlans,
  images: optional(count, 'n', 'how many of the images --similarity looks at', { otherwise: String(defaultImages) }),
  executor,
  output: maybeOutputPath('file', 'write the pairs to a JSON file'),
  force,
  json,
};

export const matchCommand = ({ terminal, signal }: Context): Command =>
  addOptions(
    new Command('match')
      .description('match the layers of two networks, or of more')
      .argument('<networks...>', 'ONNX files: the own network, and one or more partners'),
    options,
  ).action(async (networks: readonly string[], flags: ValuesOf<typeof options>) => {
    const { warnings, ...document } = await match(networks, {
      ...flags,
      ...outputRequest(flags),
      labels: labelOptions(flags),
      signal,
      onProgress: terminal.progress,
    });
    for (const message of warnings) terminal.warning(message);
    terminal.result(document, () => {
      if ('networks' in document) showSeveral(document, terminal);
      else show(document, terminal);
      if (flags.output !== undefined) terminal.wrote(flags.output, 'the pairs');
    });
  });

const endings = { proof: '', work: 'its work was done', time: 'its time was up' } as const;

function show(found: PairsDocument, terminal: Terminal): void {
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
  terminal.line(outcome(found.pairs.length, found));
}

/** How many pairs were found, and how far they are from the best. */
function outcome(
  pairs: number,
  { score, bound, optimal, ended }: Omit<ParentsMatched, 'a' | 'b' | 'found' | 'dropped'>,
) {
  const limit = bound === undefined ? '' : `, bound ${fixed(bound)}`;
  const when = ended ? ` when ${endings[ended]}` : '';
  const proven = optimal === undefined ? '' : optimal ? ', proven to be the best' : `, not proven${when}`;
  return `${pairs} pairs, score ${fixed(score)}${limit}${proven}`;
}

/** Pairs of several networks: a column for each network. */
function showSeveral(
  { networks, pairs, score, matched }: Omit<SeveralMatchResult, 'warnings'>,
  terminal: Terminal,
): void {
  const tags = Object.keys(networks);
  terminal.table(
    ['#', ...tags.map(tag => `${tag}: ${name(networks[tag])}`), 'score'],
    pairs.map(({ features, score: worth }, i) => [
      i,
      ...tags.map(tag => (features[tag] === undefined ? '' : name(features[tag]))),
      fixed(worth ?? 0),
    ]),
  );
  terminal.line();
  for (const { found, dropped, ...facts } of matched) {
    const left = dropped > 0 ? `; ${dropped} more would close a cycle with others` : '';
    terminal.line(`${facts.a} with ${facts.b}: ${outcome(found - dropped, facts)}${left}`);
  }
  terminal.line(`${pairs.length} pairs together, score ${fixed(score)}`);
}
