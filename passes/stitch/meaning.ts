/**
 * What the numbers of a network's output are: one fact of a parent, established where it is read (from its graph, metadata, the data
 * and the options), kept in the run and in the file that is exported. Everything that scores, averages, gates or trains on outputs asks it.
 */
export interface OutputMeaning {
  readonly kind: 'logits' | 'log-probabilities' | 'probabilities' | 'values';
  /**
   * What makes probabilities of logits. `softmax`: channels exclude each other, one class each. `sigmoid`: each channel is a yes or no
   * for itself (one channel: the foreground; several: regions, which may overlap). Undefined for `values`.
   */
  readonly activation: 'softmax' | 'sigmoid' | undefined;
  /**
   * The axis of the channels in the output: 1, or the last (NHWC, as TensorFlow's exports have). Undefined where an output of one
   * channel has no axis for it: [N, H, W].
   */
  readonly channelAxis: number | undefined;
  readonly channels: number;
}
