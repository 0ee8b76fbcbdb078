/**
 * Matrix products for GPUs: workgroup-memory tiles, four by four elements per invocation. Both operands are read through
 * functions, so that a convolution is the same kernel with another way to read its input (an implicit product).
 */
import { product, range } from '../../ir/numbers.ts';
import type { Candidate, KernelContext, KernelPlan } from './kernel.ts';
import { matricesOf, type Pieces, pieceRange, piecesOfSum, productPlan, storeProduct } from './matmul-parts.ts';
import { type MatMulSpec, matmulLabel } from './matmul-spec.ts';
import { type Entry, ModuleBuilder } from './module.ts';
import { add, ceilDiv, foldGrid, times, u32, unravel } from './wgsl.ts';

/** The tile that a workgroup computes from workgroup memory, and what of it an invocation computes. */
export interface WorkgroupTile {
  readonly rows: number;
  readonly columns: number;
  /** Terms of the sum that lie in workgroup memory at a time. */
  readonly depth: number;
  /** Rows and columns of an invocation, in fours. */
  readonly quadRows: number;
  readonly quadColumns: number;
}

export const tileName = ({ rows, columns, depth, quadRows, quadColumns }: WorkgroupTile): string =>
  `${rows}x${columns}x${depth} by ${4 * quadRows}x${4 * quadColumns}`;

const threadsOf = (tile: WorkgroupTile): number =>
  (tile.rows / (4 * tile.quadRows)) * (tile.columns / (4 * tile.quadColumns));

/** Bytes of workgroup memory that a tile takes. */
const tileBytes = ({ rows, columns, depth }: WorkgroupTile): number => (rows + columns) * depth * 4;

/** The smallest tile size that covers an extent, or the largest there is. */
const sizeFor = (extent: number, largest = 64): number => {
  let size = 8;
  while (size < extent && size < largest) size *= 2;
  return size;
};

/** The tile that needs no measuring: small ones where there are few rows or columns, so that no lane is idle. */
function standardTile(m: number, n: number): WorkgroupTile {
  const rows = sizeFor(m);
  const columns = rows < 64 ? Math.max(sizeFor(n), Math.min(64, (rows <= 16 ? 2 : 1) * sizeFor(n))) : sizeFor(n);
  return { rows, columns, depth: 16, quadRows: 1, quadColumns: 1 };
}

/** What else is worth measuring, as rows, columns, depth, and the fours of an invocation. */
const otherTiles = [
  [128, 128, 16, 2, 2],
  [128, 64, 16, 2, 2],
  [64, 128, 16, 2, 2],
  [64, 64, 16, 1, 1],
  [64, 64, 16, 2, 1],
  [64, 64, 32, 1, 1],
  [64, 32, 16, 1, 1],
  [32, 64, 16, 1, 1],
  [32, 128, 16, 1, 2],
  [32, 32, 32, 1, 1],
  [16, 128, 16, 1, 1],
  [16, 64, 32, 1, 1],
  [8, 128, 16, 1, 1],
] as const;

/** Tiles that fit a product and the device, the standard one first. */
export function workgroupTiles(m: number, n: number, { limits }: KernelContext): readonly WorkgroupTile[] {
  const standard = standardTile(m, n);
  const others = otherTiles
    .map(([rows, columns, depth, quadRows, quadColumns]) => ({ rows, columns, depth, quadRows, quadColumns }))
    .filter(
      tile =>
        tileName(tile) !== tileName(standard) &&
        tile.rows <= sizeFor(m, 128) &&
        tile.columns <= sizeFor(n, 128) &&
        tileBytes(tile) <= limits.maxComputeWorkgroupStorageSize &&
        threadsOf(tile) <= limits.maxComputeInvocationsPerWorkgroup,
    );
  return [standard, ...others];
}

/** Pieces of the sum of `m` by `n` elements in each of `batch` products. */
export function tiledPieces(m: number, n: number, k: number, batch: number): Pieces {
  const { rows, columns } = standardTile(m, n);
  return piecesOfSum(k, ceilDiv(m, rows) * ceilDiv(n, columns) * batch, 128, 256, 32);
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

/** Statements that compute one tile for k from `begin` to `end`: row `r` of an invocation into `sum<r>_<j>`, four columns each. */
export function tiledLoop(
  builder: ModuleBuilder,
  body: TiledBody,
): { readonly lines: string[]; readonly threads: number } {
  const { m, n, tile } = body;
  const { rows, columns, depth, quadRows, quadColumns } = tile;
  const threads = threadsOf(tile);
  const across = columns / (4 * quadColumns);
  const down = rows / (4 * quadRows);
  builder.declare(`var<workgroup> tileA: array<vec4<f32>, ${(rows / 4) * depth}>;`);
  builder.declare(`var<workgroup> tileB: array<vec4<f32>, ${(columns / 4) * depth}>;`);
  const lines = [
    `let threadRow = lid / ${u32(across)};`,
    `let threadColumn = lid % ${u32(across)};`,
    ...body.prologue,
    ...range(4 * quadRows).flatMap(i => range(quadColumns).map(j => `var sum${i}_${j} = vec4<f32>();`)),
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
        const lane = 'xyzw'[i];
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
  // An invocation's fours lie a whole row (column) of invocations apart, so that neighbours read neighbouring vectors.
  for (const i of range(quadRows)) {
    lines.push(`    let a${i} = tileA[kk * ${u32(rows / 4)} + ${add('threadRow', u32(i * down))}];`);
  }
  for (const j of range(quadColumns)) {
    lines.push(`    let b${j} = tileB[kk * ${u32(columns / 4)} + ${add('threadColumn', u32(j * across))}];`);
  }
  for (const i of range(4 * quadRows)) {
    const a = `a${i >> 2}.${'xyzw'[i & 3]}`;
    for (const j of range(quadColumns)) lines.push(`    sum${i}_${j} = fma(vec4<f32>(${a}), b${j}, sum${i}_${j});`);
  }
  lines.push('  }');
  lines.push('  workgroupBarrier();');
  lines.push('}');
  return { lines, threads };
}

/** Statements that store the elements of an invocation. */
export function tiledStore(
  body: Pick<TiledBody, 'm' | 'n' | 'tile'>,
  store: (value: string, row: string, column: string) => string,
): string[] {
  const { m, n, tile } = body;
  const { quadRows, quadColumns } = tile;
  const lines: string[] = [];
  for (const i of range(quadRows)) {
    lines.push(`let row${i} = firstRow + threadRow * 4u + ${u32((i * tile.rows) / quadRows)};`);
  }
  for (const j of range(quadColumns)) {
    lines.push(`let column${j} = firstColumn + threadColumn * 4u + ${u32((j * tile.columns) / quadColumns)};`);
  }
  for (const r of range(4 * quadRows)) {
    for (const c of range(4 * quadColumns)) {
      const row = add(`row${r >> 2}`, u32(r & 3));
      const column = add(`column${c >> 2}`, u32(c & 3));
      const guards: string[] = [];
      if (m % tile.rows !== 0) guards.push(`${row} < ${u32(m)}`);
      if (n % tile.columns !== 0) guards.push(`${column} < ${u32(n)}`);
      const statement = store(`sum${r}_${c >> 2}.${'xyzw'[c & 3]}`, row, column);
      lines.push(guards.length > 0 ? `if (${guards.join(' && ')}) { ${statement} }` : statement);
    }
  }
  return lines;
}

/** The grid of a tiled product and the statements that find a workgroup's place in it. */
export function tiledGrid(
  shape: { readonly m: number; readonly n: number; readonly batch: number; readonly pieces: Pieces },
  tile: WorkgroupTile,
  context: KernelContext,
) {
  const rowTiles = ceilDiv(shape.m, tile.rows);
  const columnTiles = ceilDiv(shape.n, tile.columns);
  const groups = rowTiles * columnTiles * shape.batch * shape.pieces.count;
  const grid = foldGrid(groups, context.limits);
  // Which workgroup this is is the same for all its invocations, so that a whole group may leave before a barrier.
  const [split, element, row, column] = unravel('group', [shape.pieces.count, shape.batch, rowTiles, columnTiles]);
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
export const tiledEntry = (threads: number, lines: readonly string[]): Entry => ({
  workgroup: threads,
  group: 'wid',
  local: 'lid',
  body: lines.map(line => `  ${line}`).join('\n'),
});

export function tiledProducts(spec: MatMulSpec, context: KernelContext): readonly Candidate[] {
  const { m, n, k } = spec;
  const pieces = tiledPieces(m, n, k, product(spec.batch));
  return workgroupTiles(m, n, context).map(tile => ({
    name: tileName(tile),
    plan: () => tiledProduct(spec, tile, pieces, context),
  }));
}

function tiledProduct(spec: MatMulSpec, tile: WorkgroupTile, pieces: Pieces, context: KernelContext): KernelPlan {
  const { m, n, k } = spec;
  const batch = product(spec.batch);
  const builder = new ModuleBuilder();
  // Four neighbours along a row (a column of A) are one load where every matrix row starts on a vector.
  const vectors = (unit: number, other: number, length: number, batchStrides: readonly number[]) =>
    unit === 1 && [other, length, ...batchStrides].every(stride => stride % 4 === 0);
  const aVectors = vectors(spec.a.row, spec.a.column, m, spec.a.batch);
  const bVectors = vectors(spec.b.column, spec.b.row, n, spec.b.batch);
  builder.bind('a', { kind: 'input', index: 0 }, aVectors ? 'vec4<f32>' : 'f32');
  builder.bind('b', { kind: 'input', index: 1 }, bVectors ? 'vec4<f32>' : 'f32');
  const store = storeProduct(builder, spec, pieces, context);
  const place = tiledGrid({ m, n, batch, pieces }, tile, context);
  const body: TiledBody = {
    m,
    n,
    tile,
    prologue: [...matricesOf(spec), ...pieceRange(k, pieces)],
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
  const entry = tiledEntry(threads, [...place.lines, ...lines, ...tiledStore(body, store)]);
  return productPlan(spec, pieces, builder.dispatch(matmulLabel(spec), place.workgroups, entry), context);
}
