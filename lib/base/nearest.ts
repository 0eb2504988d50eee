/** Longer words are not compared: they come from untrusted input. */
const MOST_CHARS = 64;

/**
 * Returns the word that `text` was probably meant to be; undefined if none is close. Exchanged neighbours
 * count as one mistake.
 */
export function nearest(text: string, words: readonly string[]): string | undefined {
  return nearestOf(text, words, 1)[0];
}

/** Like `nearest`, but returns up to `most` words, the closest first. */
export function nearestOf(text: string, words: readonly string[], most: number): string[] {
  if (text.length > MOST_CHARS) return [];
  return words.filter((word) => word !== text && word.length <= MOST_CHARS)
    .map((word) => ({ word, mistakes: mistakesIn(text.toLowerCase(), word.toLowerCase()) }))
    .filter(({ word, mistakes }) =>
      mistakes <= Math.max(1, Math.floor(Math.max(word.length, text.length) / 3))
    )
    .sort((a, b) => a.mistakes - b.mistakes)
    .slice(0, most)
    .map(({ word }) => word);
}

/** Returns how many characters were added, left out, replaced or exchanged with their neighbour. */
function mistakesIn(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const differs = a[i - 1] === b[j - 1] ? 0 : 1;
      const costs = [(row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1, (last[j - 1] ?? 0) + differs];
      const isExchange = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isExchange) costs.push((before[j - 2] ?? 0) + 1);
      row.push(Math.min(...costs));
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
