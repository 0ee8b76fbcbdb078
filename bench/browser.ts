/**
 * An exported network in a browser: onnxruntime-web (WebAssembly, one thread) in a headless Chromium against onnxruntime-node.
 *
 * Run: `npm install --no-save onnxruntime-web@1.30.0`, then `node dist/bench/browser.js MODEL.onnx DATA.npz [IMAGES [CHROMIUM]]`
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onnxRuntime } from '../runtime/ort/onnxruntime.ts';
import { imagesOf } from '../src/data/batches.ts';
import { loadDataset } from '../src/data/load.ts';
import { relativeDifference } from '../src/run/verify.ts';

const [model, data, count = '4', chromium = 'chromium'] = process.argv.slice(2);
if (!model || !data) throw new Error('node dist/bench/browser.js MODEL.onnx DATA.npz [IMAGES [CHROMIUM]]');
const { shape, data: images } = imagesOf(
  await loadDataset(data),
  Array.from({ length: Number(count) }, (_, i) => i),
);

const page = `<!doctype html><script type="module">
  import * as ort from '/ort/ort.wasm.min.mjs';
  const answer = (what, body) => fetch('/answer/' + what, { method: 'POST', body });
  try {
    ort.env.wasm.wasmPaths = '/ort/';
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create('/model.onnx');
    const images = new Float32Array(await (await fetch('/images')).arrayBuffer());
    const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', images, ${JSON.stringify(shape)}) };
    await session.run(feeds);
    const began = performance.now();
    const output = (await session.run(feeds))[session.outputNames[0]];
    await answer((performance.now() - began) / ${count}, output.data);
  } catch (error) {
    await answer('error', String(error));
  }
</script>`;

const ort = dirname(fileURLToPath(import.meta.resolve('onnxruntime-web')));
const profile = await mkdtemp(join(tmpdir(), 'suture-chromium-'));
interface Answer {
  readonly what: string;
  readonly body: Buffer;
}
let [told, failed]: [(answer: Answer) => void, (cause: Error) => void] = [() => {}, () => {}];
const found = new Promise<Answer>((resolve, reject) => {
  [told, failed] = [resolve, reject];
});
const server = createServer(async (request, response) => {
  const path = request.url ?? '/';
  if (path.startsWith('/answer/')) {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    told({ what: path.slice('/answer/'.length), body: Buffer.concat(parts) });
    response.end();
    return;
  }
  const type =
    path === '/'
      ? 'text/html'
      : path.endsWith('.mjs')
        ? 'text/javascript'
        : path.endsWith('.wasm')
          ? 'application/wasm'
          : '';
  if (type) response.setHeader('content-type', type);
  if (path === '/') response.end(page);
  else if (path === '/images') response.end(Buffer.from(images.buffer, images.byteOffset, images.byteLength));
  else if (path === '/model.onnx') response.end(await readFile(model));
  else if (path.startsWith('/ort/')) response.end(await readFile(join(ort, basename(path))));
  else response.writeHead(404).end();
}).listen(0, '127.0.0.1');
await new Promise(resolve => server.once('listening', resolve));

const { port } = server.address() as AddressInfo;
const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--remote-debugging-port=0',
  `--user-data-dir=${profile}`,
];
const browser = spawn(chromium, [...flags, `http://127.0.0.1:${port}/`], { stdio: 'ignore' });
browser.once('error', failed);
try {
  const { what, body } = await found;
  if (what === 'error') throw new Error(body.toString());
  const session = await onnxRuntime().InferenceSession.create(model, { intraOpNumThreads: 1 });
  const feeds = { [session.inputNames[0]]: new (onnxRuntime().Tensor)('float32', images as Float32Array, [...shape]) };
  await session.run(feeds);
  const began = performance.now();
  const expected = (await session.run(feeds))[session.outputNames[0]].data as Float32Array;
  const here = (performance.now() - began) / Number(count);
  const answers = new Float32Array(body.buffer, body.byteOffset, body.byteLength / 4);
  console.log(
    JSON.stringify({
      model,
      images: Number(count),
      relativeError: relativeDifference(answers, expected),
      millisecondsForAnImage: { browser: Number(what), node: here },
    }),
  );
} finally {
  browser.kill();
  server.close();
  server.closeAllConnections();
  await new Promise(resolve => (browser.exitCode === null ? browser.once('exit', resolve) : resolve(undefined)));
  await rm(profile, { recursive: true, force: true, maxRetries: 5 });
}
