/** WGSL modules, kept in their parts until they are printed. */
import type { Dispatch, KernelContext, KernelPlan, Operand, OutputIndex } from './kernel.ts';
import { printed } from './wgsl.ts';

/** What a module binds, in the order of its bindings. */
export interface Binding {
  readonly name: string;
  readonly space: 'storage, read' | 'storage, read_write' | 'uniform';
  readonly type: string;
}

/** The entry point `main`. */
export interface Entry {
  /** Invocations in a workgroup. */
  readonly workgroup: number;
  /** The names of `workgroup_id`, `local_invocation_index` and `subgroup_invocation_id`, where the body reads them. */
  readonly group?: string;
  readonly local?: string;
  readonly lane?: string | undefined;
  /** Statements. Their literals are still marked (see `u32`), so that something else can take their place. */
  readonly body: string;
}

interface ModuleParts {
  readonly enables: readonly string[];
  readonly bindings: readonly Binding[];
  /** Module-scope text. */
  readonly declarations: readonly string[];
  readonly entry: Entry;
}

export class Module {
  readonly #parts: ModuleParts;
  #wgsl: string | undefined;

  constructor(parts: ModuleParts) {
    this.#parts = parts;
  }

  get bindings(): readonly Binding[] {
    return this.#parts.bindings;
  }

  get body(): string {
    return this.#parts.entry.body;
  }

  /** The text. Equal text is an equal module. */
  get wgsl(): string {
    this.#wgsl ??= this.#print();
    return this.#wgsl;
  }

  /** The same module with another body, which may read further bindings. */
  withBody(body: string, further: readonly Binding[] = []): Module {
    const { bindings, entry } = this.#parts;
    return new Module({ ...this.#parts, bindings: [...bindings, ...further], entry: { ...entry, body } });
  }

  #print(): string {
    const { enables, bindings, declarations, entry } = this.#parts;
    const { workgroup, group, local, lane, body } = entry;
    const parameters = [
      ...(group ? [`@builtin(workgroup_id) ${group}: vec3<u32>`] : []),
      ...(local ? [`@builtin(local_invocation_index) ${local}: u32`] : []),
      ...(lane ? [`@builtin(subgroup_invocation_id) ${lane}: u32`] : []),
    ];
    const lines = [
      ...enables.map(extension => `enable ${extension};`),
      ...bindings.map(({ name, space, type }, i) => `@group(0) @binding(${i}) var<${space}> ${name}: ${type};`),
      ...declarations,
      `@compute @workgroup_size(${workgroup})`,
      `fn main(${parameters.join(', ')}) {`,
      body,
      '}',
    ];
    return printed(`${lines.join('\n')}\n`);
  }
}

/** A module under construction, and the operands that go with its bindings. */
export class ModuleBuilder {
  readonly operands: Operand[] = [];
  readonly #enables = new Set<string>();
  readonly #bindings: Binding[] = [];
  readonly #declarations: string[] = [];

  /** Declares `enable` for an extension, once. */
  enable(extension: string): void {
    this.#enables.add(extension);
  }

  /** Binds an operand as a storage array and returns its name. */
  bind(name: string, operand: Operand, elementType = 'f32', access: 'read' | 'read_write' = 'read'): string {
    this.operands.push(operand);
    this.#bindings.push({ name, space: `storage, ${access}`, type: `array<${elementType}>` });
    return name;
  }

  /** Adds module-scope text. */
  declare(text: string): void {
    this.#declarations.push(text);
  }

  /** The module with its entry point, to be dispatched. */
  dispatch(label: string, workgroups: Dispatch['workgroups'], entry: Entry): Dispatch {
    const module = new Module({
      enables: [...this.#enables].sort(),
      bindings: this.#bindings,
      declarations: this.#declarations,
      entry,
    });
    return { label, module, workgroups, operands: this.operands };
  }
}

/** A plan of one dispatch, which needs no memory. */
export const single = (dispatch: Dispatch): KernelPlan => ({ dispatches: [dispatch], scratch: [] });

/** Binds what the epilogue needs, if there is one, and returns a function that emits the store of one element, without a guard. */
export function bindEpilogue(
  builder: ModuleBuilder,
  { epilogue }: KernelContext,
  ownInputs: number,
): (value: string, at: OutputIndex, output: string) => string {
  if (epilogue === undefined) return (value, at, output) => `${output}[${at.flat}] = ${value};`;
  epilogue.inputs.forEach((type, i) => {
    builder.bind(`extra${i}`, { kind: 'input', index: ownInputs + i }, type);
  });
  if (epilogue.declarations) builder.declare(epilogue.declarations);
  return (value, at, output) => {
    const { statements, result } = epilogue.emit(value, at, i => `extra${i}`);
    return statements ? `{ ${statements} ${output}[${at.flat}] = ${result}; }` : `${output}[${at.flat}] = ${result};`;
  };
}
