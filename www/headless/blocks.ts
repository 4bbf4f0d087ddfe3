/** Writes lists of block names, of which a model may have sixty. */

/** Block names with consecutive numbers are shortened to the first and the last: "double 0 … double 18". */
export function listed(labels: readonly string[]): string {
  const runs: string[][] = [];
  for (const label of labels) {
    const run = runs.at(-1);
    if (run && follows(run.at(-1)!, label)) run.push(label);
    else runs.push([label]);
  }
  return runs.map((run) => (run.length > 2 ? `${run[0]} … ${run.at(-1)}` : run.join(', '))).join(', ');
}

function follows(before: string, label: string): boolean {
  const [, stem, digits] = /^(.*?)(\d+)$/.exec(before) ?? [];
  return digits !== undefined && label === stem + String(Number(digits) + 1).padStart(digits.length, '0');
}
