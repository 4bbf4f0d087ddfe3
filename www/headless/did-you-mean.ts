/** Suggestions for misspelled words. */

/** The word closest to `typed`, if it is close enough for a misspelling; null otherwise. */
export function near<W extends string>(typed: string, words: readonly W[]): W | null {
  let most = Math.min(2, Math.max(1, Math.floor(typed.length / 3)));
  let found: W | null = null;
  for (const word of words) {
    const away = distance(typed.toLowerCase(), word.toLowerCase());
    if (away > most) continue;
    found = word;
    most = away - 1;
  }
  return found;
}

/** The number of letters to insert, remove or change. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [done, letter] of [...from].entries()) {
    const next = [done + 1];
    for (let at = 0; at < to.length; at++) next.push(Math.min(row[at]! + Number(letter !== to[at]), row[at + 1]! + 1, next[at]! + 1));
    row = next;
  }
  return row.at(-1)!;
}
