/** Options of the catalogue and of the settings' tables, as commander's. */
import { type Command, Option as CommanderOption, InvalidArgumentError } from 'commander';
import * as v from 'valibot';
import { type AnyOption, longName, type Options } from '../options/option.ts';

/** An option whose value is kept under the name that it has in programs. */
export class NamedOption extends CommanderOption {
  readonly #name: string;
  readonly facts: AnyOption;

  constructor(name: string, facts: AnyOption) {
    const { kind, value, help, standard, otherwise, short, alias, negated = false } = facts;
    const flags = `--${negated ? 'no-' : ''}${longName(name, facts)}${value === undefined ? '' : ` <${value}>`}`;
    super(
      [...(short === undefined ? [] : [`-${short}`]), ...(alias === undefined ? [] : [`--${alias}`]), flags].join(', '),
      otherwise === undefined ? help : `${help} (default: ${otherwise})`,
    );
    this.#name = name;
    this.facts = facts;
    if (kind.choices) this.choices(kind.choices);
    else if (value !== undefined) this.argParser((text: string, previous: unknown) => parse(facts, text, previous));
    if (standard !== undefined && !negated)
      this.default(standard, Array.isArray(standard) ? standard.join() : undefined);
    this.makeOptionMandatory(facts.required === true);
    this.conflicts([...(facts.conflicts ?? [])]);
  }

  override attributeName(): string {
    return this.#name;
  }
}

/** What does not parse is a usage error with one sentence. */
function parse({ kind, repeatable }: AnyOption, text: string, previous: unknown): unknown {
  const value = kind.read(text, repeatable ? previous : undefined);
  if (!v.is(kind.schema, value)) throw new InvalidArgumentError(`It must be ${kind.words}.`);
  return value;
}

/** Adds options to a command, by the names that their values have in programs. */
export function addOptions(command: Command, options: Options): Command {
  for (const [name, facts] of Object.entries(options)) command.addOption(new NamedOption(name, facts));
  return command;
}

/** Of an option that is given twice, the last would count and the first be lost without a word. */
export function refuseRepetition(command: Command): void {
  for (const option of command.options) {
    if (option instanceof NamedOption && option.facts.repeatable) continue;
    let given = false;
    command.on(`option:${option.name()}`, () => {
      if (given) command.error(`error: option '${option.flags}' is given twice`);
      given = true;
    });
  }
}
