/** What networks are called in verdicts, scores and reports, which keep nothing of them but their names. */

export const parentName = (tag: string): string => `parent ${tag}`;
export const ensembleName = 'output ensemble';
export const distilledName = (from: string): string => `distilled from ${from}`;

export const isParentName = (name: string): boolean => name.startsWith(parentName(''));
/** Of the plain ensemble, and of those that are gated or weighted. */
export const isEnsembleName = (name: string): boolean => name.startsWith(ensembleName);
export const isDistilledName = (name: string): boolean => name.startsWith(distilledName(''));
