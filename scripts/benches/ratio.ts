import type { Figure } from "./bench.ts";
import { formatMs, rounded } from "./numbers.ts";

/** The figure of work done twice, with a target for the second time as a part of the first. */
export function ratioFigure(
  what: string,
  { first, second, most }: { first: number; second: number; most: number },
): Figure {
  const ratio = second / first;
  return {
    what,
    ours: formatMs(second),
    reference: `${formatMs(first)} the first`,
    ratio: rounded(ratio),
    target: `ratio ≤ ${most}`,
    isMet: ratio <= most,
    numbers: { firstMs: rounded(first), secondMs: rounded(second) },
  };
}
