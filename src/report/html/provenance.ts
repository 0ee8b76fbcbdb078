/** What was run: everything that is needed to do it again, and to see that it is the same. */
import { parentName } from '../../network/names.ts';
import type { FollowUp, RunConfig } from '../../run/config.ts';
import { type Content, html, type Markup } from '../markup.ts';
import { code, facts, listing, table } from './parts.ts';

export interface ProvenanceParts {
  readonly config: RunConfig;
  readonly asked: FollowUp | undefined;
  /** The command that makes it again, but for where; none for a run that goes on from another one. */
  readonly command: string | undefined;
  /** SHA-256 of what was exported. */
  readonly model: string | undefined;
  /** The seal of the configuration, and that of the stitches where they are trained. */
  readonly seals: { readonly config: string; readonly parameters: string | undefined };
}

/** `double-batched, sampled, 300 steps of 8 images`. */
const trainingText = ({ method, settings, steps, batch }: RunConfig['training']): string =>
  `${method}, ${settings}, ${steps} steps of ${batch} images`;

export function provenance({ config, asked, command, model, seals }: ProvenanceParts): Markup {
  const { parents, data, training, executor, versions } = config;
  const files: (readonly [string, string, string])[] = [
    ...Object.entries(parents).map(([tag, { source, sha256 }]) => [parentName(tag), source, sha256] as const),
    ['training data', data.source, data.sha256],
    ...(asked
      ? [
          ['validation data', asked.validation.source, asked.validation.sha256] as const,
          ...asked.tests.map(({ name, source, sha256 }) => [`test set ${name}`, source, sha256] as const),
          ...(asked.stress?.files ?? []).map(
            ({ name, source, sha256 }) => [`stress set ${name}`, source, sha256] as const,
          ),
        ]
      : []),
    ['pairs', 'pairs.json', config.pairs],
    ...(model === undefined ? [] : [['exported network', 'stitched.onnx', model] as const]),
  ];
  const from = 'from' in training ? training.from : undefined;
  const entries: (readonly [string, Content])[] = [
    ['Training', trainingText(training)],
    ['Seed', String(training.seed)],
    ['Computed on', `${executor.name}: ${executor.description}`],
    [
      'Versions',
      Object.entries(versions)
        .flatMap(([name, version]) => (version === undefined ? [] : `${name} ${version}`))
        .join(', '),
    ],
    ['Configuration', code(seals.config)],
    ...(seals.parameters === undefined ? [] : [['Stitches', code(seals.parameters)] as const]),
    ...(from ? [['Goes on from', html`${code(from.run)}, stitches ${code(from.parameters)}`] as const] : []),
  ];
  const settings = Object.entries(training).filter(([name]) => !['found', 'from'].includes(name));
  return html`${facts(entries)}${command !== undefined && [html`<p>To do it again (paths are as they were given, from the folder in which it was run):</p>\n`, listing([`${command} -o RUN`])]}
<p>The same command with the same files, versions and adapter gives the same bytes. Pairs that came from a file are taken from the run with ${code('--pairs RUN/pairs.json')}.</p>
${table({
  caption: 'The files, each with its SHA-256.',
  head: ['what', 'file', 'SHA-256'],
  rows: files.map(([what, file, sha256]) => [what, code(file), code(sha256)]),
})}${table({
  caption: 'The settings of the training, under the names that the library gives them.',
  head: ['setting', 'value'],
  rows: settings.map(([name, value]) => [name, code(typeof value === 'string' ? value : JSON.stringify(value))]),
})}`;
}
