/** What the names in a list of nodes mean, and in which versions its operators are read. */
import type { Value } from '../graph.ts';
import type { Listing } from './listing.ts';
import type { AttributeProto } from './proto/schema.ts';
import type { Sequence } from './sequences.ts';

export const failed = Symbol('failed');

/** What a name means: a value of the graph, a list of them, or nothing, after a problem. */
export type Meaning = Value | Sequence | typeof failed;

/** Names → what they mean. A subgraph sees the names around it. */
export class Scope {
  readonly #around: Scope | undefined;
  readonly #own = new Map<string, Meaning>();

  constructor(around?: Scope) {
    this.#around = around;
  }

  get(name: string): Meaning | undefined {
    return this.#own.get(name) ?? this.#around?.get(name);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  set(name: string, value: Meaning): void {
    this.#own.set(name, value);
  }
}

/** Where a list of nodes stands: the main graph, or a function that is being inlined. */
export interface Place {
  readonly scope: Scope;
  readonly opsets: ReadonlyMap<string, number>;
  readonly listing: Listing;
  /** Put before the names of nodes and values: empty in the main graph, `call/` in a function. */
  readonly prefix: string;
  /** What the calls of the functions around say; PyTorch writes module scopes there. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What a function calls its outputs → what its caller calls them. */
  readonly results: ReadonlyMap<string, string>;
  /** Attributes of the call, for those in a function that refer to them. */
  readonly arguments: ReadonlyMap<string, AttributeProto>;
  /** Functions that are being inlined, outermost first: a function must not call itself. */
  readonly calls: readonly string[];
}

/** ONNX's own domain has two names. */
export const domainOf = (domain: string | undefined): string => (domain === 'ai.onnx' ? '' : (domain ?? ''));

/** Versions by domain; a function says its own. */
export function opsetsOf(
  imports: readonly { readonly domain?: string; readonly version?: bigint }[],
  base: ReadonlyMap<string, number> = new Map(),
): ReadonlyMap<string, number> {
  return new Map([...base, ...imports.map(o => [domainOf(o.domain), Number(o.version ?? 1n)] as const)]);
}
