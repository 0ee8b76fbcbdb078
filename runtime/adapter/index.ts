export { cacheDirectories } from './cache.ts';
export { Device } from './device.ts';
export {
  type AdapterChoice,
  type AdapterFacts,
  adapterChoices,
  adapterName,
} from './facts.ts';
export { requestDevice } from './request.ts';
export { inspectAdapters } from './search.ts';
