/** Import → export → ONNX Runtime gives the numbers of the file, and the checker of ONNX finds nothing. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dim, isStatic } from '../../../ir/dim.ts';
import { exportOnnx } from '../../../ir/onnx/export.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { print } from '../../../ir/print.ts';
import { tensorFromNumbers } from '../../../ir/tensor.ts';
import { verify } from '../../../ir/verify.ts';
import { differenceOf } from '../../conformance/difference.ts';
import { runInOnnxRuntime } from '../../conformance/onnxruntime.ts';

const list = (folder: string): string[] => {
  const path = fileURLToPath(new URL(folder, import.meta.url));
  if (!existsSync(path)) return [];
  return readdirSync(path).flatMap(name => (name.endsWith('.onnx') ? [join(path, name)] : []));
};

const files = [
  ...list('../../../fixtures/demo/'),
  ...list('../../../fixtures/models/'),
  ...list('../../../../shared/data/nuclei/'),
];

/** Shapes with the file's batch; a batch of two, where it is open. */
const sized = (shape: readonly Dim[]): number[] => shape.map(d => (isStatic(d) ? d : 2));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'suture-roundtrip-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('every model of the fixtures', () => {
  test.each(files.map(path => [basename(path), path]))('%s', async (name, path) => {
    const { graph } = importOnnx(path);
    const bytes = exportOnnx(verify(graph));
    writeFileSync(join(folder, name), bytes);
    const again = importOnnx(bytes).graph;
    expect(print(again)).toBe(print(graph));
    expect(again.nodes.map(node => node.name)).toEqual(graph.nodes.map(node => node.name));
    // Dropout that the file itself leaves on makes its own numbers random.
    if (name.includes('dropout_13')) return;
    const inputs = new Map(
      graph.inputs.map(input => {
        const shape = sized(input.type.shape);
        const count = shape.reduce((a, b) => a * b, 1);
        const values = Array.from({ length: count }, (_, i) => Math.sin(i * 0.37));
        return [input.name, tensorFromNumbers(input.type.dtype, shape, values)];
      }),
    );
    const [expected] = await runInOnnxRuntime(readFileSync(path), inputs);
    const [actual] = await runInOnnxRuntime(bytes, inputs);
    expect(differenceOf(actual, expected, { relative: 1e-5, absolute: 1e-6 })).toBeUndefined();
  });

  test('passes the checker in full', ({ skip }) => {
    const script = `
import glob, sys
try:
    import onnx
except ImportError:
    sys.exit(3)
for path in sorted(glob.glob(sys.argv[1] + '/*.onnx')):
    model = onnx.load(path)
    assert model.opset_import[0].version == 17 and model.ir_version == 8, path
    onnx.checker.check_model(model, full_check=True)
`;
    const run = (path: string) => spawnSync(path, ['-c', script, folder], { encoding: 'utf8' });
    const has = ({ status }: ReturnType<typeof run>): boolean => status !== null && status !== 3;
    const first = run('python3');
    const { status, stderr } = has(first) ? first : run('/usr/bin/python3');
    skip(status === null || status === 3, 'no Python has onnx');
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(readdirSync(folder).length).toBeGreaterThan(0);
  });
});
