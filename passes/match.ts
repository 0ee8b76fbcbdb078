export { type CentredGram, centredGram, cka, type SampledFeature } from './match/cka.ts';
export {
  type Matchable,
  type Matcher,
  type Matching,
  type MatchOptions,
  type MatchWarning,
  match,
  matchableValues,
  matchers,
} from './match/match.ts';
export { type PositionMetric, positionMetrics } from './match/scores.ts';
export {
  type MatchParentsOptions,
  type MatchWith,
  matchParents,
  matchWiths,
  type ParentsMatched,
  type ParentsMatching,
} from './match/several.ts';
