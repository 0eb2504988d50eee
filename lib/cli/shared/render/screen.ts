import { type Environment, environment } from "../../../driver/program/command-line/environment.ts";
import { colourStyle, plainStyle, type Style } from "./style.ts";

export interface Screen {
  readonly style: Style;
  readonly isTerminal: boolean;
}

/** Returns what kind of output stdout is, and its style. Obeys `NO_COLOR`. */
export function screenOf(
  stdout: { readonly isTTY?: boolean } = process.stdout,
  { TERM, NO_COLOR }: Environment = environment,
): Screen {
  const isTerminal = stdout.isTTY === true && TERM !== "dumb";
  return { isTerminal, style: isTerminal && !NO_COLOR ? colourStyle : plainStyle };
}
