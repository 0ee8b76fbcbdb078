import { inferTypes } from './builder.ts';
import { symbol } from './dim.ts';
import { clause, printable, SutureError } from './errors.ts';
import type { AnyNode, Graph, Value } from './graph.ts';
import { isElementwise, specOf } from './ops/index.ts';
import { sameShape, typeText } from './type.ts';

/** One rule: the problems that it finds in a graph, each a sentence without its full stop. */
type Rule = (graph: Graph) => Iterable<string>;

const where = (node: AnyNode): string => `${node.op} '${printable(node.name)}'`;

/** The rules of the IR, each a statement that every valid graph satisfies. */
const rules: Readonly<Record<string, Rule>> = {
  *'every value is defined before it is read, by an input, a constant or one node'(graph) {
    const defined = new Set<Value>(graph.inputs);
    for (const input of graph.inputs) if (input.constant) yield `the input '${input.name}' is a constant`;
    for (const node of graph.nodes) {
      for (const input of node.inputs) {
        if (input && !input.constant && !defined.has(input)) {
          yield `${where(node)} reads '${printable(input.name)}' before it is computed`;
        }
      }
      for (const output of node.outputs) {
        if (defined.has(output)) yield `${where(node)} defines '${printable(output.name)}' a second time`;
        defined.add(output);
      }
    }
    for (const { name, value } of graph.outputs) {
      if (!value.constant && !defined.has(value)) yield `the output '${printable(name)}' is never computed`;
    }
  },

  *'names are unique'(graph) {
    const names = new Map<string, Value>();
    for (const value of graph.values()) {
      if (names.has(value.name)) yield `two values are named '${printable(value.name)}'`;
      names.set(value.name, value);
    }
    const nodes = new Set<string>();
    for (const node of graph.nodes) {
      if (nodes.has(node.name)) yield `two nodes are named '${printable(node.name)}'`;
      nodes.add(node.name);
    }
    const inputs = new Map(graph.inputs.map(input => [input.name, input]));
    const outputs = new Set<string>();
    for (const { name, value } of graph.outputs) {
      if (outputs.has(name)) yield `two outputs are named '${printable(name)}'`;
      outputs.add(name);
      // In a file both names would be one.
      if ((inputs.get(name) ?? value) !== value)
        yield `the output '${printable(name)}' has the name of an input that it is not`;
    }
  },

  *'operands fit the declaration of the operator'(graph) {
    for (const node of graph.nodes) {
      const { inputs, outputs, attributes } = specOf(node.op);
      const variadic = inputs.at(-1)?.startsWith('...') ?? false;
      if (!variadic && node.inputs.length > inputs.length) yield `${where(node)} has ${node.inputs.length} inputs`;
      const wide = outputs.at(-1)?.startsWith('...') ?? false;
      if (node.outputs.length === 0 || (!wide && node.outputs.length > outputs.length)) {
        yield `${where(node)} has ${node.outputs.length} outputs`;
      }
      for (const name of Object.keys(node.attributes)) {
        if (!Object.hasOwn(attributes, name)) yield `${where(node)} has an unknown attribute '${printable(name)}'`;
      }
    }
  },

  *'types are those that the type rules give'(graph) {
    for (const node of graph.nodes) {
      let unknowns = 0;
      const fresh = () => symbol(`unk${unknowns++}`);
      try {
        const types = inferTypes(node, fresh);
        for (const [i, output] of node.outputs.entries()) {
          // Fresh symbols stand for anything, so only what is known can disagree.
          const open = unknowns > 0;
          const agrees =
            types[i] && types[i].dtype === output.type.dtype && types[i].shape.length === output.type.shape.length;
          if (!agrees || (!open && !sameShape(types[i].shape, output.type.shape))) {
            yield `${where(node)} gives ${types[i] ? typeText(types[i]) : 'nothing'}, but '${printable(output.name)}' is ${typeText(output.type)}`;
          }
        }
      } catch (error) {
        if (!(error instanceof SutureError)) throw error;
        yield clause(error.message);
      }
    }
  },

  *'a fused region holds one anchor at most'(graph) {
    for (const node of graph.nodes) {
      if (node.op !== 'Fused') continue;
      const anchors = node.attributes.body.nodes.filter(n => !isElementwise(n.op));
      if (anchors.length > 1) yield `${where(node)} fuses ${anchors.map(a => a.op).join(' and ')}`;
      yield* problems(node.attributes.body);
    }
  },
};

function* problems(graph: Graph): Iterable<string> {
  for (const rule of Object.values(rules)) yield* rule(graph);
}

/** Returns the graph when every rule holds. Throws `graph-invalid` with all problems otherwise. */
export function verify(graph: Graph): Graph {
  const found = [...problems(graph)];
  if (found.length > 0) {
    const more = found.length > 1 ? ` (and ${found.length - 1} more)` : '';
    throw new SutureError('graph-invalid', `The graph '${printable(graph.name)}' is invalid: ${found[0]}${more}.`, {
      details: found,
    });
  }
  return graph;
}
