import { type AnyNode, printable, type Value } from '../../ir/index.ts';
import type { TaggedGraph } from './inputs.ts';
import type { Position } from './network.ts';
import { invalid } from './positions.ts';

/** One step of building the super-network: a node of a parent, or all stitches and switches of a position. */
export type Step =
  | { readonly kind: 'node'; readonly parent: number; readonly node: AnyNode }
  | { readonly kind: 'position'; readonly position: Position };

interface Task {
  readonly step: Step;
  /** Where the step belongs, from 0 to 1: the lowest ready one goes first. */
  readonly key: number;
  readonly successors: Task[];
  waiting: number;
}

/**
 * A topological order of the joined graph: each position is one step, which waits for the features of all its parents and is
 * waited for by all their consumers. Parents advance side by side (B's places are stretched between matched positions to A's),
 * so that a feature is stitched soon after it is computed and little has to be kept.
 *
 * @throws SutureError `pairs-invalid` when the positions close a cycle.
 */
export function joinedOrder(parents: readonly TaggedGraph[], positions: readonly Position[]): readonly Step[] {
  const tasks: Task[] = [];
  const add = (step: Step, key: number): Task => {
    const task: Task = { step, key, successors: [], waiting: 0 };
    tasks.push(task);
    return task;
  };
  const follow = (before: Task, after: Task): void => {
    before.successors.push(after);
    after.waiting++;
  };

  const places = parents.map((_, p) => placesOf(parents, positions, p));
  const stepOf = new Map<Position, Task>();
  for (const position of positions) {
    const keys = parents.flatMap(({ tag }, p) => places[p].get(position.features[tag]) ?? []);
    stepOf.set(position, add({ kind: 'position', position }, Math.max(...keys)));
  }
  for (const [p, { tag, graph }] of parents.entries()) {
    const switched = new Map(positions.map(position => [position.features[tag], stepOf.get(position)!]));
    const ready = new Map<Value, Task>();
    for (const node of graph.nodes) {
      const task = add({ kind: 'node', parent: p, node }, places[p].get(node.outputs[0].name)!);
      for (const before of new Set(node.inputs.map(v => v && ready.get(v)))) if (before) follow(before, task);
      for (const output of node.outputs) {
        const position = switched.get(output.name);
        if (position) follow(task, position);
        ready.set(output, position ?? task);
      }
    }
  }
  return sorted(tasks, parents);
}

/** Where each value of parent `p` belongs, by name. The first parent's values are spread evenly over [0, 1]. */
function placesOf(
  parents: readonly TaggedGraph[],
  positions: readonly Position[],
  p: number,
): ReadonlyMap<string, number> {
  const indexIn = (q: number): Map<string, number> =>
    new Map(parents[q].graph.nodes.flatMap((node, i) => node.outputs.map(o => [o.name, i + 1] as const)));
  const own = indexIn(p);
  const count = parents[p].graph.nodes.length;
  if (p === 0) return new Map([...own].map(([name, i]) => [name, i / count]));

  const first = indexIn(0);
  const firstCount = parents[0].graph.nodes.length;
  const anchors = positions
    .flatMap(({ features }): [number, number][] => {
      const [a, b] = [first.get(features[parents[0].tag]), own.get(features[parents[p].tag])];
      return a === undefined || b === undefined ? [] : [[b, a / firstCount]];
    })
    .sort(([a], [b]) => a - b);
  const rising: [number, number][] = [[0, 0]];
  for (const [at, key] of anchors) if (key >= rising[rising.length - 1][1]) rising.push([at, key]);
  rising.push([Math.max(count, rising[rising.length - 1][0] + 1), 1]);
  let next = 1;
  const keys = new Float64Array(count + 1);
  for (let i = 1; i <= count; i++) {
    while (rising[next][0] < i) next++;
    const [[from, low], [to, high]] = [rising[next - 1], rising[next]];
    keys[i] = to === from ? high : low + ((high - low) * (i - from)) / (to - from);
  }
  return new Map([...own].map(([name, i]) => [name, keys[i]]));
}

/** Kahn's algorithm with a heap: the ready task of the lowest key, then of the lowest index, goes next. */
function sorted(tasks: readonly Task[], parents: readonly TaggedGraph[]): readonly Step[] {
  const rank = new Map(tasks.map((task, i) => [task, i]));
  const before = (a: Task, b: Task): boolean => a.key < b.key || (a.key === b.key && rank.get(a)! < rank.get(b)!);
  const heap: Task[] = [];
  const push = (task: Task): void => {
    let i = heap.push(task) - 1;
    for (let up = (i - 1) >> 1; i > 0 && before(heap[i], heap[up]); i = up, up = (i - 1) >> 1) swap(heap, i, up);
  };
  const pop = (): Task => {
    const top = heap[0];
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      for (let i = 0; ; ) {
        const [left, right] = [2 * i + 1, 2 * i + 2];
        let low = i;
        if (left < heap.length && before(heap[left], heap[low])) low = left;
        if (right < heap.length && before(heap[right], heap[low])) low = right;
        if (low === i) break;
        swap(heap, i, low);
        i = low;
      }
    }
    return top;
  };

  for (const task of tasks) if (task.waiting === 0) push(task);
  const steps: Step[] = [];
  while (heap.length > 0) {
    const task = pop();
    steps.push(task.step);
    for (const successor of task.successors) if (--successor.waiting === 0) push(successor);
  }
  if (steps.length < tasks.length) {
    const stuck = tasks.find(t => t.waiting > 0 && t.step.kind === 'position')!.step as { position: Position };
    const names = parents.flatMap(({ tag }) => {
      const feature = stuck.position.features[tag];
      return feature === undefined ? [] : `'${printable(feature)}' of parent '${tag}'`;
    });
    throw invalid(
      `The pairs close a cycle through the pair of ${names.join(' and ')}: leave out one of the pairs that cross it.`,
    );
  }
  return steps;
}

function swap(heap: Task[], i: number, j: number): void {
  [heap[i], heap[j]] = [heap[j], heap[i]];
}
