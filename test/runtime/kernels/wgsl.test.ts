/** Generated WGSL, pinned: what a kernel looks like, and that it changes only on purpose. No device is needed. */
import { expect, it } from 'vitest';
import { GraphBuilder, type Value } from '../../../ir/index.ts';
import type { KernelContext } from '../../../runtime/kernels/kernel.ts';
import { compile } from '../../../runtime/webgpu/program.ts';

const context: KernelContext = {
  adapterClass: 'software',
  features: new Set(),
  limits: {
    maxComputeWorkgroupsPerDimension: 65535,
    maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupStorageSize: 16384,
    maxStorageBufferBindingSize: 2 ** 27,
    maxStorageBuffersPerShaderStage: 8,
  },
};

function kernelsOf(make: (b: GraphBuilder) => Value, adapterClass: KernelContext['adapterClass'] = 'software'): string {
  const b = new GraphBuilder('test');
  b.output('y', make(b));
  const { steps } = compile(b.build(), { ...context, adapterClass });
  return steps.flatMap(s => s.plan.dispatches.map(d => `// ${d.label}, ${d.workgroups}\n${d.module.wgsl}`)).join('\n');
}

it('an elementwise node with a scale for each channel, by fours', () => {
  const text = kernelsOf(b => {
    const x = b.input('x', { dtype: 'float32', shape: [2, 3, 4, 8] });
    const s = b.input('s', { dtype: 'float32', shape: [3, 1, 1] });
    return b.op('Mul', [x, s]);
  });
  expect(text).toMatchInlineSnapshot(`
    "// Mul, 1,1,1
    @group(0) @binding(0) var<storage, read> x0: array<vec4<f32>>;
    @group(0) @binding(1) var<storage, read> x1: array<f32>;
    @group(0) @binding(2) var<storage, read_write> y0: array<vec4<f32>>;

    @compute @workgroup_size(64)
    fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
      let start = group.x * 128u + local;
      for (var i = start; i < min(start + 128u, 48u); i += 64u) {
        let c0 = i / 24u;
        let c1 = (i / 8u) % 3u;
        let c2 = i % 8u;
        let v0: vec4<f32> = x0[i];
        let v1: vec4<f32> = vec4<f32>(x1[c1]);
        let v2: vec4<f32> = (v0 * v1);
        y0[i] = v2;
      }
    }
    "
  `);
});

it('a softmax on a GPU, a row to a workgroup', () => {
  const text = kernelsOf(b => b.op('Softmax', [b.input('x', { dtype: 'float32', shape: [4, 512] })]), 'gpu');
  expect(text).toMatchInlineSnapshot(`
    "// Softmax 4x512 axis -1, 4,1,1
    @group(0) @binding(0) var<storage, read> x: array<f32>;
    @group(0) @binding(1) var<storage, read_write> y: array<f32>;
    var<workgroup> shared_max_f32: array<f32, 256>;
    fn combine_max_f32(value: f32, local: u32) -> f32 {
      workgroupBarrier();
      shared_max_f32[local] = value;
      workgroupBarrier();
      for (var half = 128u; half > 0u; half = half >> 1u) {
        if (local < half) {
          let a = shared_max_f32[local];
          let b = shared_max_f32[local + half];
          shared_max_f32[local] = select(a, b, b > a || (bitcast<u32>(b) & 0x7fffffffu) > 0x7f800000u);
        }
        workgroupBarrier();
      }
      return shared_max_f32[0];
    }
    var<workgroup> shared_sum_f32: array<f32, 256>;
    fn combine_sum_f32(value: f32, local: u32) -> f32 {
      workgroupBarrier();
      shared_sum_f32[local] = value;
      workgroupBarrier();
      for (var half = 128u; half > 0u; half = half >> 1u) {
        if (local < half) {
          let a = shared_sum_f32[local];
          let b = shared_sum_f32[local + half];
          shared_sum_f32[local] = a + b;
        }
        workgroupBarrier();
      }
      return shared_sum_f32[0];
    }
    @compute @workgroup_size(256)
    fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
      let row = group.x;
      let base = row * 512u;
      var best = x[base];
      for (var k0 = local; k0 < 512u; k0 += 256u) { let v = x[base + k0]; best = select(best, v, v > best || (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u); }
      best = combine_max_f32(best, local);
      var total = 0.0;
      for (var k1 = local; k1 < 512u; k1 += 256u) {  total += exp(x[base + k1] - best); }
      total = combine_sum_f32(total, local);
      total = select(total, bitcast<f32>(bitcast<u32>(best) | 0x7fc00000u), ((bitcast<u32>(best) & 0x7f800000u) == 0x7f800000u));
      for (var k2 = local; k2 < 512u; k2 += 256u) { let at = base + k2; let value = exp(x[at] - best) / total; y[at] = value; }
    }
    "
  `);
});
