export { linearCka, type SampledFeature } from './match/cka.ts';
export { type LayerPair, type Matcher, type Matching, type MatchOptions, match, matchers } from './match/match.ts';
export type { PositionMetric } from './match/scores.ts';
