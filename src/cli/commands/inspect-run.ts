/** A run's memory plans for people. */
import type { MemoryPlan, RunFacts } from '../../api/inspect-run.ts';
import { mebibytes } from '../../execution/budget.ts';
import { type MemoryUse, memoryUses } from '../../training/memory.ts';
import { name, type Terminal } from '../terminal.ts';

const texts: { readonly [U in MemoryUse]: string } = {
  reference: 'reference features',
  kept: 'kept for the backward pass',
  forward: 'of the forward pass only',
  recomputed: 'computed again',
  gradient: 'gradients',
  update: 'new parameters and state',
};

/** How many of the values that live at the peak are named. */
const largest = 8;

export function showRun(facts: RunFacts, terminal: Terminal): void {
  const { run, parents, positions, method, batch, plans } = facts;
  const [own] = plans;
  terminal.heading(`${name(run)}: the memory of a training step`);
  terminal.line(
    `  ${Object.values(parents)
      .map(path => name(path))
      .join(' and ')}, ${positions} positions, ${method}, batch ${batch}, as WebGPU would run it`,
  );
  terminal.line();
  const percent = plans.map(p => `${Math.round((100 * p.at) / Math.max(1, p.nodes))} %`);
  terminal.table(
    ['', ...plans.map(title)],
    [
      ['activations at the peak', ...plans.map(p => mebibytes(p.activations))],
      ...memoryUses
        .filter(use => plans.some(p => p.uses[use] > 0))
        .map(use => [`  ${texts[use]}`, ...plans.map(p => mebibytes(p.uses[use]))]),
      ['when, of the step', ...plans.map((p, i) => `${percent[i]}, ${p.phase}`)],
      ['weights', ...plans.map(p => mebibytes(p.weights))],
      ['parameters and state', ...plans.map(p => mebibytes(p.state))],
      ['batch', ...plans.map(p => mebibytes(p.batch))],
      ['nodes, of them again', ...plans.map(p => `${p.nodes}, ${p.recomputed}`)],
    ],
  );
  if (!own) return;
  terminal.line();
  terminal.line(`${title(own)}: the peak is at node ${own.at} of ${own.nodes}, ${name(own.op)} ${name(own.node)}.`);
  terminal.line(`  ${chart(own.timeline)}  (the step from left to right)`);
  terminal.line();
  terminal.table(
    ['alive then', 'for', 'size'],
    own.values.slice(0, largest).map(v => [name(v.name), texts[v.use], mebibytes(v.bytes)]),
  );
  if (own.values.length > largest) terminal.line(`and ${own.values.length - largest} smaller ones; --json lists all.`);
}

const title = ({ method, settings, schedule, memory }: MemoryPlan): string =>
  [
    settings === 'sampled' ? 'sampled' : method,
    ...(schedule === 'conventional' ? ['by a tape'] : []),
    ...(memory === undefined ? [] : ['within a budget']),
  ].join(', ');

/** Bars of eighths. */
function chart(values: readonly number[]): string {
  const top = Math.max(1, ...values);
  return values.map(v => '▁▂▃▄▅▆▇█'[Math.min(7, Math.floor((8 * v) / top))]).join('');
}
