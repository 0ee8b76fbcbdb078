import { Command } from 'commander';
import { SutureError } from '../../../ir/index.ts';
import type { RunResult } from '../../api/follow.ts';
import { type RunRequest, resumeRun, run } from '../../api/run.ts';
import { isFolder } from '../../files/there.ts';
import { budget, choice, count, namedFiles, natural, path } from '../../options/kinds.ts';
import { flag, optional, repeatable, unlessDenied, type ValuesOf } from '../../options/option.ts';
import {
  agreementText,
  comparisonTexts,
  frontText,
  gridTexts,
  halfTable,
  halfText,
  resultTable,
} from '../../report/report.ts';
import { standingTable, verdictText } from '../../report/verdict.ts';
import { rules } from '../../selection/select.ts';
import {
  classRequest,
  depth,
  gateOver,
  gateRequest,
  json,
  labelOptions,
  maybeOutputPath,
  metric,
  outputRequest,
  ruleRequest,
  stress,
  stressRequest,
  training,
  trainingRequest,
  tune,
} from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { missing, resumable } from '../resume.ts';
import { name, type Terminal } from '../terminal.ts';
import { tuning } from '../tune.ts';
import { showSummary } from './stitch.ts';
import { showSweep } from './sweep.ts';

const options = {
  train: optional(path, 'file', 'an .npz file or a folder with images; labels are not needed'),
  val: optional(path, 'file', 'an .npz file or a folder with images and labels, to compare on', {
    otherwise: 'of a folder --train the cases of --fold',
  }),
  test: repeatable(namedFiles, 'name=file', 'a test set to report on; may be repeated'),
  metric,
  gate: unlessDenied('average the outputs on every image alike, as published'),
  gateOver,
  ...stress,
  shift: unlessDenied('compare networks on the validation data alone, and not under changes of its images too'),
  budget: optional(
    budget,
    'cost',
    'the most that the exported network may cost, as 65% of what all parents cost together',
    {
      otherwise: 'any',
    },
  ),
  distill: optional(
    count,
    'steps',
    'also train one network, as the budget allows, for so many steps to answer as all do',
    {
      otherwise: 'none',
    },
  ),
  rule: optional(
    choice(rules),
    'n',
    'what chooses the stitched position: 1 best score, 2 lowest mean rank over folds, 3 depth',
    { otherwise: '2 with folds, else 1' },
  ),
  depth,
  position: optional(natural, 'p', 'export what is stitched at this position, whatever it is worth', {
    otherwise: 'what the verdict is for',
    conflicts: ['budget', 'rule'],
  }),
  half: flag('also write the network in float16, where that keeps its scores'),
  output: maybeOutputPath('run', 'the run directory to make'),
  resume: optional(path, 'run', 'go on with what was interrupted, as it was begun, to the report'),
  ...training,
  tune,
  json,
};

type Flags = ValuesOf<typeof options>;

export const runCommand = ({ terminal, signal }: Context): Command =>
  addOptions(
    new Command('run')
      .description(
        'match, stitch, compare, export, report: two networks or more in, the best that can be made of them out',
      )
      .argument('[networks...]', 'ONNX files: the own network, and one or more partners'),
    options,
  ).action(async (networks: readonly string[], flags: Flags, command: Command) => {
    const work = { signal, onProgress: terminal.progress, checkpointSeconds: flags.checkpointEvery };
    const result =
      flags.resume === undefined
        ? await run({ ...requestOf(networks, await withValidation(flags)), ...tuning(flags, terminal) }, work)
        : await resumeRun(resumable(flags.resume, command), work);
    for (const message of result.warnings) terminal.warning(message);
    terminal.result(result, () => show(result, terminal));
    const { agreement, exported } = result;
    if (!agreement.agrees) throw new SutureError('export-differs', agreementText(agreement, name(exported.file)));
  });

/** Of a folder without other validation data: the cases that a fold of it leaves out, the first where nothing is said. */
async function withValidation(flags: Flags): Promise<Flags> {
  const { train, val, fold = 0 } = flags;
  if (train === undefined || val !== undefined || !(await isFolder(train))) return flags;
  return { ...flags, val: train, fold };
}

/** What is given on the command line as the API's request; networks, data and output have no default. */
function requestOf(networks: readonly string[], flags: Flags): RunRequest {
  const {
    train,
    val,
    test = [],
    gate,
    gateOver,
    output,
    shift,
    changes,
    shiftImages,
    stress: files,
    ...others
  } = flags;
  const { rule, depth: at, ...rest } = others;
  if (networks.length < 2) throw missing('two networks, A.onnx and B.onnx, or more');
  if (train === undefined) throw missing('the images to train on, --train TRAIN.npz');
  if (val === undefined) throw missing('the labelled images to choose by, --val VAL.npz');
  if (output === undefined) throw missing('the run directory to make, -o RUN');
  return {
    networks,
    ...rest,
    labels: labelOptions(flags),
    ...outputRequest(flags),
    ...classRequest(flags),
    train,
    validation: val,
    tests: test,
    ...gateRequest({ gate, gateOver }),
    ...ruleRequest({ rule, depth: at }),
    ...(shift ? stressRequest({ changes, shiftImages, stress: files }) : { stress: false as const }),
    output,
    training: trainingRequest(flags),
  };
}

function show(result: RunResult, terminal: Terminal): void {
  const { summary, sweep, selection, verdict, tests, front, grids, agreement, exported, half } = result;
  showSummary(summary, terminal);
  terminal.line();
  showSweep(sweep, terminal);
  terminal.line();
  terminal.line(`The best position is ${selection.position} (rule ${selection.rule}).`);
  terminal.line();
  for (const { head, rows } of [resultTable(result), standingTable(verdict)]) {
    terminal.table(head, rows);
    terminal.line();
  }
  for (const text of comparisonTexts(tests)) terminal.line(text);
  if (front) terminal.line(frontText(front));
  for (const text of gridTexts(grids)) terminal.line(text);
  if (tests.length > 0) terminal.line();
  terminal.line(verdictText(verdict));
  if (half) {
    const { head, rows } = halfTable(half);
    terminal.table(head, rows);
    terminal.line(halfText(half));
  }
  if (!agreement.agrees) return;
  terminal.line(agreementText(agreement, name(exported.file)));
  terminal.wrote(exported.file, 'the network, beside it report.md and report.html');
  if (half?.file !== undefined) terminal.wrote(half.file, 'the network in float16');
}
