import { styleText } from "node:util";

/** Styles for text. Without colours they return the text unchanged. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

const same = (text: string): string => text;
/** The caller decides whether colours are wanted, so do not look at the stream. */
const styled = (format: "bold" | "dim" | "red" | "green" | "yellow") => (text: string): string =>
  styleText(format, text, { validateStream: false });

export const plainStyle: Style = { bold: same, dim: same, red: same, green: same, yellow: same };

export const colourStyle: Style = {
  bold: styled("bold"),
  dim: styled("dim"),
  red: styled("red"),
  green: styled("green"),
  yellow: styled("yellow"),
};
