/** Masks over images: what is true and what networks answer, and where the two differ. */
import { encode } from 'fast-png';
import { fixed } from '../decimals.ts';
import { type Content, html, type Markup } from '../markup.ts';
import type { Mask, PicturedCase, PicturedSet, Plane } from '../pictures.ts';
import { caseText } from './cases.ts';
import { legend } from './parts.ts';

type Colour = readonly [number, number, number];

/** Okabe and Ito's colours but black, first those that errors do not have; the style sheet has them for the legend. */
const classColours: readonly Colour[] = [
  [230, 159, 0],
  [86, 180, 233],
  [0, 158, 115],
  [0, 114, 178],
  [204, 121, 167],
  [240, 228, 66],
  [213, 94, 0],
];

/** Where an answer differs. Each kind has a pattern of its own beside its colour. */
const errorKinds = ['more', 'missed', 'other'] as const;
type ErrorKind = (typeof errorKinds)[number];

const errorColours: Readonly<Record<ErrorKind, Colour>> = {
  more: [213, 94, 0],
  missed: [204, 121, 167],
  other: [240, 228, 66],
};

const errorTexts: Readonly<Record<ErrorKind, string>> = {
  more: 'too much (solid)',
  missed: 'missed (hatched)',
  other: 'another class (dotted)',
};

/** Pictures have as many pixels on their longer side as this, or up to twice as many. */
const [smallest, largest] = [192, 384];

/** How many pixels a place is wide; below 1 places are left out. */
function scaleOf({ width, height }: Pick<Mask, 'width' | 'height'>): number {
  const side = Math.max(width, height);
  return side > largest ? largest / side : Math.max(1, Math.ceil(smallest / side));
}

const pngUri = (png: Uint8Array): string => `data:image/png;base64,${Buffer.from(png).toString('base64')}`;

/** The grey, or colour, that a number is shown in: the hundredth part at either end of all is black or white. */
function windowOf(values: Float32Array): (value: number) => number {
  const sorted = values.toSorted();
  const [low, high] = [0.01, 0.99].map(share => sorted[Math.round(share * (sorted.length - 1))]);
  return value => (high > low ? Math.max(0, Math.min(255, Math.round((255 * (value - low)) / (high - low)))) : 128);
}

/** An image as PNG; a large one is made smaller by leaving out places. */
function imagePng({ width, height, channels, data }: Plane): Uint8Array {
  const scale = Math.min(1, scaleOf({ width, height }));
  const [w, h] = [width, height].map(side => Math.max(1, Math.round(side * scale)));
  const shown = windowOf(data);
  const pixels = new Uint8Array(w * h * channels);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const from = Math.floor(y / scale) * width + Math.floor(x / scale);
      for (let c = 0; c < channels; c++) pixels[(y * w + x) * channels + c] = shown(data[c * width * height + from]);
    }
  }
  return encode({ width: w, height: h, channels, data: pixels });
}

/** Colour and opacity of pixels, by number. What is opaque comes last, as files say the opacity of the first ones only. */
type Palette = readonly (readonly [...Colour, number])[];

/** The number in the palette of a pixel, which is of a place and has others around it; 0 is nothing. */
type Painting = (
  place: number,
  x: number,
  y: number,
  left: number,
  right: number,
  above: number,
  below: number,
) => number;

/** A picture to lie over an image. */
function overlayPng(mask: Pick<Mask, 'width' | 'height'>, palette: Palette, at: Painting): Uint8Array {
  const scale = scaleOf(mask);
  const [w, h] = [mask.width, mask.height].map(side => Math.max(1, Math.round(side * scale)));
  const columns = Int32Array.from({ length: w }, (_, x) => Math.min(mask.width - 1, Math.floor(x / scale)));
  const rows = Int32Array.from({ length: h }, (_, y) => mask.width * Math.min(mask.height - 1, Math.floor(y / scale)));
  const pixels = new Uint8Array(w * h);
  for (let y = 0; y < h; y++) {
    const [row, above, below] = [rows[y], rows[Math.max(0, y - 1)], rows[Math.min(h - 1, y + 1)]];
    for (let x = 0; x < w; x++) {
      const column = columns[x];
      const left = columns[Math.max(0, x - 1)];
      const right = columns[Math.min(w - 1, x + 1)];
      pixels[y * w + x] = at(row + column, x, y, row + left, row + right, above + column, below + column);
    }
  }
  return encode({ width: w, height: h, channels: 1, palette: palette.map(colour => [...colour]), data: pixels });
}

const nothing = [0, 0, 0, 0] as const;

/** The class that is shown of a code; of regions, the last that has the place. */
const shownClass = (code: number, kind: PicturedSet['kind']): number =>
  kind === 'classes' ? code : 32 - Math.clz32(code);

/** Nothing, then each class within, then each class at its edge. */
const maskPalette: Palette = [
  nothing,
  ...[120, 255].flatMap(opacity => classColours.map(colour => [...colour, opacity] as const)),
];

function maskPng(mask: Mask, kind: PicturedSet['kind']): Uint8Array {
  const { codes } = mask;
  return overlayPng(mask, maskPalette, (place, _x, _y, left, right, above, below) => {
    const code = codes[place];
    if (code <= 0) return 0;
    const edge = codes[left] !== code || codes[right] !== code || codes[above] !== code || codes[below] !== code;
    return 1 + ((shownClass(code, kind) - 1) % classColours.length) + (edge ? classColours.length : 0);
  });
}

/** How an answer differs from what is true; undefined where it does not, and where what is true is not known. */
export function errorOf(truth: number, answer: number, kind: PicturedSet['kind']): ErrorKind | undefined {
  if (truth < 0 || truth === answer) return undefined;
  const both = kind === 'regions' ? truth & answer : 0;
  if (both === truth) return 'more';
  return both === answer ? 'missed' : 'other';
}

const errorPalette: Palette = [
  nothing,
  [...errorColours.more, 225],
  [...errorColours.missed, 90],
  [...errorColours.other, 90],
  [...errorColours.missed, 255],
  [...errorColours.other, 255],
];

const errorPng = (answer: Mask, reference: Mask, kind: PicturedSet['kind']): Uint8Array =>
  overlayPng(answer, errorPalette, (place, x, y) => {
    const error = errorOf(reference.codes[place], answer.codes[place], kind);
    switch (error) {
      case undefined:
        return 0;
      case 'more':
        return 1;
      case 'missed':
        return (x + y) % 6 < 3 ? 4 : 2;
      case 'other':
        return x % 4 < 2 && y % 4 < 2 ? 5 : 3;
      default:
        return error satisfies never;
    }
  });

function errorCounts(answer: Mask, reference: Mask, kind: PicturedSet['kind']): Readonly<Record<ErrorKind, number>> {
  const counts = { more: 0, missed: 0, other: 0 };
  for (const [place, truth] of reference.codes.entries()) {
    const error = errorOf(truth, answer.codes[place], kind);
    if (error) counts[error]++;
  }
  return counts;
}

/** Pictures of a case: the image over the reference, then each network's answer over its errors. */
function casePanels(found: PicturedCase, kind: PicturedSet['kind'], id: string): Markup {
  const { image, reference, answers } = found;
  const { width, height } = image;
  const layer = (png: Uint8Array, name?: string): Markup =>
    html`<image${name !== undefined && html` id="${name}"`} href="${pngUri(png)}" width="${width}" height="${height}" preserveAspectRatio="none"/>`;
  const panel = (label: string, over: Content): Markup =>
    html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">${over}</svg>\n`;
  const base = html`<use href="#${id}"/>`;
  const case_ = caseText(found);
  return html`<ul class="panels">
<li>${panel(`${case_}: the image`, layer(imagePng(image), id))}${panel(`${case_}: the reference`, [base, layer(maskPng(reference, kind))])}<p>the image, and the reference</p></li>
${answers.map(({ network, score, mask }) => {
  const { more, missed, other } = errorCounts(mask, reference, kind);
  const counts = `${more} too much, ${missed} missed${other > 0 ? `, ${other} of another class` : ''}`;
  return html`<li>${panel(`${case_}: what ${network} answers, score ${fixed(score)}`, [base, layer(maskPng(mask, kind))])}${panel(`${case_}: where ${network} errs: ${counts}`, [base, layer(errorPng(mask, reference, kind))])}<p><strong>${network}</strong> ${fixed(score)}<br>${counts}</p></li>
`;
})}</ul>
`;
}

/** The cases of a data set as pictures, with what the colours mean. @param id that of the section, which pictures are named after. */
export const picturesOfSet = (set: PicturedSet, id: string): Markup =>
  html`${set.cases.map(
    (
      found,
      i,
    ) => html`<h4>${found.which[0].toUpperCase()}${found.which.slice(1)}: ${caseText(found)}${found.part !== undefined && `, ${found.part}`}</h4>
${casePanels(found, set.kind, `${id}-${i}`)}`,
  )}`;

/** What the colours of pictures mean: classes above, errors below. */
export const pictureLegend = ({ classes }: PicturedSet): Markup =>
  html`${legend(
    classes.map((text, k) => ({ className: `class-${k % classColours.length}`, text })),
  )}${legend(errorKinds.map(kind => ({ className: `error-${kind}`, text: errorTexts[kind] })))}`;

const css = ([red, green, blue]: Colour): string => `rgb(${red} ${green} ${blue})`;

/** The part of the style sheet that says the colours of legends. */
export const pictureStyle = [
  ...classColours.map((colour, k) => `.class-${k} { background: ${css(colour)}; }`),
  ...errorKinds.map(kind => `.error-${kind} { background: ${css(errorColours[kind])}; }`),
].join('\n');
