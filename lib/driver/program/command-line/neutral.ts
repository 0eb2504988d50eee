/**
 * Characters that act on a terminal or reorder the text: control characters except tab (C0, DEL, C1) and
 * marks that change the direction of writing.
 */
// deno-lint-ignore no-control-regex
const HARMFUL = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
const EVERY_HARMFUL = new RegExp(HARMFUL, "g");
/** Colours are removed, not made visible. */
// deno-lint-ignore no-control-regex
const COLOURS = /\x1b\[[0-9;:]*m/g;

/**
 * Makes a line of a build's output safe for a terminal, or for a file that will be shown on one: control
 * characters become visible.
 */
export function neutral(text: string): string {
  if (!HARMFUL.test(text)) return text;
  return text.replace(COLOURS, "").replace(EVERY_HARMFUL, visible);
}

/** As `neutral`, for a text of several lines. */
export const neutralText = (text: string): string => text.split("\n").map(neutral).join("\n");

function visible(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "␡" : "�";
}
