export * from './stitch/network.ts';
