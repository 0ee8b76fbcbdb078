import { describe, expect, it } from 'vitest';
import { float32, GraphBuilder } from '../../../ir/index.ts';
import { Runnable } from '../../../src/execution/execute.ts';
import { withExecutor } from '../../../src/execution/open.ts';
import { type GraphProfile, kernelTimes } from '../../../src/execution/profiling.ts';

function doubled() {
  const b = new GraphBuilder('doubled');
  const x = b.input('x', { dtype: 'float32', shape: [2, 3] });
  b.output('y', b.op('MatMul', [b.op('Transpose', [x], { perm: [1, 0] }), x]));
  return b.build();
}

const x = float32([2, 3], [1, 2, 3, 4, 5, 6]);

async function profiled(executor: 'webgpu' | 'ort') {
  let profiles: readonly GraphProfile[] = [];
  const onProfile = (found: readonly GraphProfile[]) => {
    profiles = found;
  };
  const y = await withExecutor({ executor, onProfile }, async opened => {
    const runnable = new Runnable(opened, doubled());
    try {
      return (await runnable.run({ x })).y;
    } finally {
      runnable.dispose();
    }
  });
  return { y, profiles };
}

describe('profiles', () => {
  it('name every kernel of the graphs that ran, and leave the results as they are', async () => {
    const { y, profiles } = await profiled('webgpu');
    expect([...y.data]).toEqual([17, 22, 27, 22, 29, 36, 27, 36, 45]);
    const [{ graph, profile }] = profiles as [GraphProfile];
    expect(graph).toBe('doubled');
    const times = kernelTimes(profile!);
    expect(times.map(t => t.kernel).join()).toMatch(/transpose 2x3/);
    expect(times.reduce((sum, t) => sum + t.count, 0)).toBe(profile!.kernels.length);
    expect(times.map(t => t.milliseconds)).toEqual(times.map(t => t.milliseconds).toSorted((a, b) => b - a));
  });

  it('are empty for an executor that cannot tell', async () => {
    const { y, profiles } = await profiled('ort');
    expect(y.data).toHaveLength(9);
    expect(profiles).toEqual([{ graph: 'doubled', profile: undefined }]);
  });
});
