/** Styles for text. Without colours they return the text unchanged. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

const same = (text: string): string => text;
const between = (on: number, off: number) => (text: string): string => `\x1b[${on}m${text}\x1b[${off}m`;

export const plainStyle: Style = { bold: same, dim: same, red: same, green: same, yellow: same };

export const colourStyle: Style = {
  bold: between(1, 22),
  dim: between(2, 22),
  red: between(31, 39),
  green: between(32, 39),
  yellow: between(33, 39),
};
