/** The page of a study: that it says what the report says, stays small, and holds nothing of a file that would run. */
import { describe, expect, it } from 'vitest';
import { escaped } from '../../../src/report/markup.ts';
import { studyPage } from '../../../src/study/page.ts';
import { rowTitle, type StudyDifference, studyReportOf, studyText } from '../../../src/study/report.ts';
import { hostile, inventedStudy } from './invented.ts';

const parts = inventedStudy(['a', 'b']);
/** Without markup and runs of spaces. */
const wordsOf = (text: string): string => text.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

describe('the page of a study', () => {
  const text = studyPage(parts);

  it('of hundreds of cells is small, and soon made', () => {
    const large = inventedStudy();
    expect(large.states.length).toBeGreaterThan(200);
    // Not by the clock: the machine may be busy.
    const before = process.cpuUsage();
    const report = studyReportOf(large.request, large.states);
    expect(Buffer.byteLength(studyPage({ ...large, report }))).toBeLessThan(2e6);
    const { user, system } = process.cpuUsage(before);
    expect(user + system).toBeLessThan(2e6);
  });

  it('says first how many cells have ended, and for each pair and site which method scores best', () => {
    const lead = wordsOf(text.slice(text.indexOf('class="verdict"'), text.indexOf('<nav')));
    expect(lead).toContain(`${parts.states.length - 1} of ${parts.states.length} cells are done`);
    expect(lead).toContain('1 cell failed');
    for (const { own, partner, rows } of parts.report.pairs) {
      for (const i of [0, 1]) {
        const best = Math.max(...rows.map(({ sites }) => sites[i].mean));
        const said = lead.slice(lead.indexOf(`${own}, with ${partner} as partner`));
        expect(said.slice(0, said.indexOf(' as partner', 20))).toContain(best.toFixed(4));
      }
    }
  });

  it('has the numbers of every method, position and curve', () => {
    const shown = new Set(text.match(/\d+\.\d{4}(?!\d)/g));
    for (const { own, rows, positions, rules, curves } of parts.report.pairs) {
      const shownOf = ({ against, mean, low, high, classes }: StudyDifference) =>
        [`alone ${own}`, 'ensemble'].includes(against)
          ? [{ mean, low, high }, ...classes].flatMap(found => [found.mean, found.low, found.high].map(Math.abs))
          : [];
      const numbers = [
        ...rows.flatMap(({ sites }) => sites.flatMap(({ mean, low, high }) => [mean, low, high])),
        ...rows.flatMap(({ sites }) => sites.flatMap(({ classes }) => classes.map(({ mean }) => mean))),
        ...rows.flatMap(row =>
          row.sites.flatMap(({ differences }) =>
            // Nothing is less itself.
            differences.filter(({ against }) => against !== rowTitle(row)).flatMap(shownOf),
          ),
        ),
        ...rules.flatMap(({ tests }) => Object.values(tests)),
        ...positions.map(({ value }) => value),
        ...curves.flatMap(({ scores }) => scores.map(({ mean }) => mean)),
      ];
      expect(numbers.filter(number => !shown.has(number.toFixed(4)))).toEqual([]);
    }
    for (const { cell } of parts.states) expect(text).toContain(cell.key);
    expect(text).toContain('suture study /studies/DIR/request.json -o AGAIN');
  });

  it('draws the losses of what was trained, and says what was chosen', () => {
    const section = text.slice(text.indexOf('id="pair-0"'), text.indexOf('id="pair-1"'));
    const [labels, stitches, students] = section.split('The losses over the steps')[1].split('</figure>');
    // Two networks alone, merged data and FedAvg in either order, two of fine-tuning: over two seeds, with lines of two sites each.
    expect(labels.match(/<path /g)).toHaveLength(2 * 2 * 8);
    expect(stitches.match(/<path /g)).toHaveLength(2 * 2 * 3);
    expect(students.match(/<path /g)).toHaveLength(2 * 2);
    expect(wordsOf(section)).toContain('stitched position 7, by rule 1');
    expect(studyText(parts.report)).toContain('| stitched (position 7, by rule 1) |');
  });

  it('says which rules are in the table, and by which the stitched network was chosen', () => {
    const chosen = 'was chosen in its cell alone, before there were others';
    expect(wordsOf(text)).toContain(chosen);
    expect(text).not.toContain('it is not in the table');
    const few = studyReportOf(
      parts.request,
      parts.states.filter(({ cell }) => cell.seed === 0),
    );
    expect(studyText(few)).toMatch(new RegExp(`Rule 2 .* and here is one: it is not in the table\\. .*${chosen}`));
    const page = wordsOf(studyPage({ ...parts, report: few }));
    expect(page).toContain('and here is one: it is not in the table.');
  });

  it('says which methods are missing, as no cell of theirs has ended', () => {
    const states = parts.states.filter(({ cell }) => cell.kind !== 'fedavg' && cell.kind !== 'distilled');
    const few = { ...parts, states, report: studyReportOf(parts.request, states) };
    expect(wordsOf(studyPage(few))).toContain('no cell of it has ended: FedAvg, distilled.');
    expect(text).not.toContain('no cell of it has ended');
  });

  it('takes what files and errors say for text', () => {
    expect(text).not.toContain('<script');
    expect(text).not.toContain('<img');
    expect(text).toContain(escaped(hostile, Number.POSITIVE_INFINITY).replaceAll("'", '&#39;'));
  });

  it('of MSE takes the least for the best', () => {
    const report = { ...parts.report, metric: 'mse' as const };
    const [{ rows }] = report.pairs;
    const lead = wordsOf(studyPage({ ...parts, report }).split('<nav')[0]);
    expect(lead).toContain(Math.min(...rows.map(({ sites }) => sites[0].mean)).toFixed(4));
  });

  it('of a study that has only begun says so', () => {
    const states = parts.states.map(({ cell }) => ({ cell, status: 'waiting' as const, record: undefined }));
    const report = studyReportOf(parts.request, states);
    const begun = studyPage({ ...parts, states, report, trainings: [], pages: [] });
    expect(begun).toContain(`0 of ${states.length} cells`);
    expect(begun).toContain('Nothing of this pair has ended yet.');
  });
});
