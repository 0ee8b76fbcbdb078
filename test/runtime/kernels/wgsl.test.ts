import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { axisPattern } from '../../../runtime/kernels/conv-spec.ts';
import { f32, foldGrid, product, range, u32, unravel } from '../../../runtime/kernels/wgsl.ts';

/** Evaluates an index expression of WGSL, whose operators on u32 are those of bigints. */
function evaluate(expression: string, variables: Readonly<Record<string, number>>): number {
  const names = Object.keys(variables);
  const text = expression.replace(/(\d+)u/g, '$1n').replace(/\bid\.(\w)/g, 'id_$1');
  const compiled = new Function(...names, `return ${text};`) as (...values: readonly bigint[]) => bigint;
  return Number(compiled(...names.map(name => BigInt(variables[name]!))));
}

describe('WGSL helpers', () => {
  it('split a flat index into coordinates', () => {
    const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(shapes, shape => {
        const expressions = unravel('flat', shape);
        for (const flat of range(product(shape))) {
          const at = expressions.map(expression => evaluate(expression, { flat }));
          expect(at.every((i, axis) => i < shape[axis]!)).toBe(true);
          expect(at.reduce((sum, i, axis) => sum * shape[axis]! + i, 0)).toBe(flat);
        }
      }),
    );
  });

  it('fold a grid so that each flat index occurs once, within the limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 5, max: 9 }), (count, limit) => {
        const grid = foldGrid(count, { maxComputeWorkgroupsPerDimension: limit });
        const [x, y, z] = grid.workgroups;
        expect(Math.max(x, y, z)).toBeLessThanOrEqual(limit);
        const seen = range(z).flatMap(iz =>
          range(y).flatMap(iy => range(x).map(ix => evaluate(grid.flat('id'), { id_x: ix, id_y: iy, id_z: iz }))),
        );
        expect([...seen].sort((a, b) => a - b)).toEqual(range(x * y * z));
        expect(x * y * z >= count).toBe(true);
        expect(grid.padded).toBe(x * y * z !== count);
      }),
    );
  });

  it('write floats that read back as they were', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), x => {
        const text = f32(x);
        expect(text).toMatch(/^-?\d+(\.\d+)?(e[+-]?\d+)?f$/);
        expect(Math.fround(Number(text.slice(0, -1)))).toBe(x);
      }),
    );
    expect(() => f32(Number.NaN)).toThrow(RangeError);
    expect(() => u32(-1)).toThrow(RangeError);
    expect(() => u32(0.5)).toThrow(RangeError);
  });
});

describe('the pattern of an axis', () => {
  const axes = fc.record({
    input: fc.integer({ min: 1, max: 12 }),
    output: fc.integer({ min: 1, max: 12 }),
    kernel: fc.integer({ min: 1, max: 5 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 3 }),
    pad: fc.integer({ min: 0, max: 3 }),
  });

  it('connects outputs and inputs as the definition does, whatever the tile', () => {
    fc.assert(
      fc.property(axes, fc.boolean(), fc.integer({ min: 1, max: 7 }), (axis, transposed, tile) => {
        const expected = new Set<string>();
        for (let o = 0; o < axis.output; o++) {
          for (let i = 0; i < axis.input; i++) {
            for (let k = 0; k < axis.kernel; k++) {
              const [small, large] = transposed ? [i, o] : [o, i];
              if (large === small * axis.stride + k * axis.dilation - axis.pad) expected.add(`${o} ${i} ${k}`);
            }
          }
        }
        const pattern = axisPattern(axis, transposed, tile);
        const found = new Set<string>();
        for (let at = 0; at < pattern.tiles; at++) {
          for (const { t, k, offset } of pattern.taps) {
            const [o, i] = [at * pattern.tile + t, at * pattern.step + offset];
            if (o < axis.output && i >= 0 && i < axis.input) found.add(`${o} ${i} ${k}`);
          }
        }
        expect(found).toEqual(expected);
        expect(pattern.tiles * pattern.tile).toBeGreaterThanOrEqual(axis.output);
      }),
    );
  });
});
