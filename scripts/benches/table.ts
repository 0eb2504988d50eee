import type { Figure } from "./bench.ts";

const HEAD = ["what", "ours", "against", "ratio", "target", ""];

/** Returns figures as a Markdown table with aligned columns. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = [HEAD, ...figures.map(rowOf)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => lineOf(row.map((cell, column) => cell.padEnd(widths[column] ?? 0))));
  return [lines[0], lineOf(widths.map((width) => "-".repeat(width))), ...lines.slice(1)].join("\n");
}

function rowOf({ what, ours, reference = "", ratio, target = "", isMet }: Figure): string[] {
  const verdict = isMet === undefined ? "" : isMet ? "met" : "missed";
  return [what, ours, reference, ratio?.toFixed(2) ?? "", target, verdict];
}

const lineOf = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
