export { cacheDirectories } from './cache.ts';
export { Device } from './device.ts';
export {
  type AdapterAttempt,
  type AdapterChoice,
  type AdapterClass,
  type AdapterFacts,
  type AdapterOptions,
  type AdapterReport,
  adapterChoices,
  adapterName,
  type SubgroupMatrixConfig,
} from './facts.ts';
export { requestDevice } from './request.ts';
export { inspectAdapters } from './search.ts';
export { type EmbeddedDriver, loadEmbeddedDriver } from './swiftshader.ts';
