/** What programs import as `suture/ir`: the graph, and model files on a disk. */
export * from './index.ts';
export { importOnnx, writeOnnx } from './onnx/file.ts';
