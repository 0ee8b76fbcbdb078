/** What Python's `json` writes: JSON in which numbers may be `NaN`, `Infinity` and `-Infinity`, which are null here. @throws SyntaxError. */
export const parsePythonJson = (text: string): unknown =>
  JSON.parse(text.replace(/(?<=[[:,\s])(-?Infinity|NaN)(?=\s*[,}\]])/g, 'null'));
