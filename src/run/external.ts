/** The external data of a model file. */
import { readModelFile } from '../../ir/onnx/file.ts';

/**
 * Files beside a model that hold its initialisers, relative to its folder. The import of the model has checked already that
 * they stay inside the folder.
 */
export function externalFiles(path: string): readonly string[] {
  const { model, external } = readModelFile(path);
  external.close();
  const locations = (model.graph?.initializer ?? []).flatMap(tensor =>
    tensor.externalData.filter(entry => entry.key === 'location').map(entry => entry.value ?? ''),
  );
  return [...new Set(locations)].filter(location => location !== '');
}
