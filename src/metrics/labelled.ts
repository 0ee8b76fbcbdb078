/** Labelled data that networks have been found to fit. */
import { type Graph, SutureError } from '../../ir/index.ts';
import type { Dataset } from '../data/dataset.ts';
import { isDense, type Labels, labelsFor, requireForeground } from '../data/labels.ts';
import { interfaceOf, requireFittingImages, spatialExtents } from '../network/interface.ts';
import type { Network } from '../network/network.ts';
import { graphForImages } from '../network/sizes.ts';
import type { Metric, MetricName } from './metric.ts';
import { metricFor } from './metric-for.ts';
import { SurfaceMetric, type SurfaceOptions } from './surface.ts';

/** A data set with labels. What they are to outputs of a kind is worked out once, for the first network of the kind. */
export class LabelledData {
  readonly dataset: Dataset;
  /** What it is scored by; undefined where the labels say. */
  readonly metric: MetricName | undefined;
  readonly #byGraph = new WeakMap<Graph, Labels>();
  /** By what the output means and its extents. */
  readonly #byOutput = new Map<string, Labels>();

  private constructor(dataset: Dataset, metric: MetricName | undefined) {
    this.dataset = dataset;
    this.metric = metric;
  }

  /**
   * Data that networks can be scored on.
   *
   * @throws SutureError `data-invalid` where images or labels do not fit a network, `option-invalid` where the metric does not fit the
   * labels.
   */
  static for(networks: readonly Network[], dataset: Dataset, metric?: MetricName): LabelledData {
    const data = new LabelledData(dataset, metric);
    for (const network of networks) data.metricFor(network);
    return data;
  }

  /** Data that can tell networks apart: see `requireForeground`. @throws SutureError as {@link for}. */
  static toChooseBy(networks: readonly Network[], dataset: Dataset, metric?: MetricName): LabelledData {
    const data = LabelledData.for(networks, dataset, metric);
    for (const network of networks) requireForeground(data.labelsFor(network), dataset.source);
    return data;
  }

  /**
   * The surfaces of a network's answers. Images of one `id` are one case, but to `dice-foreground`.
   *
   * @throws SutureError `option-invalid` where labels have no surfaces, or the spacing has another number of axes.
   */
  surfacesFor(network: Pick<Network, 'graph' | 'meaning' | 'name'>, options: SurfaceOptions): SurfaceMetric {
    const labels = this.labelsFor(network);
    const { id, count, spacing: known } = this.dataset;
    if (labels.kind === 'values' || !isDense(labels)) {
      throw new SutureError('option-invalid', `The labels are ${labels.reading}, and have no surfaces.`);
    }
    const axes = labels.shape.length - (labels.kind === 'regions' ? 1 : 0);
    const { spacing, tolerance = 1 } = options;
    if (spacing && spacing.length !== axes) {
      throw new SutureError(
        'option-invalid',
        `A spacing of ${spacing.length} numbers is said, and the labels have ${axes} axes.`,
      );
    }
    const spacings = spacing ? Array.from({ length: count }, () => spacing) : known;
    return new SurfaceMetric(labels, this.metric === 'dice-foreground' ? undefined : id, spacings, tolerance);
  }

  /** What the labels are to a network's output. @throws SutureError `data-invalid`. */
  labelsFor({ graph, meaning, name }: Pick<Network, 'graph' | 'meaning' | 'name'>): Labels {
    const known = this.#byGraph.get(graph);
    if (known) return known;
    requireFittingImages(this.dataset, graph, name);
    const { outputType } = interfaceOf(graphForImages(graph, this.dataset, name), name);
    const output = { meaning, spatial: spatialExtents(outputType, meaning) };
    const key = JSON.stringify(output);
    const labels = this.#byOutput.get(key) ?? labelsFor(this.dataset, { ...output, name });
    this.#byOutput.set(key, labels);
    this.#byGraph.set(graph, labels);
    return labels;
  }

  /** A metric that has scored nothing yet; images of one `id` are one case to it. */
  metricFor(network: Pick<Network, 'graph' | 'meaning' | 'name'>): Metric {
    return metricFor(this.labelsFor(network), { metric: this.metric, id: this.dataset.id });
  }
}
