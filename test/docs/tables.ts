/** The tables of the docs that are made of what options say of themselves: between `<!-- options NAME -->` and `<!-- end -->`. */
import * as catalogue from '../../src/cli/catalogue.ts';
import { NamedOption } from '../../src/cli/options.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { Terminal } from '../../src/cli/terminal.ts';
import { type AnyOption, longName, type Options } from '../../src/options/option.ts';
import { settingsOfStudy } from '../../src/study/request.ts';
import { distillationWithDefaults } from '../../src/training/distill.ts';
import { networkTraining } from '../../src/training/network.ts';
import { type TrainingRequest, trainingOptions, usualBatch, withDefaults } from '../../src/training/options.ts';

const silent = { write: () => undefined };
const streams = { stdout: silent, stderr: silent, env: {} };
const program = await buildProgram(streams, { terminal: new Terminal(streams), signal: new AbortController().signal });

const { executor, batch, tune, profile, task, metric, activation, checkpointEvery, force, json, labels, training } =
  catalogue;
/** In the order of the table. */
const common: Options = {
  executor,
  batch,
  tune,
  profile,
  ...labels,
  task,
  metric,
  activation,
  checkpointEvery,
  force,
  json,
};

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`.replace(/ {2,}/g, ' ')).join('\n');

const code = (text: string): string => `\`${text}\``;

const head = ['option', 'default', 'meaning'];

const optionRows = (options: Options): string[][] =>
  Object.entries(options).map(([name, facts]) => {
    const { short, alias, negated, value, kind, standard, otherwise, required, help } = facts;
    const long = `--${negated ? 'no-' : ''}${longName(name, facts)}${value ? ` <${value}>` : ''}`;
    const known = standard === undefined || negated ? '' : String(standard);
    const choices = kind.choices ? `: ${kind.choices.map(code).join(', ')}` : '';
    const names = [...(short ? [`-${short}`] : []), ...(alias ? [`--${alias}`] : []), long];
    return [code(names.join(', ')), required ? 'required' : (otherwise ?? known), help + choices];
  });

/** What a command has beside the options that are common to several, and those of trainings. */
function ownOptions(name: string): Options {
  const command = program.commands.find(c => c.name() === name);
  if (!command) throw new Error(`there is no command ${name}`);
  const shared = new Set([...Object.values(common), ...Object.values<AnyOption>(training)]);
  const named = command.options.filter(option => option instanceof NamedOption);
  return Object.fromEntries(
    named.filter(({ facts }) => !shared.has(facts)).map(option => [option.attributeName(), option.facts]),
  );
}

/** Which commands have an option. */
function takenBy(facts: AnyOption): string {
  const has = ({ options }: (typeof program.commands)[number]): boolean =>
    options.some(option => option instanceof NamedOption && option.facts === facts);
  // What a study computes with stands in its description.
  const named = (taking: boolean): string =>
    program.commands
      .filter(command => has(command) === taking && (taking || command.name() !== 'study'))
      .map(command => command.name())
      .join(', ');
  // They always come together, and the list is long.
  if (Object.values<AnyOption>(labels).includes(facts)) return 'all that read data';
  const others = named(false);
  if (others === '') return 'all';
  return others.length < named(true).length ? `all but ${others}` : named(true);
}

/** The kinds of training whose defaults differ, as they are asked for. */
const kinds: Readonly<Record<string, TrainingRequest>> = {
  sampled: {},
  'all, `--positions`': { settings: 'all' },
  direct: { method: 'direct' },
};

function defaultsTable(): string {
  const trainings = Object.values(kinds).map(given => withDefaults(given));
  const rows = (
    ['init', 'initImages', 'learningRate', 'probabilityWeight', 'closingImages', 'steps', 'batch'] as const
  ).map(name => [
    code(`--${longName(name, trainingOptions[name])}`),
    ...trainings.map(training => String(training[name])),
  ]);
  return table(['', ...Object.keys(kinds)], rows);
}

/** What members a study has for each kind of training, and what holds where they are left out. */
function studyTable(): string {
  const taken: Readonly<Record<keyof typeof settingsOfStudy, object>> = {
    train: networkTraining({ fresh: true }, usualBatch),
    finetune: networkTraining({}, usualBatch),
    fedavg: networkTraining({ fresh: true, federate: true }, usualBatch),
    stitch: withDefaults(),
    distill: distillationWithDefaults({}, { batch: usualBatch, branches: true, labelled: true }),
  };
  const kindsOf = Object.entries<Options>(settingsOfStudy);
  const { stitch: _, ...networks } = settingsOfStudy;
  const names = new Set(Object.values<Options>(networks).flatMap(options => Object.keys(options)));
  const rows = [...names].map(name => {
    const { [name]: facts } = Object.assign({}, ...Object.values(networks)) as Options;
    const defaults = kindsOf.map(([kind, options]) => {
      if (!(name in options)) return '–';
      const { standard, otherwise = standard } = options[name];
      return String((taken[kind as keyof typeof taken] as Record<string, unknown>)[name] ?? otherwise ?? '');
    });
    return [code(name), code(`--${facts.negated ? 'no-' : ''}${longName(name, facts)}`), ...defaults];
  });
  return table(['member', 'option', ...kindsOf.map(([kind]) => code(kind))], rows);
}

function tableOf(name: string): string {
  if (name === 'common') {
    const rows = optionRows(common);
    return table(
      [...head, 'of'],
      rows.map((row, i) => [...row, takenBy(Object.values(common)[i])]),
    );
  }
  if (name === 'defaults') return defaultsTable();
  if (name === 'study-settings') return studyTable();
  if (name === 'training') {
    const own = Object.entries(training).filter(([, facts]) => !Object.values(common).includes(facts));
    return table(head, optionRows(Object.fromEntries(own)));
  }
  return table(head, optionRows(ownOptions(name)));
}

/** A page with its tables made anew. */
export const withTables = (text: string): string =>
  text.replace(
    /(<!-- options (\S+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, begin: string, name: string, end: string) => `${begin}\n${tableOf(name)}\n\n${end}`,
  );
