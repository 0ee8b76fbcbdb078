/** Numbers over space, resized and cut by the book: what resizing in graphs is held against. */

export interface Field {
  readonly data: Float32Array<ArrayBuffer>;
  /** [C, spatial...]. */
  readonly shape: readonly number[];
}

const product = (extents: readonly number[]): number => extents.reduce((all, extent) => all * extent, 1);

/** Linear interpolation between the middles of places, axis by axis; beyond the outermost middles their values go on. */
export const resized = (field: Field, extents: readonly number[]): Field =>
  extents.reduce((now, extent, i) => along(now, i + 1, extent), field);

function along({ data, shape }: Field, axis: number, extent: number): Field {
  const length = shape[axis];
  const inner = product(shape.slice(axis + 1));
  const outer = product(shape.slice(0, axis));
  const result = new Float32Array(outer * extent * inner);
  for (let o = 0; o < outer; o++) {
    for (let to = 0; to < extent; to++) {
      const at = Math.min(Math.max(((to + 0.5) * length) / extent - 0.5, 0), length - 1);
      const [below, above] = [Math.floor(at), Math.ceil(at)];
      for (let i = 0; i < inner; i++) {
        const value = (k: number): number => data[(o * length + k) * inner + i];
        result[(o * extent + to) * inner + i] = value(below) + (value(above) - value(below)) * (at - below);
      }
    }
  }
  return { data: result, shape: shape.with(axis, extent) };
}

/** The first places of a field; where it has fewer, the last ones again. */
export function within({ data, shape }: Field, extents: readonly number[]): Field {
  const to = [shape[0], ...extents];
  const result = Float32Array.from({ length: product(to) }, (_, at) => {
    let [rest, from, step] = [at, 0, 1];
    for (let axis = to.length - 1; axis >= 0; axis--) {
      from += Math.min(rest % to[axis], shape[axis] - 1) * step;
      rest = Math.floor(rest / to[axis]);
      step *= shape[axis];
    }
    return data[from];
  });
  return { data: result, shape: to };
}
