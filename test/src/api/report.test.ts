/** The page of a run, made by the run and made again. */
import { cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { report } from '../../../src/api/report.ts';
import { type RunRequest, run } from '../../../src/api/run.ts';
import { stitch } from '../../../src/api/stitch.ts';
import { type Cases, casesSchema } from '../../../src/metrics/by-case.ts';
import { openNetwork } from '../../../src/run/load.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { scratch, shared, suture } from '../cli/support.ts';

const folder = shared();
const at = (name: string): string => join(folder(), name);
const page = (name: string): Promise<string> => readFile(join(at(name), 'report.html'), 'utf8');
/** What a reader of HTML makes of text. */
const unescaped = (text: string): string =>
  text.replace(
    /&(amp|lt|gt|quot|#39);/g,
    (_, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"' })[name] ?? "'",
  );

const hostile = `"><script>alert('x')</script>`;
let request: RunRequest;

/** A copy of the run whose files may be taken away. */
async function copied(): Promise<string> {
  const copy = join(await scratch(), 'copy');
  await cp(at('run'), copy, { recursive: true });
  return copy;
}

beforeAll(async () => {
  const [a, b] = await smallParents(folder(), [[3], [2, 3]]);
  // A name that a page could take for markup.
  await mkdir(at('<b onclick="x">'));
  const named = at('<b onclick="x">/b.onnx');
  await rename(b, named);
  const [train, validation, test] = await Promise.all(
    ['train', 'val', 'test'].map(name =>
      smallData(at(`${name}.npz`), 8, name === 'test' ? [4, 4, 7, 7, 9, 9] : undefined),
    ),
  );
  request = {
    networks: [a, named],
    train,
    validation,
    tests: [{ name: hostile, file: test }],
    training: { steps: 3, batch: 2, init: 'identity', closingImages: 0, learningRate: 2e-3, seed: 5 },
    executor: 'ort',
    stress: { changes: ['gamma'] },
    output: at('run'),
  };
  await run(request);
});

describe('the page of a run', () => {
  it('says the verdict first, and has every part', async () => {
    const text = await page('run');
    const { verdict, exported } = JSON.parse(await readFile(join(at('run'), 'report.json'), 'utf8'));
    expect(text.indexOf('The verdict: ')).toBeLessThan(text.indexOf('<table>'));
    expect(text).toContain(`Exported: <strong>${exported.candidate}</strong>`);
    for (const { name } of verdict.standings) expect(text).toContain(`<th scope="row">${name}`);
    const ids = [...text.matchAll(/<section id="(\w+)"/g)].map(([, id]) => id);
    expect(ids).toEqual(['networks', 'cases', 'pictures', 'match', 'positions', 'training', 'run']);
    const { config } = (await openNetwork(at('run'))).directory;
    for (const hash of [config.parents.b.sha256, config.pairs, config.data.sha256]) expect(text).toContain(hash);
  });

  it('lets no name become markup', async () => {
    const text = await page('run');
    expect(text).not.toMatch(/<script|<b onclick|<img/);
    expect(text).toContain('&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)');
    expect(text).toContain('&lt;b onclick=&quot;x&quot;&gt;/b.onnx');
  });

  it('shows the best, the median and the worst case, each with the reference and the answers of all', async () => {
    const text = await page('run');
    const titles = [...text.matchAll(/<h4>([^<]*)<\/h4>/g)].map(([, title]) => title);
    expect(titles).toHaveLength(3);
    expect(titles.map(title => title.replace(/: case \d, image [12] of 2$/, ''))).toEqual([
      'The best case',
      'The median case',
      'The worst case',
    ]);
    const { exported } = JSON.parse(await readFile(join(at('run'), 'report.json'), 'utf8'));
    const networks = new Set(['parent a', 'parent b', 'output ensemble', exported.candidate]);
    // Each has a picture of its answer and one of its errors; beside them the image and the reference.
    expect(text.match(/href="data:image\/png;base64,/g)).toHaveLength(3 * (2 + 2 * networks.size));
  });

  it('is the same when it is made again, also where nothing of it was kept', async () => {
    const before = await page('run');
    const kept = await readFile(join(at('run'), 'by-case.json'), 'utf8');
    expect(await report(at('run'), { executor: 'ort' })).toMatchObject({
      leftOut: [],
      bytes: Buffer.byteLength(before),
    });
    expect(await page('run')).toBe(before);
    const copy = await copied();
    for (const file of ['report.html', 'by-case.json']) await rm(join(copy, file));
    await report(copy, { executor: 'ort' });
    expect(await readFile(join(copy, 'report.html'), 'utf8')).toBe(before);
    expect(await readFile(join(copy, 'by-case.json'), 'utf8')).toBe(kept);
  });

  it('keeps of each case what networks score on it', async () => {
    const { directory } = await openNetwork(at('run'));
    const { sets } = (await directory.readJson('byCase', casesSchema)) as Cases;
    expect(sets.map(({ name, cases }) => [name, cases.map(c => c.case)])).toEqual([[hostile, [4, 7, 9]]]);
    const { tests } = JSON.parse(await readFile(join(at('run'), 'report.json'), 'utf8'));
    const [{ networks, cases }] = sets;
    for (const [i, network] of networks.entries()) {
      const { value } = tests[0].rows.find((row: { network: string }) => row.network === network).score;
      // One foreground class: the score is the mean over the cases.
      expect(cases.reduce((sum, { scores }) => sum + scores[i] / cases.length, 0)).toBeCloseTo(value, 12);
    }
  });

  it('says what it cannot show where data have moved', async () => {
    const copy = await copied();
    await rename(at('test.npz'), at('elsewhere.npz'));
    try {
      const { leftOut } = await report(copy, { executor: 'ort' });
      expect(leftOut).toEqual([expect.stringMatching(/^Pictures of .* are left out: .*test\.npz/)]);
      const text = await readFile(join(copy, 'report.html'), 'utf8');
      expect(unescaped(text)).toContain(`<strong>Note:</strong> ${leftOut[0]}`);
      expect(text).not.toContain('data:image/png');
      expect(text).toContain('<section id="cases"');
      await rm(join(copy, 'by-case.json'));
      const without = await report(copy, { executor: 'ort' });
      expect(without.leftOut[0]).toMatch(/^Pictures and scores by case of /);
    } finally {
      await rename(at('elsewhere.npz'), at('test.npz'));
    }
  });

  it('goes where it is told, and leaves the run as it is', async () => {
    const copy = await copied();
    const file = join(await scratch(), 'page.html');
    await rm(join(copy, 'by-case.json'));
    await rm(join(copy, 'report.html'));
    expect(await suture('report', copy, '-o', file, '--executor', 'ort')).toMatchObject({ code: 0 });
    expect(await readFile(file, 'utf8')).toBe(await page('run'));
    const again = await suture('report', copy, '-o', file);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('exists already');
    await expect(readFile(join(copy, 'by-case.json'))).rejects.toThrow();
  });

  it('is kept in a file store of MLflow and for TensorBoard where that is asked for, and leaves what else is there', async () => {
    const copy = await copied();
    const store = join(await scratch(), 'mlruns');
    // For TensorBoard beside other runs, where its own directory is the place.
    const kinds = { executor: 'ort', mlflow: store, tensorboard: dirname(copy) } as const;
    const before = await readFile(join(copy, 'config.json'));
    const { mlflow, tensorboard } = await report(copy, kinds);
    expect(tensorboard).toBe(copy);
    const { directory } = await openNetwork(copy);
    expect(mlflow).toBe(join(store, '0', directory.seal.slice(0, 32)));
    const kept = (...path: string[]) => readFile(join(mlflow!, ...path), 'utf8');
    const losses = (await readFile(join(copy, 'metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    const lines = (await kept('metrics', 'loss'))
      .trim()
      .split('\n')
      .map(line => line.split(' ').map(Number));
    expect(lines.map(([, value, step]) => ({ step, loss: value }))).toEqual(
      losses.map(({ step, loss }) => ({ step, loss })),
    );
    expect(await kept('params', 'seed')).toBe('5');
    expect(await kept('tags', 'mlflow.runName')).toBe('copy');
    expect(await kept('artifacts', 'report.html')).toBe(await page('run'));
    const { standings, chosen } = JSON.parse(await readFile(join(copy, 'verdict.json'), 'utf8'));
    expect(Number((await kept('metrics', 'exported', 'own')).split(' ')[1])).toBe(standings[chosen].own);
    for (const kind of ['mlflow', 'tensorboard'] as const) {
      const again = report(copy, { executor: 'ort', [kind]: kinds[kind] });
      await expect(again).rejects.toMatchObject({ code: 'output-exists' });
    }
    await report(copy, { ...kinds, force: true });
    expect(await readFile(join(copy, 'config.json'))).toEqual(before);
    const [events, ...others] = (await readdir(copy)).filter(name => name.includes('tfevents'));
    expect(others).toEqual([]);
    const bytes = await readFile(join(copy, events));
    expect(bytes.includes('brain.Event:2')).toBe(true);
    expect(bytes.includes('exported/own')).toBe(true);
  });

  it('has the command that makes the run again', async () => {
    const [, text] = /<pre tabindex="0"><code>([^<]*)\n<\/code>/.exec(await page('run')) ?? [];
    // As a shell of POSIX reads it.
    const words = unescaped(text)
      .match(/(?:'[^']*'|\\.|[^\s'\\])+/g)!
      .map(word => word.replace(/'([^']*)'|\\(.)/g, (_, inside?: string, one?: string) => inside ?? one ?? ''));
    expect(words.slice(0, 2)).toEqual(['suture', 'run']);
    expect(words.slice(-2)).toEqual(['-o', 'RUN']);
    const again = at('again');
    expect(await suture(...words.slice(1, -1), again)).toMatchObject({ code: 0 });
    for (const file of ['config.json', 'parameters.npz', 'stitched.onnx', 'report.html', 'by-case.json']) {
      const bytes = await readFile(join(again, file));
      expect(bytes.equals(await readFile(join(at('run'), file))), file).toBe(true);
    }
  });
});

describe('the page of what has less to show', () => {
  it('says of a run that was only trained that nothing is judged', async () => {
    const { networks, train, training } = request;
    await stitch({
      networks,
      data: train,
      output: at('stitched'),
      training: { ...training, steps: 0 },
      executor: 'ort',
    });
    await report(at('stitched'), { executor: 'ort' });
    const text = await page('stitched');
    expect(text).toContain('Not judged:');
    expect([...text.matchAll(/<section id="(\w+)"/g)].map(([, id]) => id)).toEqual(['match', 'training', 'run']);
    expect(text).toContain('<code>suture stitch ');
  });

  it('has the validation data where there is no test set', async () => {
    const training = { steps: 0, init: 'identity', closingImages: 0 } as const;
    await run({ ...request, training, tests: [], stress: false, output: at('untested') });
    const text = await page('untested');
    expect(text).toContain('<h3>Validation data</h3>');
    expect(text.match(/<h4>/g)).toHaveLength(3);
  });
});
