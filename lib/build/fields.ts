import { z } from "zod";
import { parseDuration, parseSize } from "../base/units.ts";
import { parsedText } from "../wire/parsed-text.ts";
import { noNul } from "./no-nul.ts";

/** Seconds as a number, or a text like `30m`. Parsed to milliseconds. */
export const duration = z.union([
  z.number().nonnegative().transform((seconds) => Math.round(seconds * 1000)),
  parsedText(parseDuration),
]);

/** Bytes as a number, or a text like `4g`. Parsed to bytes. */
export const size = z.union([z.int().nonnegative(), parsedText(parseSize)]);

/** The name of a variable. */
export const envName = z.string().regex(
  /^[A-Za-z_][A-Za-z0-9_]*$/,
  "expected a variable's name: letters, digits and _",
);

/** A shell line, or a program and its arguments. */
export const Command = z.union([noNul("a command").min(1), z.array(noNul("arguments")).min(1)]);
