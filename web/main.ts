/** The page: files in, what the worker makes of them shown, one file out. */
import { candidateTable } from '../src/report/html/candidates.ts';
import { positionsFigure, trainingFigures } from '../src/report/html/curves.ts';
import { matchFigure } from '../src/report/html/match.ts';
import { list, warning } from '../src/report/html/parts.ts';
import { styleSheet } from '../src/report/html/style.ts';
import { type Content, html } from '../src/report/markup.ts';
import { verdictText } from '../src/report/verdict.ts';
import type { MetricsEntry } from '../src/web/index.ts';
import { Computation, ComputationError } from './computation.ts';
import type { GivenNetwork, Matched, NamedBytes, Outcome } from './messages.ts';

/** The element of an id. */
function byId<E extends HTMLElement>(id: string, type: new () => E): E {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new TypeError(`There is no ${type.name} of the id ${id}.`);
  return found;
}

const section = (id: string): HTMLElement => byId(id, HTMLElement);

/** Shows markup, whose templates have escaped what comes from files. */
function show(id: string, content: Content): void {
  section(id).innerHTML = html`${content}`.text;
}

// Pages like the reports: the same sheet, which the policy lets in as an object, not as text in the page.
const sheet = new CSSStyleSheet();
sheet.replaceSync(styleSheet);
document.adoptedStyleSheets = [sheet];

const computation = new Computation();
const files = byId('files', HTMLFormElement);
const training = byId('training', HTMLFormElement);

// ------------------------------------------------------------------------------------------------ what goes on

computation.onProgress = ({ stage, done, total, note }) => {
  // Only what changes is read out: the stage, once.
  if (section('stage').textContent !== stage) section('stage').textContent = stage;
  byId('bar', HTMLProgressElement).value = total > 0 ? done / total : 0;
  section('note').textContent = note ?? `${done} of ${total}`;
};

let isBusy = true;
let hasDevice = false;

function setBusy(busy: boolean): void {
  isBusy = busy;
  byId('match', HTMLButtonElement).disabled = busy || !hasDevice;
  byId('train', HTMLButtonElement).disabled = busy;
  for (const button of document.querySelectorAll<HTMLButtonElement>('button.save')) button.disabled = busy;
  section('progress').hidden = !busy || !hasDevice;
}

/** Does one thing at a time; what goes wrong is said above all. */
async function doing(work: () => Promise<void>): Promise<void> {
  if (isBusy) return;
  section('problem').hidden = true;
  section('stage').textContent = 'reading the files';
  section('note').textContent = '';
  byId('bar', HTMLProgressElement).removeAttribute('value');
  setBusy(true);
  try {
    await work();
  } catch (error) {
    report(error);
  } finally {
    setBusy(false);
  }
}

function report(error: unknown): void {
  const { message, details } =
    error instanceof ComputationError ? error.problem : { message: String(error), details: [] };
  show('problem', html`<p>${message}</p>${details.length > 0 && list(details)}`);
  section('problem').hidden = false;
  section('problem').scrollIntoView({ block: 'nearest' });
}

// ------------------------------------------------------------------------------------------------ files

const inputOf = (name: string): HTMLInputElement => {
  const found = files.elements.namedItem(name);
  if (!(found instanceof HTMLInputElement)) throw new TypeError(`There is no field ${name}.`);
  return found;
};

for (const label of files.querySelectorAll<HTMLLabelElement>('label.drop')) {
  const input = label.querySelector('input')!;
  const chosen = label.querySelector('.chosen')!;
  const empty = chosen.textContent;
  input.addEventListener('change', () => {
    const names = Array.from(input.files ?? [], file => file.name);
    chosen.textContent = names.join(', ') || empty;
    label.classList.toggle('full', names.length > 0);
  });
  label.addEventListener('dragover', event => {
    event.preventDefault();
    label.classList.add('over');
  });
  label.addEventListener('dragleave', () => label.classList.remove('over'));
  label.addEventListener('drop', event => {
    event.preventDefault();
    label.classList.remove('over');
    if (!event.dataTransfer || event.dataTransfer.files.length === 0) return;
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event('change'));
  });
}
// What is dropped beside a field must not replace the page.
for (const kind of ['dragover', 'drop']) document.addEventListener(kind, event => event.preventDefault());

const bytesOf = async (file: File): Promise<NamedBytes> => ({
  name: file.name,
  bytes: new Uint8Array(await file.arrayBuffer()),
});

const filesOf = (name: string): Promise<readonly NamedBytes[]> =>
  Promise.all(Array.from(inputOf(name).files ?? [], bytesOf));

/** @throws ComputationError where a field has more files than it takes. */
function requireOne(name: string, given: readonly NamedBytes[], what: string): void {
  if (given.length < 2) return;
  const field = inputOf(name).closest('label')!.querySelector('.what')!.textContent;
  const message = `${field}: one ${what} belongs here, and there are ${given.length} (${given.map(file => file.name).join(', ')}).`;
  throw new ComputationError({ message, details: [], isInterruption: false });
}

async function networkOf(name: string): Promise<GivenNetwork> {
  const given = await filesOf(name);
  const models = given.filter(file => file.name.endsWith('.onnx'));
  requireOne(name, models, 'ONNX file, beside its files of data,');
  const [model = given[0]] = models;
  return { ...model, external: given.filter(file => file !== model) };
}

async function imagesOf(name: string): Promise<NamedBytes | undefined> {
  const given = await filesOf(name);
  requireOne(name, given, 'file');
  return given[0];
}

files.addEventListener('submit', event => {
  event.preventDefault();
  void doing(async () => {
    for (const id of ['match-section', 'train-section', 'result-section']) section(id).hidden = true;
    const train = (await imagesOf('train'))!;
    const validation = await imagesOf('validation');
    const networks = [await networkOf('own'), await networkOf('partner')];
    showMatch(await computation.ask('match', { networks, train, validation }));
  });
});

// ------------------------------------------------------------------------------------------------ match

let matched: Matched | undefined;

function drawMatch(position?: number): void {
  if (!matched) return;
  const { parts, warnings } = matched;
  show('match-figure', [
    matchFigure({ ...parts, chosen: position, chosenText: 'stitched there' }),
    warnings.map(text => warning(text)),
  ]);
}

function showMatch(found: Matched): void {
  matched = found;
  const { parts, images, usual } = found;
  section('match-summary').textContent =
    `${parts.rows.length} pairs of layers can be joined at once; the stitches between them are trained on ${images} images.`;
  drawMatch();
  for (const [name, value] of Object.entries(usual)) numberField(name).value = String(value);
  show('curve', []);
  section('match-section').hidden = false;
  section('train-section').hidden = false;
}

// ------------------------------------------------------------------------------------------------ training

function numberField(name: string): HTMLInputElement {
  const found = training.elements.namedItem(name);
  if (!(found instanceof HTMLInputElement)) throw new TypeError(`There is no field ${name}.`);
  return found;
}

const readings: MetricsEntry[] = [];
let drawing = 0;

computation.onMetrics = entry => {
  readings.push(entry);
  if (drawing === 0) drawing = requestAnimationFrame(drawCurve);
};

function drawCurve(): void {
  drawing = 0;
  if (readings.length > 0) show('curve', trainingFigures(readings));
}

training.addEventListener('submit', event => {
  event.preventDefault();
  void doing(async () => {
    readings.length = 0;
    show('curve', []);
    section('result-section').hidden = true;
    section('stop').hidden = false;
    const [steps, batch, seed] = ['steps', 'batch', 'seed'].map(name => numberField(name).valueAsNumber);
    try {
      showOutcome(await computation.ask('train', { steps, batch, seed }));
    } finally {
      section('stop').hidden = true;
    }
  });
});

section('stop').addEventListener('click', () => computation.stop());

// A page that is closed forgets what it trained.
window.addEventListener('beforeunload', event => {
  if (!section('stop').hidden) event.preventDefault();
});

// ------------------------------------------------------------------------------------------------ what was made

function showOutcome({ compared, selection, names }: Outcome): void {
  drawMatch(selection.position);
  show(
    'outcome',
    compared
      ? [
          html`<div class="verdict"><p>${verdictText(compared.verdict)}</p></div>`,
          candidateTable(compared.verdict, undefined),
          positionsFigure(compared.sweep, selection),
        ]
      : html`<p>Without labelled images nothing can be scored: this is the position at the depth where stitching was found to serve. The network
with a gate, and its rivals, are there when images to compare on are given.</p><div class="scroll"><table><tbody><tr><th scope="row">${names[0]}</th></tr></tbody></table></div>`,
  );
  const rows = section('outcome').querySelector('tbody')?.rows ?? [];
  for (const [row, name] of names.entries()) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'save quiet';
    button.textContent = 'Save';
    button.setAttribute('aria-label', `Save ${name} as an ONNX file`);
    button.addEventListener('click', () => void doing(() => save(row, name)));
    rows[row].insertCell().append(button);
  }
  section('saved').textContent = '';
  section('result-section').hidden = false;
}

async function save(row: number, name: string): Promise<void> {
  const bytes = await computation.ask('save', { row });
  const file = `${name.replace(/[^\w.]+/g, '-')}.onnx`;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
  link.download = file;
  link.click();
  URL.revokeObjectURL(link.href);
  section('saved').textContent = `${file}: ${name}, ${(bytes.byteLength / 1024).toFixed(0)} KiB.`;
}

// ------------------------------------------------------------------------------------------------ the beginning

try {
  const { device } = await computation.ask('open', {});
  hasDevice = true;
  section('device').textContent = device;
  section('device').className = 'device there';
} catch (error) {
  section('device').textContent = 'No WebGPU here: nothing can be computed.';
  section('device').className = 'device missing';
  report(error);
}
setBusy(false);
