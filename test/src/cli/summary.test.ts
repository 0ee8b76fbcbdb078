import { expect, it } from 'vitest';
import { showSummary } from '../../../src/cli/commands/stitch.ts';
import type { RunSummary } from '../../../src/run/summary.ts';

const logits = { kind: 'logits', activation: 'softmax', channelAxis: 1, channels: 2 } as const;

const summary: RunSummary = {
  run: 'run',
  parents: { a: 'a.onnx', b: 'b.onnx' },
  outputs: { a: logits, b: logits },
  positions: 22,
  method: 'double-batched',
  steps: 60,
  batch: 8,
  seed: 0,
  executor: 'ONNX Runtime on the CPU',
  firstLoss: 56.5,
  lastLoss: 92.7,
};

function warningsOf(changes: Partial<RunSummary>): string[] {
  const warnings: string[] = [];
  showSummary({ ...summary, ...changes }, { line: () => {}, warning: text => void warnings.push(text) });
  return warnings;
}

it('warns where double-batched training did not lower the loss, and nowhere else', () => {
  expect(warningsOf({})).toEqual(['The loss did not fall: train with a lower --lr, a tenth of it first.']);
  expect(warningsOf({ lastLoss: 56.4 })).toEqual([]);
  expect(warningsOf({ steps: 3 })).toEqual([]);
  // The closed form of the direct method is where its training ends, too.
  expect(warningsOf({ method: 'direct' })).toEqual([]);
  expect(warningsOf({ firstLoss: undefined, lastLoss: undefined })).toEqual([]);
});
