/**
 * Matrix products for GPUs: workgroup-memory tiles, four by four elements per invocation. Both operands are read through
 * functions, so that a convolution is the same kernel with another way to read its input (an implicit product).
 */
import type { Dispatch, Epilogue, KernelContext, KernelPlan } from './kernel.ts';
import { type MatMulSpec, matmulLabel, matmulMacs, splitsOf } from './matmul.ts';
import { storeProduct, sumPieces } from './matmul-store.ts';
import { add, ceilDiv, foldGrid, ModuleBuilder, product, range, times, u32, unravel } from './wgsl.ts';

/** Rows, columns and depth of the tile that a workgroup computes from workgroup memory. */
export interface WorkgroupTile {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
}

/** The tile of a product: small ones where there are few rows or columns, so that no lane is idle. */
export function chooseWorkgroupTile(m: number, n: number): WorkgroupTile {
  const sizeFor = (size: number) => (size > 32 ? 64 : size > 16 ? 32 : size > 8 ? 16 : 8);
  const rows = sizeFor(m);
  const columns = Math.max(sizeFor(n), rows < 64 ? Math.min(64, (rows <= 16 ? 2 : 1) * sizeFor(n)) : sizeFor(n));
  return { rows, columns, depth: 16 };
}

/** A product whose operands are read element by element through expressions. */
export interface TiledBody {
  readonly m: number;
  readonly n: number;
  readonly tile: WorkgroupTile;
  /** Statements before the loop; `element` (the flat batch index), `firstRow`, `firstColumn`, `lid` are in scope. */
  readonly prologue: readonly string[];
  /** The expression of A at `row`, `k`, both in range. */
  readonly a: (row: string, k: string) => string;
  /** The expression of B at `k`, `column`, both in range. */
  readonly b: (k: string, column: string) => string;
  /** The expression of four rows of A at `k` from `row` on, or of four columns of B, where memory holds them as vectors. */
  readonly aQuad?: ((row: string, k: string) => string) | undefined;
  readonly bQuad?: ((k: string, column: string) => string) | undefined;
  /** Whether neighbours in memory are neighbours along k (then invocations load along k), for A and for B. */
  readonly alongK: { readonly a: boolean; readonly b: boolean };
}

/** Statements that compute one tile into `sum0` to `sum3`, four columns each, for k from `begin` to `end`. */
export function tiledLoop(
  builder: ModuleBuilder,
  body: TiledBody,
): { readonly lines: string[]; readonly threads: number } {
  const { m, n, tile } = body;
  const { rows, columns, depth } = tile;
  const threads = (rows / 4) * (columns / 4);
  builder.declare(`var<workgroup> tileA: array<vec4<f32>, ${(rows / 4) * depth}>;`);
  builder.declare(`var<workgroup> tileB: array<vec4<f32>, ${(columns / 4) * depth}>;`);
  const lines = [
    `let threadRow = lid / ${u32(columns / 4)};`,
    `let threadColumn = lid % ${u32(columns / 4)};`,
    ...body.prologue,
    ...range(4).map(i => `var sum${i} = vec4<f32>();`),
    `for (var k0 = begin; k0 < end; k0 += ${u32(depth)}) {`,
  ];
  // Each slot of a tile holds four rows (columns) at one k; the invocations fill the slots in the order of memory.
  const fill = (name: 'A' | 'B', size: number, limit: number, first: string, along: boolean) => {
    const quads = size / 4;
    const slots = quads * depth;
    lines.push(`  for (var slot = lid; slot < ${u32(slots)}; slot += ${u32(threads)}) {`);
    lines.push(`    let kk = slot ${along ? '%' : '/'} ${u32(along ? depth : quads)};`);
    lines.push(`    let quad = slot ${along ? '/' : '%'} ${u32(along ? depth : quads)};`);
    lines.push('    let k = k0 + kk;');
    lines.push('    var values = vec4<f32>();');
    lines.push('    if (k < end) {');
    const quad = name === 'A' ? body.aQuad?.('at', 'k') : body.bQuad?.('k', 'at');
    if (quad !== undefined) {
      // Rows (columns) come in whole quads, so that one comparison decides for all four.
      lines.push(`      let at = ${first} + quad * 4u;`);
      lines.push(
        limit % size === 0 ? `      values = ${quad};` : `      if (at < ${u32(limit)}) { values = ${quad}; }`,
      );
    } else {
      for (const i of range(4)) {
        lines.push(`      let at${i} = ${first} + quad * 4u + ${u32(i)};`);
        const read = name === 'A' ? body.a(`at${i}`, 'k') : body.b('k', `at${i}`);
        const lane = 'xyzw'[i]!;
        lines.push(
          limit % size === 0
            ? `      values.${lane} = ${read};`
            : `      if (at${i} < ${u32(limit)}) { values.${lane} = ${read}; }`,
        );
      }
    }
    lines.push('    }');
    lines.push(`    tile${name}[kk * ${u32(quads)} + quad] = values;`);
    lines.push('  }');
  };
  fill('A', rows, m, 'firstRow', body.alongK.a);
  fill('B', columns, n, 'firstColumn', body.alongK.b);
  lines.push('  workgroupBarrier();');
  lines.push(`  for (var kk = 0u; kk < ${u32(depth)}; kk++) {`);
  lines.push(`    let av = tileA[kk * ${u32(rows / 4)} + threadRow];`);
  lines.push(`    let bv = tileB[kk * ${u32(columns / 4)} + threadColumn];`);
  range(4).forEach(i => {
    lines.push(`    sum${i} = fma(vec4<f32>(av.${'xyzw'[i]!}), bv, sum${i});`);
  });
  lines.push('  }');
  lines.push('  workgroupBarrier();');
  lines.push('}');
  return { lines, threads };
}

/** Statements that store the sixteen elements of an invocation. */
export function tiledStore(
  body: Pick<TiledBody, 'm' | 'n' | 'tile'>,
  store: (value: string, row: string, column: string) => string,
): string[] {
  const { m, n, tile } = body;
  const lines = ['let row = firstRow + threadRow * 4u;', 'let column = firstColumn + threadColumn * 4u;'];
  for (const r of range(4)) {
    for (const c of range(4)) {
      const guards: string[] = [];
      if (m % tile.rows !== 0) guards.push(`row + ${u32(r)} < ${u32(m)}`);
      if (n % tile.columns !== 0) guards.push(`column + ${u32(c)} < ${u32(n)}`);
      const statement = store(`sum${r}.${'xyzw'[c]!}`, add('row', u32(r)), add('column', u32(c)));
      lines.push(guards.length > 0 ? `if (${guards.join(' && ')}) { ${statement} }` : statement);
    }
  }
  return lines;
}

/** The grid of a tiled product and the statements that find a workgroup's place in it. */
export function tiledGrid(
  shape: { readonly m: number; readonly n: number; readonly batch: number; readonly pieces: number },
  tile: WorkgroupTile,
  context: KernelContext,
) {
  const rowTiles = ceilDiv(shape.m, tile.rows);
  const columnTiles = ceilDiv(shape.n, tile.columns);
  const groups = rowTiles * columnTiles * shape.batch * shape.pieces;
  const grid = foldGrid(groups, context.limits);
  // Which workgroup this is is the same for all its invocations, so that a whole group may leave before a barrier.
  const [split, element, row, column] = unravel('group', [shape.pieces, shape.batch, rowTiles, columnTiles]);
  const lines = [
    `let group = ${grid.flat('wid')};`,
    ...(grid.padded ? [`if (group >= ${u32(groups)}) { return; }`] : []),
    `let split = ${split};`,
    `let element = ${element};`,
    `let firstRow = (${row}) * ${u32(tile.rows)};`,
    `let firstColumn = (${column}) * ${u32(tile.columns)};`,
  ];
  return { workgroups: grid.workgroups, lines };
}

/** The module's entry point. */
export function tiledMain(threads: number, lines: readonly string[]): string {
  return `@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
${lines.map(line => `  ${line}`).join('\n')}
}`;
}

export function tiledProduct(spec: MatMulSpec, context: KernelContext, epilogue?: Epilogue): KernelPlan {
  const { m, n, k } = spec;
  const tile = chooseWorkgroupTile(m, n);
  const batch = product(spec.batch);
  const tiles = ceilDiv(m, tile.rows) * ceilDiv(n, tile.columns) * batch;
  const splits = splitsOf(k, tiles, 128, 256);
  const piece = Math.max(1, ceilDiv(ceilDiv(k, splits), tile.depth)) * tile.depth;
  const pieces = Math.max(1, ceilDiv(k, piece));

  const builder = new ModuleBuilder();
  // Four neighbours along a row (a column of A) are one load where every matrix row starts on a vector.
  const vectors = (unit: number, other: number, length: number, batchStrides: readonly number[]) =>
    unit === 1 && [other, length, ...batchStrides].every(stride => stride % 4 === 0);
  const aVectors = vectors(spec.a.row, spec.a.column, m, spec.a.batch);
  const bVectors = vectors(spec.b.column, spec.b.row, n, spec.b.batch);
  builder.bind('a', { kind: 'input', index: 0 }, aVectors ? 'vec4<f32>' : 'f32');
  builder.bind('b', { kind: 'input', index: 1 }, bVectors ? 'vec4<f32>' : 'f32');
  const store = storeProduct(builder, spec, pieces, epilogue);
  const place = tiledGrid({ m, n, batch, pieces }, tile, context);
  const base = (strides: readonly number[]) => add(...strides.map((stride, i) => times(`e${i}`, stride)));
  const body: TiledBody = {
    m,
    n,
    tile,
    prologue: [
      ...unravel('element', spec.batch).map((at, i) => `let e${i} = ${at};`),
      `let ab = ${base(spec.a.batch)};`,
      `let bb = ${base(spec.b.batch)};`,
      `let begin = ${pieces === 1 ? '0u' : `split * ${u32(piece)}`};`,
      `let end = ${pieces === 1 ? u32(k) : `min(begin + ${u32(piece)}, ${u32(k)})`};`,
    ],
    a: (row, at) => `a[${add('ab', times(row, spec.a.row), times(at, spec.a.column))}]`,
    b: (at, column) => `b[${add('bb', times(at, spec.b.row), times(column, spec.b.column))}]`,
    aQuad: aVectors
      ? (row, at) => `a[(${add('ab', times(row, spec.a.row), times(at, spec.a.column))}) / 4u]`
      : undefined,
    bQuad: bVectors
      ? (at, column) => `b[(${add('bb', times(at, spec.b.row), times(column, spec.b.column))}) / 4u]`
      : undefined,
    alongK: { a: spec.a.column === 1 && !aVectors, b: spec.b.column !== 1 },
  };
  const { lines, threads } = tiledLoop(builder, body);
  builder.declare(tiledMain(threads, [...place.lines, ...lines, ...tiledStore(body, store)]));
  const dispatch: Dispatch = {
    label: matmulLabel(spec),
    wgsl: builder.text(),
    workgroups: place.workgroups,
    operands: builder.operands,
    macs: matmulMacs(spec),
  };
  if (pieces === 1) return { dispatches: [dispatch], scratch: [] };
  return {
    dispatches: [dispatch, sumPieces(spec, pieces, context, epilogue)],
    scratch: [{ bytes: pieces * batch * m * n * 4, lifetime: 'run' }],
  };
}
