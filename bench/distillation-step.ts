/**
 * A step of distillation: all weights of a network trained to give another one's probabilities; suture with ONNX Runtime against PyTorch,
 * in turns, on the same images, each with one thread. PyTorch runs as a child process (`distillation_step.py`), where there is a Python that
 * has it. The losses of both are compared as they go. The teacher's answers are computed beforehand.
 *
 *     node dist/bench/distillation-step.js FOLDER [--teacher parent_a.onnx] [--student parent_b.onnx] [--images FILE.npz] [--batch N]
 *       [--steps N] [--python PATH]
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { answering, answersOutput, distillation, trainingStep } from '../passes/index.ts';
import { createOrtExecutor } from '../runtime/index.ts';
import { imagesOf } from '../src/data/batches.ts';
import { loadDataset } from '../src/data/load.ts';
import { bindingFor, prepareStep, Runnable } from '../src/execution/execute.ts';
import { loadModel } from '../src/network/load.ts';
import { statedMeaning } from '../src/network/meaning.ts';
import { openTorch, type PeerStep } from './peer.ts';
import { ratioOf, timed, timingOf, timingText } from './timing.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    teacher: { type: 'string', default: 'parent_a.onnx' },
    student: { type: 'string', default: 'parent_b.onnx' },
    images: { type: 'string', default: 'site_a_train.npz' },
    batch: { type: 'string', default: '8' },
    steps: { type: 'string', default: '9' },
    python: { type: 'string', default: '/usr/bin/python3' },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('Name the folder that holds the networks and the images.');
const [teacherFile, studentFile, imageFile] = [options.teacher, options.student, options.images].map(name =>
  join(folder, name),
) as [string, string, string];
const batch = Number(options.batch);

const [teacher, student] = [(await loadModel(teacherFile)).graph, (await loadModel(studentFile)).graph];
const dataset = await loadDataset(imageFile);
const images = imagesOf(
  dataset,
  Array.from({ length: batch }, (_, i) => i),
);
const executor = createOrtExecutor({ threads: 1 });
const asked = new Runnable(executor, answering(teacher, statedMeaning(teacher)));
const answers = (await asked.run({ [teacher.inputs[0].name]: images }))[answersOutput];
asked.dispose();

const loss = distillation(student, { task: 'segmentation', meaning: statedMeaning(student) });
// A cosine this long is a constant rate.
const step = trainingStep(loss, { steps: 1e9, learningRate: 1e-3, clip: 12 });
const binding = bindingFor(step.graph, {
  [student.inputs[0].name]: images.shape,
  [loss.teacher!]: answers.shape,
});
const resident = new Map([...step.state, ...loss.student.weights]);
const { value: session, ...opened } = await timed(() => prepareStep(executor, step, binding, { resident }));
console.log(
  `${executor.describe()}: prepared in ${(opened.milliseconds / 1000).toFixed(1)} s, ${step.parameters.length} weights`,
);
const feeds = { [student.inputs[0].name]: images, [loss.teacher!]: answers };
const ours: PeerStep[] = [];
const theirs: PeerStep[] = [];
const torch = await openTorch('distillation_step.py', options.python, [
  ...[teacherFile, studentFile, imageFile],
  String(batch),
]);
for (let i = 0; i <= Number(options.steps); i++) {
  const { value, ...spent } = await timed(() => session.run(feeds, [step.loss]));
  ours.push({ ...spent, loss: Number(value[step.loss].data[0]) });
  if (torch) theirs.push(await torch.step());
}
executor.dispose();

console.log(`A step of distillation, ${batch} images`);
const own = timingOf(ours.slice(1));
console.log(timingText('suture, ort', own, ours[0].milliseconds));
if (torch) {
  torch.close();
  const other = timingOf(theirs.slice(1));
  console.log(timingText('PyTorch', other, theirs[0].milliseconds));
  const ratio = ratioOf(other, own);
  const differences = ours.map(({ loss }, i) => Math.abs(loss / theirs[i].loss - 1));
  console.log(
    `  suture: ${ratio.wall.toFixed(2)} times as fast as PyTorch (${ratio.processor.toFixed(2)} by processor time); ` +
      `losses differ by ${differences[0].toExponential(1)} at the first step, ${differences.at(-1)!.toExponential(1)} at the last`,
  );
}
