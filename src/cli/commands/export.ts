import { Command } from 'commander';
import { SutureError } from '../../../ir/index.ts';
import { meaningText } from '../../../passes/index.ts';
import { type Choice, exportNetwork } from '../../api/export.ts';
import { batchText } from '../../execution/fixed-batch.ts';
import { parentName } from '../../network/names.ts';
import {
  budget,
  choice,
  natural,
  numberOrName,
  outputShares,
  positionsOrNone,
  share,
  usualWeight,
} from '../../options/kinds.ts';
import { flag, optional, type ValuesOf } from '../../options/option.ts';
import { combinationText, onlyAnswer } from '../../selection/combination.ts';
import { rules } from '../../selection/select.ts';
import { percent } from '../../selection/verdict.ts';
import { depth, force, gateOver, json, outputPath, ruleRequest } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { fixed, grouped, name } from '../terminal.ts';

/** Ways to say where the network is stitched, of which one is said. */
const choices = ['position', 'rule', 'all', 'chosen', 'learned', 'positions', 'budget', 'setting', 'trained'] as const;

const alone = (one: (typeof choices)[number]) => ({ conflicts: choices.filter(other => other !== one) });

const options = {
  position: optional(natural, 'i', 'stitch at this position', alone('position')),
  rule: optional(
    choice(rules),
    'n',
    'choose by the scores of `suture sweep`: 1 the best, 2 the lowest mean rank over folds; or without: 3 by depth',
    alone('rule'),
  ),
  depth,
  all: flag('put every position on stitched features, as the training does', alone('all')),
  chosen: optional(
    choice(['best', 'even']),
    'how',
    'what `suture sweep --weights` chose on the validation data',
    alone('chosen'),
  ),
  learned: flag('with the weights that `suture weigh` learned', alone('learned')),
  positions: optional(positionsOrNone, 'list', 'average at these, as in 38,41,44-47, or none', alone('positions')),
  budget: optional(
    budget,
    'share',
    'the best of what `suture search` found at this share of the cost of the output ensemble, as in 65%',
    alone('budget'),
  ),
  setting: optional(numberOrName, 'which', 'one of what `suture search` found, by number or name', alone('setting')),
  trained: flag('the setting that the stitches were trained for by `suture stitch RUN --setting`', alone('trained')),
  weight: optional(share, 'w', 'with --positions: the share of the original feature', {
    otherwise: `${usualWeight}`,
  }),
  outputWeight: optional(outputShares, 'v', "with --positions: parent a's share of the output", { otherwise: 'alike' }),
  gate: flag('weigh outputs on each image by how sure the parents are'),
  gateOver,
  half: flag('weights and features of float16, but for what needs more digits'),
  output: outputPath('file', 'the ONNX file'),
  force,
  json,
};

type Flags = ValuesOf<typeof options>;

export const exportCommand = ({ terminal }: Context): Command =>
  addOptions(
    new Command('export')
      .description('write the stitched network of a run as one ONNX file')
      .argument('<run>', 'a run directory'),
    options,
  ).action(async (run: string, { output, force, half, ...flags }: Flags) => {
    const exported = await exportNetwork(run, output, choiceOf(flags), { half, force });
    for (const message of exported.warnings ?? []) terminal.warning(message);
    terminal.result(exported, () => {
      const { position, combination, found, a, b } = exported;
      if (position !== undefined) {
        terminal.line(`Stitched at position ${position}: ${name(a ?? '')} with ${name(b ?? '')}.`);
      } else if (found) {
        const { own, shift, cost } = found;
        terminal.line(`${name(found.name, 200)}.`);
        if (own !== undefined && cost !== undefined) {
          const shifted = shift === undefined ? '' : `, under shift ${fixed(shift)}`;
          terminal.line(`It scored ${fixed(own)}${shifted}, and costs ${percent(cost)} of the output ensemble.`);
        }
      } else if (combination) {
        const only = combination.positions.length === 0 ? onlyAnswer(combination.output) : undefined;
        terminal.line(`${combinationText(combination)}${only ? `: ${parentName(only)} alone` : ''}.`);
      } else terminal.line('Stitched at every position.');
      if (exported.output) terminal.line(`Its output is ${meaningText(exported.output)}.`);
      terminal.line(`It ${batchText(exported.batch)}.`);
      if (exported.sizes !== undefined) terminal.line(`It takes images of a ${exported.sizes}.`);
      terminal.wrote(
        output,
        `the network, ${grouped(exported.nodes)} nodes, ${grouped(exported.parameters)} parameters`,
      );
    });
  });

function choiceOf(flags: Omit<Flags, 'output' | 'force' | 'half'>): Choice {
  const { position, all, chosen, learned, positions, weight, outputWeight, gateOver, budget, setting, trained } = flags;
  const gating = (flags.gate ?? gateOver) ? { gated: true, gateOver } : {};
  if (positions !== undefined) {
    return { combination: { positions, weight: weight ?? usualWeight, output: outputWeight, ...gating } };
  }
  if (weight !== undefined || outputWeight !== undefined) {
    throw new SutureError('option-invalid', 'Weights go with --positions (none, to leave the parents unstitched).');
  }
  const { rule, depth: at } = ruleRequest(flags);
  if (position !== undefined) return { position, ...gating };
  if (rule !== undefined) return { rule, depth: at, ...gating };
  if (learned) return { learned, ...gating };
  const said = (['all', 'chosen', 'budget', 'setting', 'trained'] as const).find(option => flags[option] !== undefined);
  if (gating.gated && said) {
    throw new SutureError(
      'option-invalid',
      `--${said} says itself how outputs are weighed: leave out --${flags.gate ? 'gate' : 'gate-over'}.`,
    );
  }
  if (all) return { all };
  if (chosen) return { chosen };
  if (budget !== undefined) return { budget };
  if (setting !== undefined) return { setting };
  if (trained) return { trained };
  throw new SutureError(
    'option-invalid',
    'Say where to stitch: --position I, or --rule 1, 2 or 3 (or --all, --positions, --chosen, --learned, --budget, --setting, --trained).',
  );
}
