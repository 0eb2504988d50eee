import { type Environment, environment } from "../../../driver/program/command-line/environment.ts";
import { hasColours } from "../../../driver/program/command-line/help-screen.ts";
import { colourStyle, plainStyle, type Style } from "./style.ts";

export interface Screen {
  readonly style: Style;
  readonly isTerminal: boolean;
}

/** Returns what kind of output stdout is, and its style. */
export function screenOf(
  stdout: { readonly isTTY?: boolean } = process.stdout,
  surroundings: Environment = environment,
): Screen {
  const isTerminal = stdout.isTTY === true && surroundings.TERM !== "dumb";
  return { isTerminal, style: hasColours(stdout, surroundings) ? colourStyle : plainStyle };
}
