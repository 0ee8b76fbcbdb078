/**
 * `TensorProto` ↔ the IR's `Tensor`.
 *
 * A tensor of a file keeps its elements in one of three places: `raw_data` (little-endian bytes), one of the typed fields
 * (`float_data`, `int32_data`, …), or a file beside the model (`external.ts`).
 */
import { printable, SutureError } from '../errors.ts';
import { MOST_AXES } from '../operator.ts';
import { arrayFor, bytesOf, type Tensor, type TensorData, tensor } from '../tensor.ts';
import { bytesPerElement, type DType, dtypes } from '../type.ts';
import { type ExternalSource, externalBytes } from './external.ts';
import { exactNumber } from './proto/codec.ts';
import { DataLocation, DataType, dataTypeName, type MessageInit, type TensorProto } from './proto/schema.ts';

/** The IR's dtypes as `TensorProto.DataType`. */
export const dataTypeOf: Readonly<Record<DType, number>> = {
  float32: DataType.FLOAT,
  float16: DataType.FLOAT16,
  bfloat16: DataType.BFLOAT16,
  float64: DataType.DOUBLE,
  int8: DataType.INT8,
  int16: DataType.INT16,
  int32: DataType.INT32,
  int64: DataType.INT64,
  uint8: DataType.UINT8,
  uint16: DataType.UINT16,
  uint32: DataType.UINT32,
  uint64: DataType.UINT64,
  bool: DataType.BOOL,
};

/** The IR's dtype of a `TensorProto.DataType`; undefined for strings, complex numbers and floats or ints below 8 bits. */
export function dtypeOf(dataType: number): DType | undefined {
  return dtypes.find(dtype => dataTypeOf[dtype] === dataType);
}

/** The typed field that holds elements of a dtype where `raw_data` does not, and what fits into it. */
const typedFields = {
  float32: { field: 'floatData' },
  float64: { field: 'doubleData' },
  int64: { field: 'int64Data' },
  uint64: { field: 'uint64Data' },
  uint32: { field: 'uint64Data', least: 0, most: 2 ** 32 - 1 },
  int32: { field: 'int32Data', least: -(2 ** 31), most: 2 ** 31 - 1 },
  int16: { field: 'int32Data', least: -(2 ** 15), most: 2 ** 15 - 1 },
  int8: { field: 'int32Data', least: -128, most: 127 },
  uint16: { field: 'int32Data', least: 0, most: 2 ** 16 - 1 },
  uint8: { field: 'int32Data', least: 0, most: 255 },
  bool: { field: 'int32Data', least: 0, most: 1 },
  // Both hold the bits of an element, not its value.
  float16: { field: 'int32Data', least: 0, most: 2 ** 16 - 1 },
  bfloat16: { field: 'int32Data', least: 0, most: 2 ** 16 - 1 },
} as const satisfies Record<DType, { field: keyof TensorProto; least?: number; most?: number }>;

const storageFields = ['floatData', 'int32Data', 'stringData', 'int64Data', 'doubleData', 'uint64Data'] as const;

const unreadable = (message: string): SutureError => new SutureError('model-unreadable', message);

/** `Tensor 'conv1.weight'`, or what the caller calls a tensor without a name. */
const describe = (proto: TensorProto, what: string): string =>
  proto.name ? `${what} '${printable(proto.name)}'` : what;

/**
 * The shape of a tensor of a file.
 *
 * @throws SutureError `model-unreadable` for a dim that is negative or too large.
 */
function shapeOf(proto: TensorProto, what = 'Tensor'): readonly number[] {
  if (proto.dims.length > MOST_AXES) {
    throw unreadable(`${describe(proto, what)} has ${proto.dims.length} axes; ${MOST_AXES} are the most.`);
  }
  const shape = proto.dims.map(dim => exactNumber(dim) ?? -1);
  let count = 1;
  for (const dim of shape) count = dim < 0 ? Number.NaN : count * dim;
  if (Number.isSafeInteger(count)) return shape;
  throw unreadable(`${describe(proto, what)} has the impossible shape [${proto.dims.join(', ')}].`);
}

/**
 * The elements of a tensor of a file. Aligned `raw_data` is not copied: the result then views the file's bytes, which
 * must not change any more.
 *
 * @param source where external data is read from; without one, external data is refused.
 * @param what what the tensor is, for errors: `Initializer`, `The value of Constant node 'c1'`.
 * @throws SutureError `model-unsupported` for a dtype that the IR has not, `model-unreadable` when the elements are not
 * as many as the shape says or out of range, `model-external-data` when they can't be read.
 */
export function readTensor(proto: TensorProto, source?: ExternalSource, what = 'Tensor'): Tensor {
  const dtype = dtypeOf(proto.dataType ?? DataType.UNDEFINED);
  const named = describe(proto, what);
  if (dtype === undefined) {
    throw new SutureError(
      'model-unsupported',
      `${named} has the element type ${dataTypeName(proto.dataType ?? DataType.UNDEFINED)}, which is not supported: supported are ${dtypes.join(', ')}.`,
    );
  }
  if (proto.segment !== undefined) throw unreadable(`${named} is stored in segments, which no exporter writes.`);
  const shape = shapeOf(proto, what);
  const count = shape.reduce((a, b) => a * b, 1);
  const size = count * bytesPerElement[dtype];

  if (proto.dataLocation === DataLocation.EXTERNAL) {
    return fromBytes(dtype, shape, externalBytes(proto.externalData, size, source, named), named);
  }
  const filled: readonly string[] = storageFields.filter(field => proto[field].length > 0);
  if (proto.rawData !== undefined && (proto.rawData.length > 0 || filled.length === 0)) {
    if (filled.length > 0) throw unreadable(`${named} keeps its elements twice, in raw_data and in ${filled[0]}.`);
    if (proto.rawData.byteLength !== size) {
      throw unreadable(
        `${named} of type ${dtype} and shape [${shape.join(', ')}] needs ${size} bytes, but the file holds ${proto.rawData.byteLength}.`,
      );
    }
    return fromBytes(dtype, shape, proto.rawData, named);
  }
  const { field } = typedFields[dtype];
  if (filled.length > 1 || (filled.length === 1 && filled[0] !== field)) {
    throw unreadable(`${named} of type ${dtype} keeps elements in ${filled.join(' and ')}, but ${field} was expected.`);
  }
  if (proto[field].length !== count) {
    throw unreadable(
      `${named} of type ${dtype} and shape [${shape.join(', ')}] needs ${count} elements, but the file holds ${proto[field].length}.`,
    );
  }
  return tensor(dtype, shape, fromTyped(dtype, proto, named));
}

function fromBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array, named: string): Tensor {
  const width = bytesPerElement[dtype];
  let data: TensorData;
  if (bytes.byteOffset % width === 0) {
    const view = arrayFor(dtype, 0).constructor as new (
      buffer: ArrayBufferLike,
      offset: number,
      length: number,
    ) => TensorData;
    data = new view(bytes.buffer, bytes.byteOffset, bytes.byteLength / width);
  } else {
    data = arrayFor(dtype, bytes.byteLength / width);
    new Uint8Array(data.buffer).set(bytes);
  }
  if (dtype === 'bool' && (data as Uint8Array).some(byte => byte > 1)) {
    throw unreadable(`${named} of type bool has bytes other than 0 and 1.`);
  }
  return tensor(dtype, shape, data);
}

function fromTyped(dtype: DType, proto: TensorProto, named: string): TensorData {
  const spec: {
    readonly field: (typeof typedFields)[DType]['field'];
    readonly least?: number;
    readonly most?: number;
  } = typedFields[dtype];
  const values = proto[spec.field];
  const data = arrayFor(dtype, values.length);
  for (const [i, value] of values.entries()) {
    if (spec.least !== undefined && spec.most !== undefined && (value < spec.least || value > spec.most)) {
      throw unreadable(`${named} of type ${dtype} has the element ${value}, which is out of its range.`);
    }
    data[i] = dtype === 'uint32' ? Number(value) : value;
  }
  return data;
}

/** A tensor as a message of a file: its elements as `raw_data`, which views the tensor's memory. */
export function writeTensor(t: Tensor, name?: string): MessageInit<'TensorProto'> {
  return {
    dims: t.shape.map(BigInt),
    dataType: dataTypeOf[t.dtype],
    ...(name === undefined ? {} : { name }),
    rawData: bytesOf(t),
  };
}
