import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SutureError } from '../../../ir/errors.ts';
import { cacheDirectories, type Device, inspectAdapters, requestDevice } from '../../../runtime/adapter/index.ts';
import { adapterChoice } from '../../../runtime/adapter/search.ts';
import { embeddedDriverUnavailable, unpackEmbeddedDriver } from '../../../runtime/adapter/swiftshader.ts';

/** Whether this Node can run TypeScript, which a test needs that starts a process of its own. */
const runsTypeScript =
  Number(process.versions.node.split('.')[0]) >= 23 ||
  process.allowedNodeEnvironmentFlags.has('--experimental-strip-types');

const embedded = embeddedDriverUnavailable() === undefined;

describe('the choice of an adapter', () => {
  it('comes from the options, else from SUTURE_ADAPTER, else is auto', () => {
    expect(adapterChoice({ adapter: 'gpu' }, { SUTURE_ADAPTER: 'embedded' })).toBe('gpu');
    expect(adapterChoice({}, { SUTURE_ADAPTER: 'embedded' })).toBe('embedded');
    expect(adapterChoice({}, {})).toBe('auto');
    expect(() => adapterChoice({}, { SUTURE_ADAPTER: 'cuda' })).toThrow(/must be one of auto, gpu, embedded/);
  });

  it('prefers the cache directory that the user names', () => {
    expect(cacheDirectories({ SUTURE_CACHE_DIR: '/here', XDG_CACHE_HOME: '/there' }).slice(0, 2)).toEqual([
      '/here',
      '/there/suture',
    ]);
  });
});

describe.skipIf(!embedded)('the embedded driver', () => {
  let cache: string;
  beforeAll(async () => {
    cache = await mkdtemp(join(tmpdir(), 'suture-test-'));
  });
  afterAll(() => rm(cache, { recursive: true, force: true }));

  it('is unpacked once by many at the same time, and leaves nothing beside it', async () => {
    const drivers = await Promise.all(Array.from({ length: 4 }, () => unpackEmbeddedDriver(cache)));
    expect(new Set(drivers.map(driver => driver.directory)).size).toBe(1);
    expect(await readdir(cache)).toHaveLength(1);
    expect((await readdir(drivers[0].directory)).sort()).toEqual([
      'libvk_swiftshader.so',
      'libvulkan.so.1',
      'vk_swiftshader_icd.json',
    ]);
  });

  it('is unpacked again when a file of it is gone', async () => {
    const { directory } = await unpackEmbeddedDriver(cache);
    await truncate(join(directory, 'libvulkan.so.1'));
    await rm(join(directory, 'vk_swiftshader_icd.json'));
    await unpackEmbeddedDriver(cache);
    expect(await readdir(directory)).toHaveLength(3);
    expect(await readdir(cache)).toHaveLength(1);
  });

  it('refuses a cache that is no directory', async () => {
    const file = join(cache, 'file');
    await writeFile(file, '');
    await expect(unpackEmbeddedDriver(file)).rejects.toThrow();
    await rm(file);
  });

  it('is reported with its limits and the reason for it', async () => {
    const report = await inspectAdapters({ adapter: 'embedded' });
    expect(report.chosen).toMatchObject({ adapterClass: 'software', origin: 'embedded', vendor: 'google' });
    expect(report.chosen?.limits.maxStorageBufferBindingSize).toBeGreaterThan(2 ** 27);
    expect(report.attempts.map(attempt => attempt.outcome)).toEqual(['skipped', 'chosen']);
    expect(report.advice.length).toBeGreaterThan(0);
  });

  it.skipIf(!runsTypeScript)('lets a process that used it end by itself', async () => {
    const script = `
      const { requestDevice } = await import(${JSON.stringify(new URL('../../../runtime/adapter/index.ts', import.meta.url).href)});
      const device = await requestDevice({ adapter: 'embedded' });
      const buffer = device.gpu.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
      device.queue.writeBuffer(buffer, 0, new Float32Array([1, 2, 3, 4]));
      await buffer.mapAsync(GPUMapMode.READ);
      console.log([...new Float32Array(buffer.getMappedRange())].join());
      device.destroy();`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      timeout: 30_000,
    });
    expect(stdout.trim()).toBe('1,2,3,4');
  });
});

describe.skipIf(!embedded)('a device', () => {
  let device: Device;
  beforeAll(async () => {
    device = await requestDevice({ adapter: 'embedded' });
  });
  afterAll(() => device.destroy());

  it('offers all that its adapter offers', () => {
    expect(device.gpu.limits.maxStorageBufferBindingSize).toBe(device.facts.limits.maxStorageBufferBindingSize);
    expect(device.adapterClass).toBe('software');
  });

  it('turns a refused command into an error of the catalogue', async () => {
    const attempt = device.attempt('compiling a kernel', () => device.gpu.createShaderModule({ code: 'fn x( {' }));
    await expect(attempt).rejects.toThrow(/The GPU refused compiling a kernel: .*expected/);
    await expect(attempt).rejects.toMatchObject({ code: 'device-error' });
    expect(() => device.assertHealthy()).not.toThrow();
  });

  it('is left the processors while it computes, and others call setImmediate as ever', async () => {
    const code = `@group(0) @binding(0) var<storage, read_write> y: array<f32>;
      @compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3u) {
        var sum = f32(id.x);
        for (var i = 0u; i < 400000u; i++) { sum = fma(sum, 0.5f, f32(i)); }
        y[id.x] = sum;
      }`;
    const { gpu, queue } = device;
    const compute = { module: gpu.createShaderModule({ code }), entryPoint: 'main' };
    const pipeline = await gpu.createComputePipelineAsync({ layout: 'auto', compute });
    const buffer = gpu.createBuffer({ size: 64, usage: GPUBufferUsage.STORAGE });
    const entries = [{ binding: 0, resource: { buffer } }];
    const group = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(16);
    pass.end();
    const before = performance.eventLoopUtilization();
    queue.submit([encoder.finish()]);
    await queue.onSubmittedWorkDone();
    const { active, idle, utilization } = performance.eventLoopUtilization(before);
    expect(active + idle).toBeGreaterThan(20);
    expect(utilization).toBeLessThan(0.5);
    expect(await promisify(setImmediate)('as given')).toBe('as given');
    expect(await new Promise(resolve => setImmediate((...given) => resolve(given), 1, 2))).toEqual([1, 2]);
    clearImmediate(setImmediate(() => expect.fail('It was cleared.')));
  });

  it('gives back what the commands return, and throws what they throw', async () => {
    expect(await device.attempt('nothing', () => 7)).toBe(7);
    const own = new RangeError('mine');
    await expect(device.attempt('something', () => Promise.reject(own))).rejects.toBe(own);
  });

  it('keeps an error that nobody waited for', async () => {
    const other = await requestDevice({ adapter: 'embedded' });
    other.gpu.createBuffer({ size: 2 ** 40, usage: GPUBufferUsage.STORAGE });
    await other.queue.onSubmittedWorkDone();
    await new Promise(resolve => setTimeout(resolve, 20));
    expect(() => other.assertHealthy()).toThrow(SutureError);
    other.destroy();
  });
});

describe('the search where nothing can be found', () => {
  it('says where it looked', async () => {
    const report = await inspectAdapters({ adapter: 'gpu' });
    if (report.chosen !== undefined) {
      expect(report.chosen.adapterClass).toBe('gpu');
      return;
    }
    expect(report.attempts[0]).toMatchObject({ origin: 'system' });
    expect(report.advice.join(' ')).toContain('auto');
    await expect(requestDevice({ adapter: 'gpu' })).rejects.toMatchObject({ code: 'adapter-missing' });
  });
});
