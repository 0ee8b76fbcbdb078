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

/** What a data set's labels were found to be to outputs. */
interface FoundLabels {
  readonly byGraph: WeakMap<Graph, Labels>;
  /** By what the output means and its extents. */
  readonly byOutput: Map<string, Labels>;
}

/** A data set with labels. What they are to outputs of a kind is worked out once, for the first network of the kind. */
export class LabelledData {
  readonly dataset: Dataset;
  /** What it is scored by; undefined where the labels say. */
  readonly metric: MetricName | undefined;
  readonly #found: FoundLabels;

  private constructor(dataset: Dataset, metric: MetricName | undefined, found: FoundLabels) {
    this.dataset = dataset;
    this.metric = metric;
    this.#found = found;
  }

  /**
   * Data that networks can be scored on.
   *
   * @throws SutureError `data-invalid` where images or labels do not fit a network, `option-invalid` where the metric does not fit the
   * labels.
   */
  static for(networks: readonly Network[], dataset: Dataset, metric?: MetricName): LabelledData {
    const data = new LabelledData(dataset, metric, { byGraph: new WeakMap(), byOutput: new Map() });
    for (const network of networks) data.metricFor(network);
    return data;
  }

  /** The same labels with other images of the same shape, changed ones say: what labels are to outputs is not worked out again. */
  withImages(dataset: Dataset): LabelledData {
    return new LabelledData(dataset, this.metric, this.#found);
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
    const { byGraph, byOutput } = this.#found;
    const known = byGraph.get(graph);
    if (known) return known;
    requireFittingImages(this.dataset, graph, name);
    const { outputType } = interfaceOf(graphForImages(graph, this.dataset, name), name);
    const output = { meaning, spatial: spatialExtents(outputType, meaning) };
    const key = JSON.stringify(output);
    const labels = byOutput.get(key) ?? labelsFor(this.dataset, { ...output, name });
    byOutput.set(key, labels);
    byGraph.set(graph, labels);
    return labels;
  }

  /** A metric that has scored nothing yet; images of one `id` are one case to it. */
  metricFor(network: Pick<Network, 'graph' | 'meaning' | 'name'>): Metric {
    return metricFor(this.labelsFor(network), { metric: this.metric, id: this.dataset.id });
  }
}
