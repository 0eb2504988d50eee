import { z } from "zod";

const MOST_CHARS = 1024;
// deno-lint-ignore no-control-regex
const PLAIN = /^[^/"\\*?![\]\x00-\x1f\x7f][^"\\*?[\]\x00-\x1f\x7f]*$/;

const isFolder = (text: string): boolean =>
  text.length <= MOST_CHARS && PLAIN.test(text) && !text.split("/").includes("..");

/** Folders of a repository, from its top. git's cone takes them as they stand, one a line. */
export const SparseFolders = z.array(
  z.string().refine(
    isFolder,
    'expected a folder of the repository, from its top and without "..", "\\", quotes and wildcards',
  ),
).max(200);
