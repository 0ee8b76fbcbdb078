/** What lies before and behind values, for every pass that asks. */
import type { AnyNode, Value } from './graph.ts';

/** The nodes that some values depend on, in their order. `nodes` are in topological order. */
export function ancestors(nodes: readonly AnyNode[], roots: Iterable<Value | undefined>): AnyNode[] {
  const needed = new Set(roots);
  const found: AnyNode[] = [];
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i];
    if (!node.outputs.some(output => needed.has(output))) continue;
    found.push(node);
    for (const input of node.inputs) needed.add(input);
  }
  return found.reverse();
}

/** The nodes that depend on some values, in their order. `nodes` are in topological order. */
export function descendants(nodes: readonly AnyNode[], roots: Iterable<Value>): AnyNode[] {
  const changed = new Set<Value | undefined>(roots);
  return nodes.filter(node => {
    if (!node.inputs.some(input => input && changed.has(input))) return false;
    for (const output of node.outputs) changed.add(output);
    return true;
  });
}
