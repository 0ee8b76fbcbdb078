/**
 * Property tests draw the same cases each time, so that the suite fails for a change and never by chance. Others are drawn by hand:
 * `SEED=random npm test`, or `SEED=7 npm test`. A test that says its own seed keeps it.
 */
import fc from 'fast-check';

const { SEED = '1' } = process.env;

if (SEED !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(SEED) });
