/** The graph: values, types, operators, verification, printing, ONNX in and out as bytes. Imports nothing above it, and nothing of Node. */
export { GraphBuilder, type NodeOptions } from './builder.ts';
export * from './dim.ts';
export { type ErrorCode, errorCodes, printable, SutureError, someOf } from './errors.ts';
export * from './graph.ts';
export { type ExportOptions, exportModel, exportOnnx } from './onnx/export.ts';
export { type Imported, type ImportOptions, importModel } from './onnx/import.ts';
export type { ImportWarning, ImportWarningCode } from './onnx/report.ts';
export { isElementwise, isOpName, isSutureOp, macsOf, type OpName, operators, specOf } from './ops/index.ts';
export { type PrintOptions, print } from './print.ts';
export { inline, type Replacement, rewrite } from './rewrite.ts';
export * from './tensor.ts';
export * from './type.ts';
export { verify } from './verify.ts';
export { ancestors, descendants } from './walk.ts';
