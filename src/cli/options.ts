/** Parsers of option values. What does not parse is a usage error with one sentence. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { activations } from '../../passes/index.ts';
import type { LabelOptions } from '../data/dataset.ts';
import { executorChoices } from '../execution/executors.ts';

function parse(text: string, what: string, fits: (value: number) => boolean): number {
  const value = Number(text);
  if (text.trim() === '' || !fits(value)) throw new InvalidArgumentError(`It must be ${what}.`);
  return value;
}

const count = (text: string): number => parse(text, 'a whole number of at least 1', v => Number.isInteger(v) && v >= 1);
const natural = (text: string): number =>
  parse(text, 'a whole number from 0 on', v => Number.isSafeInteger(v) && v >= 0);
const positive = (text: string): number => parse(text, 'a number greater than 0', v => Number.isFinite(v) && v > 0);

const nonNegative = (text: string): number => parse(text, 'a number from 0 on', v => Number.isFinite(v) && v >= 0);

export const countOption = (flags: string, text: string, standard?: number): Option =>
  withDefault(new Option(flags, text).argParser(count), standard);

export const naturalOption = (flags: string, text: string, standard?: number): Option =>
  withDefault(new Option(flags, text).argParser(natural), standard);

export const positiveOption = (flags: string, text: string, standard?: number): Option =>
  withDefault(new Option(flags, text).argParser(positive), standard);

/** Bytes with a unit, or a fraction: `0.5`, `50%`, `2GiB`, `800 MB`. */
function memorySize(text: string): number {
  const [, digits, unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*(%|B|[kMG]i?B)?\s*$/.exec(text) ?? [];
  const factor = units[unit];
  const value = Number(digits) * (factor ?? Number.NaN);
  if (value > 0 && (unit === '' || unit === '%' ? value <= 1 : value > 1)) return value;
  throw new InvalidArgumentError('It must be a fraction as 0.5 or 50%, or bytes as 800MB or 2GiB.');
}

const units: { readonly [unit: string]: number | undefined } = {
  '': 1,
  '%': 0.01,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  kiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

export const memoryOption = (text: string): Option => new Option('--memory <limit>', text).argParser(memorySize);

export const nonNegativeOption = (flags: string, text: string, standard?: number): Option =>
  withDefault(new Option(flags, text).argParser(nonNegative), standard);

export const choiceOption = (flags: string, text: string, choices: readonly string[], standard?: string): Option => {
  const option = new Option(flags, text).choices(choices);
  return standard === undefined ? option : option.default(standard);
};

const withDefault = (option: Option, standard: number | undefined): Option =>
  standard === undefined ? option : option.default(standard);

export const jsonOption = (): Option => new Option('--json', 'print one JSON document on standard output');
export const forceOption = (): Option => new Option('--force', 'replace what is at the output path');

/** `NAME=FILE` pairs, in order. A repeated name is an error. */
export function namedFile(text: string, previous: readonly NamedFile[] = []): readonly NamedFile[] {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1)
    throw new InvalidArgumentError('It must be NAME=FILE, as in b=site_b_test.npz.');
  const name = text.slice(0, at);
  if (previous.some(p => p.name === name)) throw new InvalidArgumentError(`The name ${name} is given twice.`);
  return [...previous, { name, file: text.slice(at + 1) }];
}

export interface NamedFile {
  readonly name: string;
  readonly file: string;
}

/** Numbers in [0, 1], separated by commas. */
export function shares(text: string): readonly number[] {
  return text.split(',').map(part => parse(part, 'numbers from 0 to 1, as in 0,0.5,1', v => v >= 0 && v <= 1));
}

export const share = (text: string): number => parse(text, 'a number from 0 to 1', v => v >= 0 && v <= 1);

/** Positions, separated by commas, with ranges as in 38-41. `none` is the empty list. */
export function positions(text: string): readonly number[] {
  if (text === 'none') return [];
  return text.split(',').flatMap(part => {
    const [, from, to = from] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part) ?? [];
    const [first, last] = [Number(from), Number(to)];
    if (!(first <= last) || last - first > 9999) {
      throw new InvalidArgumentError('It must be positions, as in 38,41,44-47.');
    }
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** Which number of labels counts nowhere. */
export const ignoreLabelOption = (): Option =>
  new Option('--ignore-label <n>', 'the label of places that count in no score and no loss, as 255 or -1').argParser(
    text => parse(text, 'a whole number, as 255 or -1', Number.isSafeInteger),
  );

/** The classes of each region: `1+2+3,2+3,3`. */
function regionTable(text: string): readonly (readonly number[])[] {
  return text
    .split(',')
    .map(region =>
      region
        .split('+')
        .map(part => parse(part, 'the classes of each region, as in 1+2+3,2+3,3', v => Number.isInteger(v) && v >= 1)),
    );
}

export const regionsOption = (): Option =>
  new Option(
    '--regions <list>',
    'the classes that the regions of a region-based network are made of, as in 1+2+3,2+3,3',
  ).argParser(regionTable);

export interface LabelFlags {
  readonly ignoreLabel?: number;
  readonly regions?: readonly (readonly number[])[];
}

/** Both of what is said of labels. */
export const addLabelOptions = (command: Command): Command =>
  command.addOption(ignoreLabelOption()).addOption(regionsOption());

/** What the flags say of labels, and nothing that they do not say. */
export const labelOptions = ({ ignoreLabel, regions }: LabelFlags): LabelOptions => ({
  ...(ignoreLabel !== undefined && { ignoreLabel }),
  ...(regions && { regions }),
});

export const executorOption = (): Option =>
  choiceOption(
    '--executor <name>',
    'what computes: WebGPU, ONNX Runtime on the CPU, or what suits',
    executorChoices,
    'auto',
  );

export const activationOption = (): Option =>
  choiceOption(
    '--activation <name>',
    'what makes probabilities of logits: softmax over classes, or a sigmoid for each region (default: told by networks and labels)',
    activations,
  );

export const batchOption = (): Option =>
  countOption('--batch <n>', 'images at a time; of networks that take a fixed number, a multiple of it');
