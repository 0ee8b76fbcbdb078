/** The external data of a model file. */
import { basename } from 'node:path';
import { readModelFile } from '../../ir/onnx/file.ts';

/**
 * Files beside a model that hold its tensors, relative to its folder. The import of the model has checked already that those which
 * are read stay inside the folder.
 */
export function externalFiles(path: string): readonly string[] {
  const { model, external } = readModelFile(path);
  external.close();
  const locations = new Set<string>();
  collect(model, locations);
  locations.delete('');
  return [...locations];
}

/** Initialisers, and tensors of attributes and of inner graphs too: wherever a message says that its data is elsewhere. */
function collect(message: object, locations: Set<string>): void {
  for (const [field, value] of Object.entries(message) as [string, unknown][]) {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) continue;
    if (field === 'externalData') {
      for (const { key, value: text } of value as readonly { key?: string; value?: string }[]) {
        if (key === 'location') locations.add(text ?? '');
      }
    } else if (!Array.isArray(value)) collect(value, locations);
    else if (typeof value[0] === 'object') for (const item of value as readonly object[]) collect(item, locations);
  }
}

/**
 * Where the copy of a parent lies in a run directory. One with external data has a folder of its own and keeps its name: files of
 * the same name beside both parents must not meet.
 */
export const parentCopy = (folder: string, tag: string, source: string): string =>
  externalFiles(source).length > 0 ? `${folder}/${tag}/${basename(source)}` : `${folder}/${tag}.onnx`;
