import { createDag, type Edge } from '../../../passes/match/dag.ts';
import type { MatchProblem } from '../../../passes/match/problem.ts';
import { positionalProgress } from '../../../passes/match/progress.ts';
import { progressScores, type ScoredSide } from '../../../passes/match/scores.ts';

/** The graph of a network: vertex 0 is the input, the last one the output, every vertex has a resolution (its class). */
export interface Architecture {
  readonly name: string;
  readonly size: number;
  readonly edges: readonly Edge[];
  readonly classes: Int32Array;
}

class Builder {
  readonly edges: Edge[] = [];
  readonly classes: number[] = [-1];
  resolution = 0;

  /** A vertex fed by `inputs`, or by a chain of `count` vertices of which it is the last. */
  layer(inputs: number | readonly number[], count = 1): number {
    let last = -1;
    for (let i = 0; i < count; i++) {
      const v = this.classes.length;
      this.classes.push(this.resolution);
      for (const u of i > 0 ? [last] : typeof inputs === 'number' ? [inputs] : inputs) this.edges.push([u, v]);
      last = v;
    }
    return last;
  }

  finish(name: string, from: number): Architecture {
    const output = this.layer(from);
    this.classes[output] = -1;
    return { name, size: this.classes.length, edges: this.edges, classes: Int32Array.from(this.classes) };
  }
}

/** A residual network: `blocks` per resolution, bodies of `body` layers, a projection (two layers) at each new one. */
export function residualNet(blocks: readonly number[], body: number): Architecture {
  const net = new Builder();
  let v = net.layer(0, 3);
  for (const [stage, count] of blocks.entries()) {
    for (let i = 0; i < count; i++) {
      if (i === 0) net.resolution = stage + 1;
      const inner = net.layer(v, body);
      const skip = i === 0 ? net.layer(v, 2) : v;
      v = net.layer(net.layer([inner, skip]));
    }
  }
  return net.finish(`residual [${blocks}] x ${body}`, v);
}

/** Every layer of a block reads all earlier ones of the block. */
export function denseNet(blocks: readonly number[]): Architecture {
  const net = new Builder();
  let v = net.layer(0, 3);
  for (const count of blocks) {
    net.resolution++;
    v = net.layer(v);
    const features = [v];
    for (let i = 0; i < count; i++) features.push(net.layer(net.layer([...features]), 5));
    v = net.layer(net.layer(features), 3);
  }
  return net.finish(`dense [${blocks}]`, v);
}

/** Blocks of parallel branches with the given numbers of layers, joined by a concatenation. */
export function inceptionNet(stages: readonly (readonly (readonly number[])[])[]): Architecture {
  const net = new Builder();
  let v = net.layer(0, 6);
  for (const blocks of stages) {
    net.resolution++;
    v = net.layer(v);
    for (const branches of blocks) v = net.layer(branches.map(length => net.layer(v, length)));
  }
  return net.finish(`inception ${stages.map(blocks => blocks.length)}`, v);
}

/** Inverted bottlenecks with gated activations (x · sigmoid(x)) and squeeze-and-excitation. */
export function efficientNet(blocks: readonly number[]): Architecture {
  const net = new Builder();
  const gated = (from: number): number => {
    const x = net.layer(from, 2);
    return net.layer([x, net.layer(x)]);
  };
  let v = gated(0);
  for (const [stage, count] of blocks.entries()) {
    for (let i = 0; i < count; i++) {
      const expanded = gated(v);
      if (i === 0) net.resolution = stage + 1;
      const depthwise = gated(expanded);
      const resolution = net.resolution;
      net.resolution = 99;
      const squeezed = net.layer(gated(net.layer(depthwise)), 2);
      net.resolution = resolution;
      const projected = net.layer(net.layer([depthwise, squeezed]), 2);
      v = i === 0 ? projected : net.layer([projected, v]);
    }
  }
  return net.finish(`efficient [${blocks}]`, v);
}

/** A transformer of which every layer of every branch has the tokens' shape. */
export function transformer(layers: number): Architecture {
  const net = new Builder();
  let v = net.layer(0, 3);
  for (let i = 0; i < layers; i++) {
    const normed = net.layer(v, 5);
    const [query, key, value] = [net.layer(normed, 4), net.layer(normed, 4), net.layer(normed, 4)];
    const attention = net.layer([query, key], 3);
    v = net.layer([v, net.layer([attention, value], 3)]);
    v = net.layer([v, net.layer(net.layer(v, 5), 6)]);
  }
  return net.finish(`transformer ${layers}`, v);
}

/** An encoder and decoder with skips, and nested decoders between them (U-Net++) if `nested`. */
export function unet(depth: number, convolutions: number, nested: boolean): Architecture {
  const net = new Builder();
  const columns: number[][] = [];
  let v = 0;
  for (let level = 0; level < depth; level++) {
    net.resolution = level;
    v = net.layer(v, 3 * convolutions);
    columns.push([v]);
  }
  for (let j = 1; j < depth; j++) {
    for (let level = 0; level + j < depth; level++) {
      if (!nested && level + j < depth - 1) continue;
      net.resolution = level;
      const below = nested ? columns[level + 1][j - 1] : v;
      const skips = nested ? columns[level] : [columns[level][0]];
      v = net.layer(net.layer([net.layer(below), ...skips]), 3 * convolutions);
      columns[level].push(v);
    }
  }
  return net.finish(`unet${nested ? '++' : ''} ${depth} x ${convolutions}`, v);
}

/** Cells as architecture search finds them: five sums of two branches each, over the two cells before. */
export function cellNet(cells: number, seed: number): Architecture {
  const net = new Builder();
  const random = sequence(seed);
  let [previous, last] = [net.layer(0, 2), net.layer(0, 2)];
  for (let c = 0; c < cells; c++) {
    if (c % 3 === 0) net.resolution++;
    const states = [net.layer(previous, 2), net.layer(last, 2)];
    for (let i = 0; i < 5; i++) {
      const pick = (): number => net.layer(states[Math.floor(random() * states.length)], 1 + Math.floor(random() * 5));
      states.push(net.layer([pick(), pick()]));
    }
    [previous, last] = [last, net.layer(states.slice(2))];
  }
  return net.finish(`cells ${cells} #${seed}`, last);
}

/**
 * Randomly wired stages, as in S. Xie et al., "Exploring Randomly Wired Neural Networks for Image Recognition" (arXiv
 * 1904.01569): per stage a Watts-Strogatz graph of `width` nodes (4 neighbours, rewired with probability 0.75), directed by
 * number, each node a sum, an activation and a convolution.
 */
export function wiredNet(stages: number, width: number, seed: number): Architecture {
  const net = new Builder();
  const random = sequence(seed);
  let v = net.layer(0, 2);
  for (let s = 0; s < stages; s++) {
    net.resolution++;
    v = net.layer(v);
    const inputsOf = wattsStrogatz(width, random);
    const read = new Set(inputsOf.flat());
    const nodes: number[] = [];
    for (const inputs of inputsOf) nodes.push(net.layer(inputs.length > 0 ? inputs.map(i => nodes[i]) : v, 3));
    v = net.layer(nodes.filter((_, i) => !read.has(i)));
  }
  return net.finish(`wired ${stages} x ${width} #${seed}`, v);
}

/** The lower neighbours of every node. */
function wattsStrogatz(size: number, random: () => number): number[][] {
  const neighbours = Array.from({ length: size }, () => new Set<number>());
  for (let i = 0; i < size; i++) {
    for (const step of [1, 2]) {
      let other = (i + step) % size;
      if (random() < 0.75) other = Math.floor(random() * size);
      if (other !== i) neighbours[Math.max(i, other)].add(Math.min(i, other));
    }
  }
  return neighbours.map(list => [...list].sort((x, y) => x - y));
}

/** Blocks of `width` parallel branches of up to `depth` layers, as many blocks at each of three resolutions. */
export function branchNet(blocks: number, width: number, depth: number, seed: number): Architecture {
  const random = sequence(seed);
  const block = (): number[] => Array.from({ length: width }, () => 1 + Math.floor(random() * depth));
  return inceptionNet([0, 1, 2].map(() => Array.from({ length: blocks }, block)));
}

export function problemOf(a: Architecture, b: Architecture): MatchProblem {
  const dagA = createDag(a.size, a.edges);
  const dagB = createDag(b.size, b.edges);
  const side = (net: Architecture): ScoredSide => ({
    classes: net.classes,
    progress: positionalProgress(createDag(net.size, net.edges), [0], [net.size - 1]).map(p =>
      Number.isNaN(p) ? 0 : p,
    ),
  });
  return { a: dagA, b: dagB, scores: progressScores(side(a), side(b)) };
}

/** A fixed sequence of uniform numbers in [0, 1). */
export function sequence(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    let x = state ^ (state >>> 16);
    x = Math.imul(x, 0x45d9f3b);
    return ((x ^ (x >>> 16)) >>> 0) / 4294967296;
  };
}
