/** Networks written to files. */
import { exportOnnx, type Graph } from '../../ir/index.ts';
import { writeOnnx } from '../../ir/onnx/file.ts';
import { sutureVersion } from '../execution/suture-version.ts';
import { checkOutputFile, type WriteOptions, writeOutput } from '../files/output.ts';

/** Beyond this many bytes of weights, they go to a file beside the model. */
const maxMessageBytes = 2 ** 31 - 2 ** 27;

/** Writes a network to a file. @throws SutureError `output-exists`, `output-unwritable`. */
export async function writeModel(graph: Graph, path: string, options: WriteOptions = {}): Promise<void> {
  await checkOutputFile(path, options);
  const bytes = graph.constants().reduce((sum, { constant }) => sum + constant.data.byteLength, 0);
  const exportOptions = { producerVersion: sutureVersion };
  if (bytes > maxMessageBytes) writeOnnx(graph, path, exportOptions);
  else await writeOutput(path, exportOnnx(graph, exportOptions), options);
}
