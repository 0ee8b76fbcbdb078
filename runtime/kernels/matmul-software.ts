/**
 * Matrix products with register tiles and without barriers, for software adapters: the lanes of a subgroup lie along the
 * columns, each invocation computes some rows and columns, and long sums over few elements are cut into pieces that a second
 * dispatch adds up. See `conv-direct.ts` for what is dear and what is cheap there.
 */
import { product, range } from '../../ir/numbers.ts';
import { expectedRuns } from './choice.ts';
import type { Candidate, KernelContext, KernelPlan } from './kernel.ts';
import { matricesOf, type Pieces, pieceRange, piecesOfSum, productPlan, storeProduct } from './matmul-parts.ts';
import { type MatMulSpec, matmulLabel } from './matmul-spec.ts';
import { ModuleBuilder } from './module.ts';
import { add, ceilDiv, foldGrid, times, u32, unravel } from './wgsl.ts';

interface RegisterTile {
  readonly rows: number;
  readonly columns: number;
}

/** Terms of the sum that one turn of the loop takes: as many as a quad loads at once. */
const unroll = 4;

/** Elements per invocation: beyond, SwiftShader spends its time on moving them. */
const largestTile = 64;

/** What four lanes take on SwiftShader, in nanoseconds: a load from a buffer, a multiplication with addition, the frame of an invocation. */
const cost = { load: 20, mac: 1.6, pass: 2.5, frame: 80 };

/** Processor time that SwiftShader takes to compile a tile of so many elements, in nanoseconds. */
const compileTime = (elements: number): number => (10 + 1.5 * elements + 0.03 * elements ** 2) * 1e6;

/** Sizes that are measured at most: each takes a compilation. */
const mostMeasured = 6;

/** Candidates whose model time is beyond this many times the best's are not worth measuring. */
const worthMeasuring = 1.5;

/** A tile, and what one run takes with it by the model above, in nanoseconds. */
interface TimedTile {
  readonly tile: RegisterTile;
  readonly run: number;
}

function registerTiles(spec: MatMulSpec, quads: boolean): readonly TimedTile[] {
  const found: TimedTile[] = [];
  for (const rows of [1, 2, 3, 4, 6, 8, 12, 16]) {
    for (const columns of [1, 2, 3, 4, 6, 8]) {
      if (rows * columns > largestTile || (rows > 1 && rows > spec.m)) continue;
      // A quad takes four elements of A with one load and passes them around.
      const rowLoads = quads ? rows * (cost.load / 4 + cost.pass) : rows * cost.load;
      const step = rowLoads + columns * cost.load + rows * columns * cost.mac;
      const quarter = ceilDiv(ceilDiv(spec.n, columns), 4);
      const each = spec.k * step + rows * columns * cost.load + cost.frame;
      found.push({ tile: { rows, columns }, run: product(spec.batch) * ceilDiv(spec.m, rows) * quarter * each });
    }
  }
  return found.sort((a, b) => a.run - b.run);
}

/** Those for which compiling and running take least, best first: small products get small tiles. */
function worthwhile(tiles: readonly TimedTile[]): readonly RegisterTile[] {
  const timed = tiles.map(({ tile, run }) => ({
    tile,
    cost: expectedRuns * run + compileTime(tile.rows * tile.columns),
  }));
  timed.sort((a, b) => a.cost - b.cost);
  return timed
    .filter(each => each.cost <= worthMeasuring * timed[0].cost)
    .slice(0, mostMeasured)
    .map(({ tile }) => tile);
}

/** How a product is laid out over workgroups. */
function layoutOf(spec: MatMulSpec, tile: RegisterTile) {
  const rowTiles = ceilDiv(spec.m, tile.rows);
  const columnLanes = ceilDiv(spec.n, tile.columns);
  const workgroup = columnLanes >= 64 ? 32 : Math.min(16, ceilDiv(columnLanes, 4) * 4);
  const columnGroups = ceilDiv(columnLanes, workgroup);
  return { rowTiles, workgroup, columnGroups, groups: columnGroups * rowTiles * product(spec.batch) };
}

export function registerProducts(spec: MatMulSpec, context: KernelContext): readonly Candidate[] {
  const tiles = registerTiles(spec, context.features.has('subgroups'));
  const pieces = piecesOfSum(spec.k, layoutOf(spec, tiles[0].tile).groups, 16, 256, unroll);
  return worthwhile(tiles).map(tile => ({
    name: `${tile.rows}x${tile.columns}`,
    plan: () => registerProduct(spec, tile, pieces, context),
  }));
}

function registerProduct(spec: MatMulSpec, tile: RegisterTile, pieces: Pieces, context: KernelContext): KernelPlan {
  const { m, n, k } = spec;
  const quads = context.features.has('subgroups');
  const batch = product(spec.batch);
  const { rowTiles, workgroup, columnGroups, groups: unsplit } = layoutOf(spec, tile);
  const groups = unsplit * pieces.count;
  const grid = foldGrid(groups, context.limits);

  const builder = new ModuleBuilder();
  if (quads) builder.enable('subgroups');
  builder.bind('a', { kind: 'input', index: 0 });
  builder.bind('b', { kind: 'input', index: 1 });
  const store = storeProduct(builder, spec, pieces, context);

  const lines: string[] = [];
  const emit = (line: string) => lines.push(`  ${line}`);
  const flat = grid.flat('wid');
  emit(`let group = ${grid.padded ? `min(${flat}, ${u32(groups - 1)})` : flat};`);
  const [piecePart, batchPart, rowPart, columnPart] = unravel('group', [pieces.count, batch, rowTiles, columnGroups]);
  emit(`let split = ${piecePart};`);
  emit(`let element = ${batchPart};`);
  emit(`let row = (${rowPart}) * ${u32(tile.rows)};`);
  emit(`let column = ((${columnPart}) * ${u32(workgroup)} + lid) * ${u32(tile.columns)};`);
  matricesOf(spec).forEach(emit);
  // Rows and columns beyond the edge repeat the last one; only the store leaves them out.
  const edge = (at: string, i: number, end: number, covered: number) =>
    end === covered ? add(at, u32(i)) : `min(${add(at, u32(i))}, ${u32(end - 1)})`;
  for (const r of range(tile.rows)) {
    emit(`let ar${r} = ab + (${edge('row', r, m, rowTiles * tile.rows)}) * ${u32(spec.a.row)};`);
  }
  for (const c of range(tile.columns)) {
    const at = edge('column', c, n, columnGroups * workgroup * tile.columns);
    emit(`let bc${c} = bb + (${at}) * ${u32(spec.b.column)};`);
  }
  for (const r of range(tile.rows)) for (const c of range(tile.columns)) emit(`var s${r}_${c} = 0.0;`);

  pieceRange(k, pieces).forEach(emit);
  emit('var k = begin;');
  emit(`for (; k + ${u32(unroll - 1)} < end; k += ${u32(unroll)}) {`);
  for (const r of range(tile.rows)) {
    if (quads) emit(`  let q${r} = a[ar${r} + ${times('(k + (lane & 3u))', spec.a.column)}];`);
  }
  for (const u of range(unroll)) {
    for (const c of range(tile.columns))
      emit(`  let b${c}_${u} = b[bc${c} + ${times(`(k + ${u32(u)})`, spec.b.row)}];`);
  }
  for (const r of range(tile.rows)) {
    for (const u of range(unroll)) {
      emit(
        quads
          ? `  let a${r}_${u} = quadBroadcast(q${r}, ${u}u);`
          : `  let a${r}_${u} = a[ar${r} + ${times(`(k + ${u32(u)})`, spec.a.column)}];`,
      );
    }
    for (const c of range(tile.columns)) {
      emit(`  s${r}_${c} = ${range(unroll).reduce((sum, u) => `fma(a${r}_${u}, b${c}_${u}, ${sum})`, `s${r}_${c}`)};`);
    }
  }
  emit('}');
  if (k % unroll !== 0) {
    emit('for (; k < end; k++) {');
    for (const c of range(tile.columns)) emit(`  let b${c} = b[bc${c} + ${times('k', spec.b.row)}];`);
    for (const r of range(tile.rows)) {
      emit(`  let a${r} = a[ar${r} + ${times('k', spec.a.column)}];`);
      for (const c of range(tile.columns)) emit(`  s${r}_${c} = fma(a${r}, b${c}, s${r}_${c});`);
    }
    emit('}');
  }

  if (grid.padded) emit(`if (${flat} < ${u32(groups)}) {`);
  for (const r of range(tile.rows)) {
    for (const c of range(tile.columns)) {
      const guards: string[] = [];
      if (m % tile.rows !== 0 && r > 0) guards.push(`row + ${u32(r)} < ${u32(m)}`);
      if (n !== columnGroups * workgroup * tile.columns) guards.push(`column + ${u32(c)} < ${u32(n)}`);
      const statement = store(`s${r}_${c}`, add('row', u32(r)), add('column', u32(c)));
      emit(guards.length > 0 ? `if (${guards.join(' && ')}) { ${statement} }` : statement);
    }
  }
  if (grid.padded) emit('}');

  const entry = { workgroup, group: 'wid', local: 'lid', lane: quads ? 'lane' : undefined, body: lines.join('\n') };
  return productPlan(spec, pieces, builder.dispatch(matmulLabel(spec), grid.workgroups, entry), context);
}
