/** A feature on sample data: `samples` rows of `channels` values (positions in space count as samples). */
export interface SampledFeature {
  readonly values: Float32Array | Float64Array;
  readonly channels: number;
}

/** What {@link cka} needs to know of a feature: its centred Gram matrix, scaled to Frobenius norm 1. */
export interface CentredGram {
  readonly samples: number;
  /** The upper triangle, row by row; entries off the diagonal times √2. All 0 for a feature that does not vary, or is not finite. */
  readonly entries: Float32Array;
}

/** Inner products of all pairs of samples, centred. Time samples² · channels / 2, memory 2 · samples² bytes. */
export function centredGram({ values, channels }: SampledFeature): CentredGram {
  const samples = values.length / channels;
  if (!Number.isInteger(samples)) {
    throw new RangeError(`A feature of ${values.length} values does not have ${channels} channels.`);
  }
  const centred = Float64Array.from(values);
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let i = c; i < centred.length; i += channels) sum += centred[i];
    for (let i = c; i < centred.length; i += channels) centred[i] -= sum / samples;
  }
  const products = new Float64Array((samples * (samples + 1)) / 2);
  let at = 0;
  for (let i = 0; i < samples; i++) {
    const own = i * channels;
    let j = i;
    // Four sums at a time, each in its own order: what one waits for, the others do not.
    for (; j + 3 < samples; j += 4) {
      const [p, q, r, s] = [j * channels, (j + 1) * channels, (j + 2) * channels, (j + 3) * channels];
      let [ofP, ofQ, ofR, ofS] = [0, 0, 0, 0];
      for (let c = 0; c < channels; c++) {
        const value = centred[own + c];
        ofP += value * centred[p + c];
        ofQ += value * centred[q + c];
        ofR += value * centred[r + c];
        ofS += value * centred[s + c];
      }
      products[at++] = ofP;
      products[at++] = ofQ;
      products[at++] = ofR;
      products[at++] = ofS;
    }
    for (; j < samples; j++) {
      let product = 0;
      for (let c = 0; c < channels; c++) product += centred[own + c] * centred[j * channels + c];
      products[at++] = product;
    }
  }
  let squares = 0;
  // Where the next entry of the diagonal is.
  let diagonal = 0;
  let length = samples;
  for (let k = 0; k < products.length; k++) {
    if (k === diagonal) diagonal += length--;
    else products[k] *= Math.SQRT2;
    squares += products[k] ** 2;
  }
  const varies = squares > 0 && Number.isFinite(squares);
  const norm = varies ? 1 / Math.sqrt(squares) : 0;
  const entries = new Float32Array(products.length);
  if (varies) for (let k = 0; k < products.length; k++) entries[k] = norm * products[k];
  return { samples, entries };
}

/**
 * Linear centred kernel alignment of two features on the same samples: 1 if one is a rotation and scaling of the other,
 * near 0 if they have nothing linear in common, 0 if one of them does not vary.
 *
 * Source: Kornblith et al., "Similarity of Neural Network Representations Revisited", arXiv 1905.00414.
 */
export function cka(x: CentredGram, y: CentredGram): number {
  if (x.samples !== y.samples) {
    throw new RangeError(`Features of ${x.samples} and ${y.samples} samples are not of the same samples.`);
  }
  let sum = 0;
  for (let i = 0; i < x.entries.length; i++) sum += x.entries[i] * y.entries[i];
  // Rounding to float32 may carry a copy past 1.
  return Math.min(1, Math.max(0, sum));
}
