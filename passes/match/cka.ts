/** A feature on sample data: `samples` rows of `channels` values (positions in space count as samples). */
export interface SampledFeature {
  readonly values: Float32Array | Float64Array;
  readonly channels: number;
}

/**
 * Linear centred kernel alignment of two features on the same samples: 1 if one is a rotation and scaling of the other,
 * near 0 if they have nothing linear in common. Computed by channels, `‖YᵀX‖² / (‖XᵀX‖ · ‖YᵀY‖)` in Frobenius norms of
 * the centred matrices, so samples cost time but no memory. A feature that does not vary has similarity 0.
 *
 * Source: Kornblith et al., "Similarity of Neural Network Representations Revisited", arXiv 1905.00414.
 */
export function linearCka(x: SampledFeature, y: SampledFeature): number {
  const samples = x.values.length / x.channels;
  if (!Number.isInteger(samples) || samples * y.channels !== y.values.length) {
    throw new RangeError(`Features of ${x.values.length} and ${y.values.length} values are not of the same samples.`);
  }
  const meansX = channelMeans(x, samples);
  const meansY = channelMeans(y, samples);
  const cross = squaredNorm(x, meansX, y, meansY, samples);
  const own = Math.sqrt(squaredNorm(x, meansX, x, meansX, samples) * squaredNorm(y, meansY, y, meansY, samples));
  return own > 0 ? cross / own : 0;
}

function channelMeans({ values, channels }: SampledFeature, samples: number): Float64Array {
  const means = new Float64Array(channels);
  for (let i = 0; i < values.length; i++) means[i % channels] += values[i];
  return means.map(sum => sum / samples);
}

/** Squared Frobenius norm of the product of the centred matrices, `XᵀY`. */
function squaredNorm(
  x: SampledFeature,
  meansX: Float64Array,
  y: SampledFeature,
  meansY: Float64Array,
  samples: number,
): number {
  const product = new Float64Array(x.channels * y.channels);
  for (let s = 0; s < samples; s++) {
    for (let i = 0; i < x.channels; i++) {
      const value = x.values[s * x.channels + i] - meansX[i];
      for (let j = 0; j < y.channels; j++) {
        product[i * y.channels + j] += value * (y.values[s * y.channels + j] - meansY[j]);
      }
    }
  }
  return product.reduce((sum, value) => sum + value * value, 0);
}
