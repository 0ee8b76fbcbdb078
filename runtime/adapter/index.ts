export { cacheDirectories } from './cache.ts';
export { Device, requestDevice } from './device.ts';
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
export { inspectAdapters } from './search.ts';
export { type EmbeddedDriver, loadEmbeddedDriver } from './swiftshader.ts';
