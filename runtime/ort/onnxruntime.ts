/** ONNX Runtime, loaded when it is first needed. */
import { createRequire } from 'node:module';
import type * as OnnxRuntime from 'onnxruntime-common';
import { nativeEntry, nativeMissing } from '../package.ts';

let loaded: typeof OnnxRuntime | undefined;

/**
 * ONNX Runtime's own interface.
 *
 * @throws SutureError `native-missing` where it is not there for this platform.
 */
export function onnxRuntime(): typeof OnnxRuntime {
  if (loaded !== undefined) return loaded;
  const entry = nativeEntry('onnxruntime-node');
  try {
    loaded = createRequire(import.meta.url)(entry) as typeof OnnxRuntime;
  } catch (cause) {
    throw nativeMissing('onnxruntime-node', cause);
  }
  return loaded;
}
