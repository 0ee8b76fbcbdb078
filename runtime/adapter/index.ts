export { cacheDirectories } from './cache.ts';
export { Device, requestDevice } from './device.ts';
export {
  type AdapterAttempt,
  type AdapterChoice,
  type AdapterClass,
  type AdapterFacts,
  type AdapterReport,
  adapterChoices,
  adapterName,
  type SubgroupMatrixConfig,
} from './facts.ts';
export { type AdapterOptions, inspectAdapters } from './search.ts';
export { type EmbeddedDriver, loadEmbeddedDriver } from './swiftshader.ts';
