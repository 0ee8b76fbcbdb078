/**
 * The ONNX messages, as one table: every message and field of onnx.proto up to IR version 13 (ONNX 1.20).
 *
 * `onnx-proto` holds the schema of ONNX 1.10 in compiled form; its decoder drops whatever it does not know. The table
 * below says the same fields under the same names (a test holds the two together) and completes them. The wire codec is
 * built from it by `codec.ts`, the TypeScript types of the messages are derived from it here: a field is stated once.
 *
 * Fields that are enumerations in onnx.proto are `int32` here, so that a value which this version does not know is kept
 * and can be named in an error.
 */
/** A field: its number, its type (a scalar or a message of the table), and whether it repeats. */
export type FieldSpec = readonly [id: number, type: string, rule?: 'repeated' | 'packed'];

/** Every message of an ONNX file. `packed` follows onnx.proto: other repeated scalars are written one by one. */
export const SCHEMA = {
  ModelProto: {
    irVersion: [1, 'int64'],
    producerName: [2, 'string'],
    producerVersion: [3, 'string'],
    domain: [4, 'string'],
    modelVersion: [5, 'int64'],
    docString: [6, 'string'],
    graph: [7, 'GraphProto'],
    opsetImport: [8, 'OperatorSetIdProto', 'repeated'],
    metadataProps: [14, 'StringStringEntryProto', 'repeated'],
    trainingInfo: [20, 'TrainingInfoProto', 'repeated'],
    functions: [25, 'FunctionProto', 'repeated'],
    configuration: [26, 'DeviceConfigurationProto', 'repeated'],
  },
  GraphProto: {
    node: [1, 'NodeProto', 'repeated'],
    name: [2, 'string'],
    initializer: [5, 'TensorProto', 'repeated'],
    docString: [10, 'string'],
    input: [11, 'ValueInfoProto', 'repeated'],
    output: [12, 'ValueInfoProto', 'repeated'],
    valueInfo: [13, 'ValueInfoProto', 'repeated'],
    quantizationAnnotation: [14, 'TensorAnnotation', 'repeated'],
    sparseInitializer: [15, 'SparseTensorProto', 'repeated'],
    metadataProps: [16, 'StringStringEntryProto', 'repeated'],
  },
  NodeProto: {
    input: [1, 'string', 'repeated'],
    output: [2, 'string', 'repeated'],
    name: [3, 'string'],
    opType: [4, 'string'],
    attribute: [5, 'AttributeProto', 'repeated'],
    docString: [6, 'string'],
    domain: [7, 'string'],
    overload: [8, 'string'],
    metadataProps: [9, 'StringStringEntryProto', 'repeated'],
    deviceConfigurations: [10, 'NodeDeviceConfigurationProto', 'repeated'],
  },
  AttributeProto: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    s: [4, 'bytes'],
    t: [5, 'TensorProto'],
    g: [6, 'GraphProto'],
    floats: [7, 'float', 'repeated'],
    ints: [8, 'int64', 'repeated'],
    strings: [9, 'bytes', 'repeated'],
    tensors: [10, 'TensorProto', 'repeated'],
    graphs: [11, 'GraphProto', 'repeated'],
    docString: [13, 'string'],
    tp: [14, 'TypeProto'],
    typeProtos: [15, 'TypeProto', 'repeated'],
    type: [20, 'int32'],
    refAttrName: [21, 'string'],
    sparseTensor: [22, 'SparseTensorProto'],
    sparseTensors: [23, 'SparseTensorProto', 'repeated'],
  },
  TensorProto: {
    dims: [1, 'int64', 'repeated'],
    dataType: [2, 'int32'],
    segment: [3, 'TensorSegment'],
    floatData: [4, 'float', 'packed'],
    int32Data: [5, 'int32', 'packed'],
    stringData: [6, 'bytes', 'repeated'],
    int64Data: [7, 'int64', 'packed'],
    name: [8, 'string'],
    rawData: [9, 'bytes'],
    doubleData: [10, 'double', 'packed'],
    uint64Data: [11, 'uint64', 'packed'],
    docString: [12, 'string'],
    externalData: [13, 'StringStringEntryProto', 'repeated'],
    dataLocation: [14, 'int32'],
    metadataProps: [16, 'StringStringEntryProto', 'repeated'],
  },
  TensorSegment: { begin: [1, 'int64'], end: [2, 'int64'] },
  SparseTensorProto: {
    values: [1, 'TensorProto'],
    indices: [2, 'TensorProto'],
    dims: [3, 'int64', 'repeated'],
  },
  ValueInfoProto: {
    name: [1, 'string'],
    type: [2, 'TypeProto'],
    docString: [3, 'string'],
    metadataProps: [4, 'StringStringEntryProto', 'repeated'],
  },
  TypeProto: {
    tensorType: [1, 'TensorTypeProto'],
    sequenceType: [4, 'SequenceTypeProto'],
    mapType: [5, 'MapTypeProto'],
    denotation: [6, 'string'],
    opaqueType: [7, 'OpaqueTypeProto'],
    sparseTensorType: [8, 'TensorTypeProto'],
    optionalType: [9, 'OptionalTypeProto'],
  },
  TensorTypeProto: { elemType: [1, 'int32'], shape: [2, 'TensorShapeProto'] },
  SequenceTypeProto: { elemType: [1, 'TypeProto'] },
  OptionalTypeProto: { elemType: [1, 'TypeProto'] },
  MapTypeProto: { keyType: [1, 'int32'], valueType: [2, 'TypeProto'] },
  OpaqueTypeProto: { domain: [1, 'string'], name: [2, 'string'] },
  TensorShapeProto: { dim: [1, 'DimensionProto', 'repeated'] },
  DimensionProto: { dimValue: [1, 'int64'], dimParam: [2, 'string'], denotation: [3, 'string'] },
  FunctionProto: {
    name: [1, 'string'],
    input: [4, 'string', 'repeated'],
    output: [5, 'string', 'repeated'],
    attribute: [6, 'string', 'repeated'],
    node: [7, 'NodeProto', 'repeated'],
    docString: [8, 'string'],
    opsetImport: [9, 'OperatorSetIdProto', 'repeated'],
    domain: [10, 'string'],
    attributeProto: [11, 'AttributeProto', 'repeated'],
    valueInfo: [12, 'ValueInfoProto', 'repeated'],
    overload: [13, 'string'],
    metadataProps: [14, 'StringStringEntryProto', 'repeated'],
  },
  OperatorSetIdProto: { domain: [1, 'string'], version: [2, 'int64'] },
  StringStringEntryProto: { key: [1, 'string'], value: [2, 'string'] },
  TensorAnnotation: {
    tensorName: [1, 'string'],
    quantParameterTensorNames: [2, 'StringStringEntryProto', 'repeated'],
  },
  TrainingInfoProto: {
    initialization: [1, 'GraphProto'],
    algorithm: [2, 'GraphProto'],
    initializationBinding: [3, 'StringStringEntryProto', 'repeated'],
    updateBinding: [4, 'StringStringEntryProto', 'repeated'],
  },
  DeviceConfigurationProto: {
    name: [1, 'string'],
    numDevices: [2, 'int32'],
    device: [3, 'string', 'repeated'],
  },
  NodeDeviceConfigurationProto: {
    configurationId: [1, 'string'],
    shardingSpec: [2, 'ShardingSpecProto', 'repeated'],
    pipelineStage: [3, 'int32'],
  },
  ShardingSpecProto: {
    tensorName: [1, 'string'],
    device: [2, 'int64', 'repeated'],
    indexToDeviceGroupMap: [3, 'IntIntListEntryProto', 'repeated'],
    shardedDim: [4, 'ShardedDimProto', 'repeated'],
  },
  IntIntListEntryProto: { key: [1, 'int64'], value: [2, 'int64', 'repeated'] },
  ShardedDimProto: { axis: [1, 'int64'], simpleSharding: [2, 'SimpleShardedDimProto', 'repeated'] },
  SimpleShardedDimProto: { dimValue: [1, 'int64'], dimParam: [2, 'string'], numShards: [3, 'int64'] },
} as const satisfies Record<string, Record<string, FieldSpec>>;

type Schema = typeof SCHEMA;

/** The name of a message in the table. */
export type MessageName = keyof Schema;

/** What a scalar field holds. 64-bit integers are `bigint`: exact over 2^53. */
interface Scalars {
  readonly string: string;
  readonly bytes: Uint8Array;
  readonly int32: number;
  readonly float: number;
  readonly double: number;
  readonly int64: bigint;
  readonly uint64: bigint;
}

type Spec<M extends MessageName, F extends keyof Schema[M]> = Schema[M][F] extends FieldSpec ? Schema[M][F] : never;
type Repeats<S extends FieldSpec> = S extends readonly [number, string, 'repeated' | 'packed'] ? true : false;
type Decoded<T> = T extends keyof Scalars ? Scalars[T] : T extends MessageName ? Message<T> : never;
type Initial<T> = T extends keyof Scalars ? Scalars[T] : T extends MessageName ? MessageInit<T> : never;

/** A decoded message: repeated fields are always there (empty when the file says nothing), others only when said. */
export type Message<M extends MessageName> = {
  readonly [F in keyof Schema[M] as Repeats<Spec<M, F>> extends true ? F : never]: readonly Decoded<Spec<M, F>[1]>[];
} & {
  readonly [F in keyof Schema[M] as Repeats<Spec<M, F>> extends true ? never : F]?: Decoded<Spec<M, F>[1]>;
};

/** What a message is written from: a decoded message, or a plain object with any of its fields. */
export type MessageInit<M extends MessageName> = {
  readonly [F in keyof Schema[M]]?: Repeats<Spec<M, F>> extends true
    ? readonly Initial<Spec<M, F>[1]>[]
    : Initial<Spec<M, F>[1]>;
};

export type ModelProto = Message<'ModelProto'>;
export type GraphProto = Message<'GraphProto'>;
export type NodeProto = Message<'NodeProto'>;
export type AttributeProto = Message<'AttributeProto'>;
export type TensorProto = Message<'TensorProto'>;
export type ValueInfoProto = Message<'ValueInfoProto'>;
export type FunctionProto = Message<'FunctionProto'>;
export type StringStringEntryProto = Message<'StringStringEntryProto'>;

/** `TensorProto.DataType`: the element types that a file can name. */
export const DataType = {
  UNDEFINED: 0,
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  COMPLEX64: 14,
  COMPLEX128: 15,
  BFLOAT16: 16,
  // Since IR version 9
  FLOAT8E4M3FN: 17,
  FLOAT8E4M3FNUZ: 18,
  FLOAT8E5M2: 19,
  FLOAT8E5M2FNUZ: 20,
  // Since IR version 10
  UINT4: 21,
  INT4: 22,
  // Since IR version 11
  FLOAT4E2M1: 23,
  // Since IR version 12
  FLOAT8E8M0: 24,
  // Since IR version 13
  UINT2: 25,
  INT2: 26,
} as const;

/** `AttributeProto.AttributeType`: which of the value fields an attribute uses. */
export const AttributeType = {
  UNDEFINED: 0,
  FLOAT: 1,
  INT: 2,
  STRING: 3,
  TENSOR: 4,
  GRAPH: 5,
  FLOATS: 6,
  INTS: 7,
  STRINGS: 8,
  TENSORS: 9,
  GRAPHS: 10,
  SPARSE_TENSOR: 11,
  SPARSE_TENSORS: 12,
  TYPE_PROTO: 13,
  TYPE_PROTOS: 14,
} as const;

/** `TensorProto.DataLocation`: where a tensor's elements are. */
export const DataLocation = {
  DEFAULT: 0,
  EXTERNAL: 1,
} as const;

/** Name of an element type for a message to people, e.g. `FLOAT16`, or `type 99` when the number means nothing. */
export function dataTypeName(dataType: number): string {
  for (const [name, id] of Object.entries(DataType)) if (id === dataType) return name;
  return `type ${dataType}`;
}

/** Name of an attribute type for a message to people. */
export function attributeTypeName(type: number): string {
  for (const [name, id] of Object.entries(AttributeType)) if (id === type) return name;
  return `type ${type}`;
}
