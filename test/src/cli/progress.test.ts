import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { progressJson, progressLines } from '../../../src/cli/progress.ts';
import type { ProgressDisplay, TextStream } from '../../../src/cli/terminal.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

/** What is written of a stage of ten steps, each of so many seconds, from one of them on. */
function written(display: (stream: TextStream) => ProgressDisplay, secondsOfStep: number, first = 0): string[] {
  const lines: string[] = [];
  const { update } = display({ write: text => lines.push(text) });
  for (let done = first; done <= 10; done++) {
    if (done > first) vi.advanceTimersByTime(secondsOfStep * 1000);
    update({ stage: 'training the stitches', done, total: 10, note: `loss ${1 / (1 + done)}` });
  }
  expect(lines.every(line => line.endsWith('\n') && line.indexOf('\n') === line.length - 1)).toBe(true);
  return lines.map(line => line.trimEnd());
}

describe('progress', () => {
  it('for programs is a line of JSON every two seconds and one at the end', () => {
    const lines = written(progressJson, 0.75).map(line => JSON.parse(line));
    expect(lines.map(({ seconds }) => seconds)).toEqual([2.3, 4.5, 6.8, 7.5]);
    expect(lines[0]).toEqual({
      stage: 'training the stitches',
      done: 3,
      total: 10,
      note: 'loss 0.25',
      seconds: 2.3,
      left: 5.3,
    });
    expect(lines.map(({ left }) => left)).toEqual([5.3, 3, 0.8, undefined]);
    expect(lines.at(-1)).toMatchObject({ done: 10, total: 10 });
  });

  it('for logs is a line every ten seconds, with what is left', () => {
    expect(written(progressLines, 4)).toEqual([
      'Training the stitches: 3 of 10, loss 0.25, 28 s left',
      'Training the stitches: 6 of 10, loss 0.14285714285714285, 16 s left',
      'Training the stitches: 9 of 10, loss 0.1, 4 s left',
      'Training the stitches: done in 40 s, loss 0.09090909090909091',
    ]);
  });

  it('of what goes on is by the pace since then', () => {
    expect(written(progressLines, 12, 7)).toEqual([
      'Training the stitches: 8 of 10, loss 0.1111111111111111, 24 s left',
      'Training the stitches: 9 of 10, loss 0.1, 12 s left',
      'Training the stitches: done in 36 s, loss 0.09090909090909091',
    ]);
    expect(written(progressJson, 3, 8).map(line => JSON.parse(line).left)).toEqual([3, undefined]);
  });

  it('does not say what is left before anything is done', () => {
    const lines: string[] = [];
    const { update } = progressLines({ write: text => lines.push(text) });
    update({ stage: 'computing cells', done: 7, total: 28, note: 'alone-a' });
    vi.advanceTimersByTime(11_000);
    update({ stage: 'computing cells', done: 7, total: 28, note: 'alone-b' });
    expect(lines).toEqual(['Computing cells: 7 of 28, alone-b\n']);
  });

  it('is nothing for what is soon over', () => {
    expect(written(progressJson, 0.1)).toEqual([]);
    expect(written(progressLines, 0.1)).toEqual([]);
  });
});
