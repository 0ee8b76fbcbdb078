import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ExternalBytes } from '../../../ir/onnx/external.ts';
import { ExternalFolder } from '../../../ir/onnx/external-folder.ts';
import { readModelFile, writeModelFile } from '../../../ir/onnx/file.ts';
import { decodeMessage, encodeMessage } from '../../../ir/onnx/proto/codec.ts';
import { DataLocation, DataType, type MessageInit } from '../../../ir/onnx/proto/schema.ts';
import { readTensor, writeTensor } from '../../../ir/onnx/tensor.ts';
import { float32, type Tensor } from '../../../ir/tensor.ts';

let base: string;
let folder: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'suture-file-'));
  folder = join(base, 'model');
  mkdirSync(folder);
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const modelOf = (...tensors: readonly Tensor[]): MessageInit<'ModelProto'> => ({
  irVersion: 8n,
  opsetImport: [{ version: 17n }],
  graph: { output: [{ name: 'y' }], initializer: tensors.map((t, i) => writeTensor(t, `w${i}`)) },
});

describe('a model file', () => {
  const large = float32(
    [400],
    Array.from({ length: 400 }, (_, i) => i),
  );
  const small = float32([2], [1, 2]);

  test('is read as it was written', () => {
    const path = join(folder, 'm.onnx');
    writeModelFile(path, modelOf(large, small));
    const { model } = readModelFile(path);
    expect(model.graph?.initializer.map(proto => readTensor(proto))).toEqual([large, small]);
    expect(readdirSync(folder)).toEqual(['m.onnx']);
  });

  test('keeps large tensors beside it when it would be too large', () => {
    const path = join(folder, 'm.onnx');
    writeModelFile(path, modelOf(large, small, large), { maxBytes: 2000 });
    expect(readdirSync(folder).sort()).toEqual(['m.onnx', 'm.onnx.data']);
    expect(readFileSync(`${path}.data`)).toHaveLength(4096 + 1600);
    const { model, external } = readModelFile(path);
    const [first, second, third] = model.graph?.initializer ?? [];
    expect([first.dataLocation, second.dataLocation]).toEqual([DataLocation.EXTERNAL, undefined]);
    expect([first, second, third].map(proto => readTensor(proto, external))).toEqual([large, small, large]);
    external.close();
  });

  test('that cannot be written leaves nothing behind', () => {
    const path = join(folder, 'missing', 'm.onnx');
    expect(() => writeModelFile(path, modelOf(small))).toThrow(expect.objectContaining({ code: 'output-unwritable' }));
    mkdirSync(join(folder, 'taken.onnx'));
    expect(() => writeModelFile(join(folder, 'taken.onnx'), modelOf(large), { maxBytes: 1 })).toThrow(
      expect.objectContaining({ code: 'output-unwritable' }),
    );
    expect(readdirSync(folder).filter(name => name.endsWith('.tmp'))).toEqual([]);
  });

  test('that is not there, is a folder, or passes 2 GiB is refused in one sentence', () => {
    expect(() => readModelFile(join(folder, 'no.onnx'))).toThrow(/does not exist/);
    expect(() => readModelFile(folder)).toThrow(/is a folder/);
    const sparse = join(folder, 'huge.onnx');
    writeFileSync(sparse, '');
    truncateSync(sparse, 2 ** 31);
    expect(() => readModelFile(sparse)).toThrow(/2 GiB.*external data/);
  });
});

describe('external data', () => {
  const external = (entries: Readonly<Record<string, string>>) =>
    decodeMessage(
      'TensorProto',
      encodeMessage('TensorProto', {
        name: 'w',
        dims: [2n],
        dataType: DataType.FLOAT,
        dataLocation: DataLocation.EXTERNAL,
        externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
      }),
    );
  const read = (entries: Readonly<Record<string, string>>) => readTensor(external(entries), new ExternalFolder(folder));

  beforeEach(() => {
    writeFileSync(join(folder, 'w.bin'), new Uint8Array(new Float32Array([1, 2, 3]).buffer));
    writeFileSync(join(base, 'secret.bin'), new Uint8Array(64));
  });

  test('is read at its offset', () => {
    expect(read({ location: 'w.bin' })).toEqual(float32([2], [1, 2]));
    expect(read({ location: 'w.bin', offset: '4', length: '8' })).toEqual(float32([2], [2, 3]));
    symlinkSync(join(folder, 'w.bin'), join(folder, 'inside.bin'));
    expect(read({ location: 'inside.bin' })).toEqual(float32([2], [1, 2]));
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ['without a location', {}, /names no file/],
    ['that is missing', { location: 'no.bin' }, /'no\.bin', which is missing/],
    ['that is too short', { location: 'w.bin', offset: '8' }, /bytes 8 to 16 of 'w\.bin', which has only 12/],
    ['of another length', { location: 'w.bin', length: '4' }, /needs 8 bytes.*there are 4/],
    ['at a negative offset', { location: 'w.bin', offset: '-4' }, /offset is '-4'/],
    ['at an offset that is no number', { location: 'w.bin', offset: '1e99' }, /offset is '1e99'/],
    ['outside the folder', { location: '../secret.bin' }, /only files inside/],
    ['outside by a detour', { location: 'x/../../secret.bin' }, /only files inside/],
    ['outside in the way of Windows', { location: '..\\secret.bin' }, /only files inside/],
    ['at an absolute path', { location: '/etc/hostname' }, /only files inside/],
    ['on a drive', { location: 'C:\\w.bin' }, /only files inside/],
    ['that is the folder', { location: '.' }, /only files inside/],
    ['with a NUL', { location: 'w.bin\0' }, /only files inside/],
  ])('%s is refused', (_, entries, message) => {
    expect(() => read(entries)).toThrow(message);
    expect(() => read(entries)).toThrow(expect.objectContaining({ code: 'model-external-data' }));
  });

  test('is read from bytes in the same way', () => {
    const elements = new Uint8Array(new Float32Array([1, 2, 3]).buffer);
    const given = new ExternalBytes(new Map([['w.bin', elements]]));
    const readGiven = (entries: Readonly<Record<string, string>>) => readTensor(external(entries), given);
    const first = readGiven({ location: 'w.bin' });
    expect(first).toEqual(float32([2], [1, 2]));
    elements.fill(0);
    expect(first).toEqual(float32([2], [1, 2]));
    expect(() => readGiven({ location: 'no.bin' })).toThrow(/'no\.bin', which is missing/);
    expect(() => readGiven({ location: 'w.bin', offset: '8' })).toThrow(/which has only 12/);
    expect(() => readGiven({ location: '../w.bin' })).toThrow(/only files inside/);
  });

  test('behind a link out of the folder is refused', () => {
    symlinkSync(join(base, 'secret.bin'), join(folder, 'link.bin'));
    symlinkSync(base, join(folder, 'up'));
    expect(() => read({ location: 'link.bin' })).toThrow(/a link out of/);
    expect(() => read({ location: 'up/secret.bin' })).toThrow(/a link out of/);
    mkdirSync(join(folder, 'sub'));
    expect(() => read({ location: 'sub' })).toThrow(/is no file/);
  });

  test('needs the model\u2019s folder', () => {
    expect(() => readTensor(external({ location: 'w.bin' }))).toThrow(/import the model by its path/);
  });
});
