/** The page of a run: `suture report`, and what `suture run` ends with. */
import { readFile, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { type Graph, printable, SutureError } from '../../ir/index.ts';
import { matchableValues, original, settle, settledMeaning } from '../../passes/index.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { withExecutor } from '../execution/open.ts';
import { type Execution, type WorkOptions, workOptions } from '../execution/progress.ts';
import { hashFile } from '../files/hash.ts';
import { checkOutputFile, type WriteOptions, writeOutput } from '../files/output.ts';
import { isThere } from '../files/there.ts';
import { type CaseSet, type Cases, casesSchema, scoresByCase } from '../metrics/by-case.ts';
import { LabelledData } from '../metrics/labelled.ts';
import { measureNetworks } from '../metrics/score-networks.ts';
import { isDense } from '../network/join.ts';
import { loadModel } from '../network/load.ts';
import { knownMeaning } from '../network/meaning.ts';
import { ensembleName, parentName } from '../network/names.ts';
import { networkOf } from '../network/network.ts';
import { tagOf } from '../network/tags.ts';
import { usualWeight } from '../options/kinds.ts';
import { channelNames, datasetNames } from '../preprocessing/dataset-json.ts';
import { commandOf } from '../report/command.ts';
import type { MatchParts } from '../report/html/match.ts';
import { type RunPageParts, runPage } from '../report/html/run.ts';
import { keepForTensorBoard, keepInMlflow } from '../report/keep.ts';
import { defaultExperiment } from '../report/mlflow.ts';
import {
  type NamedNetwork,
  type PicturedSet,
  picturesOf,
  type Ranked,
  whyNoPictures,
  withAsked,
} from '../report/pictures.ts';
import { type MetricsLine, metricsLineSchema, storedReportSchema } from '../report/stored.ts';
import type { TrackedRun } from '../report/tracked.ts';
import { trackedRun } from '../report/tracked-run.ts';
import { withLockedRun } from '../run/access.ts';
import { type FollowUp, labelsOfRun, requestSchema } from '../run/config.ts';
import { deployedCombination } from '../run/deployed.ts';
import type { RunDirectory } from '../run/directory.ts';
import { runFiles } from '../run/files.ts';
import { type StoredData, sameData } from '../run/lifecycle.ts';
import { loadRun, type OpenRun, openNetwork, trainedParameters } from '../run/load.ts';
import { students } from '../run/student.ts';
import { summaryOf } from '../run/summary.ts';
import { WholeDirectory } from '../run/whole.ts';
import { searchSchema } from '../selection/search/search.ts';
import { sweepSchema } from '../selection/sweep.ts';
import { verdictSchema } from '../selection/verdict.ts';
import { frontSchema } from '../selection/weighted.ts';

export interface ReportOptions extends WorkOptions, ExecutorOptions, WriteOptions {
  /** Where the page is written. Default `report.html` in the run, where it replaces what is there. */
  readonly output?: string | undefined;
  /** A folder that is, or becomes, a file store of MLflow (`mlruns`), in which the run is kept too. */
  readonly mlflow?: string | undefined;
  /** A folder that TensorBoard reads, in which the run is kept too. */
  readonly tensorboard?: string | undefined;
}

/** What `suture report` made. */
export interface ReportFile {
  readonly run: string;
  readonly file: string;
  readonly bytes: number;
  /** What is not in it, and why, in sentences. */
  readonly leftOut: readonly string[];
  /** Where MLflow has it, where that was asked for. */
  readonly mlflow?: string | undefined;
  /** Where TensorBoard has it. */
  readonly tensorboard?: string | undefined;
}

/**
 * Makes the page of a run again from what is in its directory, and from its data where they still lie where they were.
 *
 * @throws SutureError `run-invalid`, `run-locked`, `output-exists`, `output-unwritable`.
 */
export async function report(path: string, options: ReportOptions = {}): Promise<ReportFile> {
  const { output, force, mlflow, tensorboard } = options;
  const writing: WriteOptions = { force };
  if (output !== undefined) await checkOutputFile(output, writing);
  const work = async (): Promise<ReportFile> => {
    const run = await openNetwork(path);
    const { text, leftOut } = await withExecutor(options, executor =>
      pageOf({ executor, ...workOptions(options) }, run, { keep: output === undefined }),
    );
    const file = output ?? run.directory.file('page');
    if (output === undefined) await run.directory.write('page', text);
    else await writeOutput(output, text, writing);
    const made: ReportFile = { run: path, file, bytes: Buffer.byteLength(text), leftOut };
    if (mlflow === undefined && tensorboard === undefined) return made;
    const tracked = await trackedOf(run);
    const [boarded] = tensorboard === undefined ? [] : await keepForTensorBoard(tensorboard, [tracked], writing);
    const [kept] =
      mlflow === undefined
        ? []
        : await keepInMlflow(
            mlflow,
            defaultExperiment(tracked.begun),
            [{ run: tracked, artifacts: await artifactsOf(run, text) }],
            writing,
          );
    return { ...made, mlflow: kept, tensorboard: boarded };
  };
  return output === undefined ? withLockedRun(path, work) : work();
}

/** What other programs keep of a run. */
async function trackedOf(run: OpenRun): Promise<TrackedRun> {
  const { directory } = run;
  const trained = await trainedParameters(run);
  const [begun, ended] = await Promise.all(
    [directory.file('config'), directory.file('metrics')].map(async file =>
      Math.round((await stat(file).catch(() => stat(directory.file('config')))).mtimeMs),
    ),
  );
  return trackedRun({
    ...{ name: basename(resolve(directory.path)), config: directory.config, seal: directory.seal, begun, ended },
    training: await directory.readMetrics(metricsLineSchema),
    sweep: trained && (await directory.readJson('sweep', sweepSchema)),
    verdict: trained && (await directory.readJson('verdict', verdictSchema)),
    report: await directory.readUnsealed('reportJson', storedReportSchema),
  });
}

/** The page of a run, and its report where it has one. */
async function artifactsOf({ directory }: OpenRun, page: string): Promise<ReadonlyMap<string, string | Uint8Array>> {
  const artifacts = new Map<string, string | Uint8Array>([[runFiles.page, page]]);
  for (const name of ['reportText', 'reportJson'] as const) {
    if (await directory.has(name)) artifacts.set(runFiles[name], await readFile(directory.file(name)));
  }
  return artifacts;
}

/** What whoever makes a page has at hand. */
export interface PageOptions {
  /** Data sets by their names, which then are not read again, and scores of the {@link shownNames} on their cases. */
  readonly given?: ReadonlyMap<string, { readonly data: LabelledData; readonly set?: CaseSet }>;
  /** Whether scores by case that had to be made are kept in the run, whose lock is held. */
  readonly keep: boolean;
  /** Of a run that nothing was exported of: what is shown of cases. */
  readonly shown?: ShownCases | undefined;
}

/** The training of the student that the run made, where it made one. */
async function studyingOf(directory: RunDirectory): Promise<readonly MetricsLine[]> {
  const student = directory.file('student');
  if (!(await isThere(student))) return [];
  return (await WholeDirectory.open(students, student)).readMetrics(metricsLineSchema);
}

/** The page of a run as text, and what is not in it. */
export async function pageOf(
  execution: Execution,
  run: OpenRun,
  options: PageOptions,
): Promise<{ readonly text: string; readonly leftOut: readonly string[] }> {
  const { directory, parents } = run;
  const { config } = directory;
  const parameters = await trainedParameters(run);
  // What belongs to the stitches is only there with them.
  const ofStitches = parameters ? directory : undefined;
  const asked = await directory.readJson('request', requestSchema);
  const verdict = await ofStitches?.readJson('verdict', verdictSchema);
  const stored = await directory.readUnsealed('reportJson', storedReportSchema);
  const model = stored && (await directory.has('model')) ? await hashFile(directory.file('model')) : undefined;
  const shown =
    stored && asked && model !== undefined
      ? await casesOf(execution, run, { ...options, asked, model, candidate: stored.exported.candidate })
      : (options.shown ?? nothing);
  const text = runPage({
    summary: await summaryOf(run),
    match: matchOf(run),
    training: await directory.readMetrics(metricsLineSchema),
    studying: await studyingOf(directory),
    verdict,
    report: stored,
    sweep: await ofStitches?.readJson('sweep', sweepSchema),
    front: await ofStitches?.readJson('front', frontSchema),
    search: await ofStitches?.readJson('search', searchSchema),
    ...shown,
    provenance: {
      config,
      asked,
      command: commandOf(config, asked, isDense(parents[0])),
      model,
      seals: { config: directory.seal, parameters: parameters && (await directory.parametersSeal()) },
    },
  });
  return { text, leftOut: shown.leftOut };
}

/** What there is to see of single cases. */
type ShownCases = Pick<RunPageParts, 'cases' | 'pictures' | 'leftOut' | 'shown'>;

const nothing: ShownCases = { cases: [], pictures: [], leftOut: [] };

/** A run at one position, on data sets by their names. */
export interface PositionOnData {
  readonly position: number;
  readonly sets: ReadonlyMap<string, LabelledData>;
}

/**
 * Writes the page of a run of which nothing was exported, with what it answers at a position, beside its parents and their ensemble.
 *
 * @throws SutureError `run-invalid`, `run-locked`, `output-unwritable`.
 */
export const writePositionPage = (
  execution: Execution,
  path: string,
  { position, sets }: PositionOnData,
): Promise<void> =>
  withLockedRun(path, async () => {
    const run = await loadRun(path);
    const combination = { positions: [position], weight: usualWeight, output: usualWeight };
    const shown = { name: `stitched at ${position}`, position };
    const networks = networksBeside(run, shown.name, deployedCombination(run, combination));
    const found: { cases: CaseSet[]; pictures: PicturedSet[]; leftOut: string[] } = {
      cases: [],
      pictures: [],
      leftOut: [],
    };
    await withAsked(execution, networks, async asked => {
      for (const [name, data] of sets) {
        const set = await measuredCases(execution, name, asked, data);
        found.cases.push(set);
        const drawn = await drawnCases(execution, run, { networks: asked, data, set, exported: shown.name });
        if (typeof drawn === 'string') found.leftOut.push(drawn);
        else found.pictures.push(drawn);
      }
    });
    const { text } = await pageOf(execution, run, { keep: false, shown: { ...found, shown } });
    await run.directory.write('page', text);
  });

/** A data set whose cases are shown: each test set, or the validation data where there is none. */
type Wanted = StoredData & { readonly name: string };

const wantedOf = ({ tests, validation }: FollowUp): readonly Wanted[] =>
  tests.length > 0 ? tests : [{ name: validationName, ...validation }];

/** What the validation data is called among sets. */
export const validationName = 'validation';

interface AskedCases extends PageOptions {
  readonly asked: FollowUp;
  /** The exported network, and the hash of its file. */
  readonly candidate: string;
  readonly model: string;
}

/**
 * Scores by case and pictures of some. Scores that the run has kept are not made again; without them, and for pictures, the data must be
 * what it was.
 */
async function casesOf(
  execution: Execution,
  run: OpenRun,
  { asked, candidate, model, given, keep }: AskedCases,
): Promise<ShownCases> {
  const { directory } = run;
  const known = await directory.readJson('byCase', casesSchema);
  const kept = known?.model === model ? known.sets : [];
  const { graph } = await loadModel(directory.file('model'));
  const sets: CaseSet[] = [];
  const pictures: PicturedSet[] = [];
  const leftOut: string[] = [];
  await withAsked(execution, networksBeside(run, candidate, graph), async networks => {
    for (const wanted of wantedOf(asked)) {
      const at = given?.get(wanted.name);
      const set = at?.set ?? kept.find(({ name }) => name === wanted.name);
      const data = at?.data ?? (await dataOf(run, wanted, asked));
      if (typeof data === 'string') {
        if (set) sets.push(set);
        leftOut.push(`Pictures ${set ? '' : 'and scores by case '}of ${printable(wanted.name)} are left out: ${data}`);
        continue;
      }
      const scored = set ?? (await measuredCases(execution, wanted.name, networks, data));
      sets.push(scored);
      const drawn = await drawnCases(execution, run, { networks, data, set: scored, exported: candidate });
      if (typeof drawn === 'string') leftOut.push(drawn);
      else pictures.push(drawn);
    }
  });
  const cases: Cases = { model, sets };
  if (keep && sets.some(set => !kept.includes(set))) await directory.writeJson('byCase', cases);
  return { cases: sets, pictures, leftOut };
}

/** Pictures of some cases, or why there are none. */
async function drawnCases(execution: Execution, run: OpenRun, ranked: Ranked): Promise<PicturedSet | string> {
  const reason = whyNoPictures(ranked.data.labelsFor(run.parents[0]));
  if (reason !== undefined) return `There are no pictures of ${printable(ranked.set.name)}: ${reason}.`;
  return picturesOf(execution, ranked, classNames(run));
}

/** The data of a set, or why they cannot be used. */
async function dataOf(
  { directory, parents }: OpenRun,
  wanted: Wanted,
  { metric }: FollowUp,
): Promise<LabelledData | string> {
  try {
    const dataset = await sameData(wanted, labelsOfRun(directory.config), 'the run was made');
    return LabelledData.for(parents, dataset, metric);
  } catch (error) {
    if (!(error instanceof SutureError)) throw error;
    return error.message;
  }
}

/** The networks whose answers are shown: each parent, their plain ensemble, and last the exported one. */
export const shownNames = (parents: number, exported: string): readonly string[] => [
  ...[...Array.from({ length: parents }, (_, i) => parentName(tagOf(i))), ensembleName].filter(
    name => name !== exported,
  ),
  exported,
];

/** @param graph the exported network. */
function networksBeside({ network, parents }: OpenRun, candidate: string, graph: Graph): readonly NamedNetwork[] {
  const plain = original(network);
  const ensemble = networkOf(settle(network, plain), ensembleName, settledMeaning(network.outputs[0], plain));
  const exported = networkOf(graph, candidate, knownMeaning(graph) ?? ensemble.meaning);
  return shownNames(parents.length, candidate).map(name => {
    const parent = parents.find((_, i) => name === parentName(tagOf(i)));
    return { ...(name === candidate ? exported : (parent ?? ensemble)), network: name };
  });
}

async function measuredCases(
  execution: Execution,
  name: string,
  networks: readonly NamedNetwork[],
  data: LabelledData,
): Promise<CaseSet> {
  const measured = await measureNetworks(execution, networks, data);
  return scoresByCase(
    name,
    data.dataset,
    measured.map(({ metric }, i) => ({ network: networks[i].network, metric })),
  );
}

/** What the run's data set calls its classes from 1 on, or its regions; undefined where it says nothing. */
function classNames({ directory, parents }: OpenRun): readonly string[] | undefined {
  const { dataset } = directory.config.input ?? {};
  if (!dataset) return undefined;
  const { meaning } = parents[0];
  const names = channelNames(datasetNames(dataset, directory.file('config')), meaning);
  return meaning.activation === 'sigmoid' ? names : names.slice(1);
}

/** The parents' features that can be matched, in the order in which they are computed, and which of them are. */
function matchOf({ directory, parents, network }: OpenRun): Omit<MatchParts, 'chosen' | 'chosenText'> {
  const { positions } = network;
  const columns = parents.map((parent, i) => {
    const tag = tagOf(i);
    const others = parents.filter(other => other !== parent);
    const names = new Set([
      ...others.flatMap(other => matchableValues(parent.graph, other.graph).a.map(({ name }) => name)),
      ...positions.flatMap(({ features }) => features[tag] ?? []),
    ]);
    const computed = parent.graph.nodes.flatMap(node => node.outputs.map(({ name }) => name));
    return {
      title: `${tag}: ${basename(directory.config.parents[tag].source)}`,
      features: computed.filter(name => names.has(name)),
    };
  });
  const tags = parents.map((_, i) => tagOf(i));
  return {
    columns,
    rows: positions.map(({ id, features, links, score }) => ({
      position: id,
      at: tags.map((tag, c) => (features[tag] === undefined ? undefined : columns[c].features.indexOf(features[tag]))),
      links: links.map(([p, q]) => [tags.indexOf(p), tags.indexOf(q)] as const),
      score,
    })),
  };
}
