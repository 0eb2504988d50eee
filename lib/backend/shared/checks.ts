import { InputError } from "../../base/errors.ts";
import { matches, type StreamName, STREAMS } from "../../wire/subjects.ts";
import { type ConsumerSpec, MAX_MESSAGE_BYTES } from "../transport.ts";

const STREAM_NAMES = Object.keys(STREAMS) as StreamName[];
/** A subject token: no blank, no control character, none of NATS's special characters. */
// deno-lint-ignore no-control-regex
const TOKEN = /^[^\s.*>\u0000-\u001f\u007f]+$/;

/**
 * Returns the stream that stores messages on `subject`. Throws `InputError` if the subject is malformed, has
 * wildcards, or belongs to no stream.
 */
export function streamOf(subject: string): StreamName {
  checkSubject(subject);
  const stream = STREAM_NAMES.find((name) => STREAMS[name].subjects.some((own) => matches(own, subject)));
  if (!stream) {
    const known = STREAM_NAMES.flatMap((name) => STREAMS[name].subjects).join(", ");
    throw new InputError(`Cannot store a message on "${subject}": expected a subject of ${known}`);
  }
  return stream;
}

/** Throws `InputError` if `subject` is malformed or has wildcards. */
export function checkSubject(subject: string): void {
  if (!subject.split(".").every((token) => TOKEN.test(token))) {
    throw new InputError(
      `Invalid subject ${JSON.stringify(subject)}: expected tokens joined by dots, without wildcards`,
    );
  }
}

/** As `checkSubject`, but allows `*` for a token and `>` for the rest. */
export function checkFilter(filter: string): void {
  const tokens = filter.split(".");
  const fine = tokens.every((token, i) =>
    token === "*" || (token === ">" && i === tokens.length - 1) || TOKEN.test(token)
  );
  if (!fine) {
    throw new InputError(
      `Invalid filter ${JSON.stringify(filter)}: expected tokens, * or a last > joined by dots`,
    );
  }
}

/**
 * Throws `InputError` if the name is not a subject token, or if the filters are empty, malformed, overlapping
 * or outside the stream.
 */
export function checkConsumer(spec: ConsumerSpec): void {
  if (!TOKEN.test(spec.name) || /[/\\]/.test(spec.name)) {
    throw new InputError(
      `Invalid consumer name ${
        JSON.stringify(spec.name)
      }: expected one token without blanks, ".", "*", ">" and slashes`,
    );
  }
  const { subjects } = STREAMS[spec.stream];
  if (spec.filters.length === 0) {
    throw new InputError(`Consumer "${spec.name}" has no filters: expected one at least`);
  }
  for (const filter of spec.filters) {
    checkFilter(filter);
    if (!subjects.some((own) => matches(own, filter))) {
      throw new InputError(
        `Consumer "${spec.name}" has the filter "${filter}": expected one within ${subjects.join(", ")}`,
      );
    }
  }
  const pair = overlap(spec.filters);
  if (pair) {
    throw new InputError(
      `Consumer "${spec.name}" has the filters "${pair[0]}" and "${pair[1]}": expected none that overlap`,
    );
  }
}

/**
 * Returns two filters that match a common subject although neither covers the other; undefined if there are
 * none.
 */
function overlap(filters: readonly string[]): [string, string] | undefined {
  for (const [i, one] of filters.entries()) {
    const other = filters.slice(i + 1).find((other) =>
      !covers(one, other) && !covers(other, one) && meet(one, other)
    );
    if (other !== undefined) return [one, other];
  }
  return undefined;
}

function meet(one: string, other: string): boolean {
  const [a, b] = [one.split("."), other.split(".")];
  for (const [i, token] of a.entries()) {
    const against = b[i];
    if (against === undefined) return false;
    if (token === ">" || against === ">") return true;
    if (token !== against && token !== "*" && against !== "*") return false;
  }
  return a.length === b.length;
}

/** Returns `filters` without duplicates and without those covered by another one. */
export function withoutCovered(filters: Iterable<string>): string[] {
  const all = [...new Set(filters)];
  return all.filter((filter) => !all.some((other) => other !== filter && covers(other, filter)));
}

/** True if `wide` matches everything that `narrow` matches. */
function covers(wide: string, narrow: string): boolean {
  return matches(wide, narrow) && (wide.endsWith(">") || !narrow.endsWith(">"));
}

/**
 * Throws `InputError` if the message with its headers is larger than `most` bytes. A header counts as
 * `name: value` and a line end.
 */
export function checkSize(
  subject: string,
  bytes: number,
  headers: Readonly<Record<string, string>>,
  most = MAX_MESSAGE_BYTES,
): void {
  let total = bytes;
  for (const [name, value] of Object.entries(headers)) {
    total += Buffer.byteLength(name) + Buffer.byteLength(value) + 4;
  }
  if (total > most) {
    throw new InputError(
      `Message on "${subject}" has ${total} bytes: expected ${most} at most, headers included`,
    );
  }
}

/**
 * Throws `InputError` unless `run` is one plain segment and `name` is a relative path of plain segments, at
 * most 1,024 bytes.
 */
export function checkBlobName(run: string, name: string): void {
  if (!isPlain(run)) {
    throw new InputError(
      `Invalid run ${JSON.stringify(run)}: expected an id without slashes and control characters`,
    );
  }
  if (Buffer.byteLength(name) > 1024 || !name.split("/").every(isPlain)) {
    throw new InputError(
      `Invalid artifact name ${
        JSON.stringify(name)
      }: expected a relative path of plain segments, 1024 bytes at most`,
    );
  }
}

function isPlain(segment: string): boolean {
  // deno-lint-ignore no-control-regex
  const odd = /[/\\\u0000-\u001f\u007f]/;
  return segment !== "" && segment !== "." && segment !== ".." && !odd.test(segment) &&
    segment.isWellFormed() && Buffer.byteLength(segment) <= 255;
}
