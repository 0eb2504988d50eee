import { z } from "zod";
import { InputError, messageOf } from "../../base/errors.ts";
import { readInputFile } from "../../driver/program/command-line/read-input-file.ts";
import { type Authorities, parseAuthorities } from "./parse.ts";

/** The flag for authorities that all builds trust, for whoever runs them. */
export const CA_FLAG = z.object({
  ca: z.string().optional().meta({
    value: "file",
    description: "certificate authorities that git and builds trust beside the image's, PEM",
  }),
});

/** Reads the file that `--ca` names. Throws InputError that names the flag and the file. */
export async function readAuthorities({ ca }: { ca?: string | undefined }): Promise<Authorities | undefined> {
  if (ca === undefined) return undefined;
  const text = await readInputFile("--ca", ca);
  try {
    return parseAuthorities(text);
  } catch (error) {
    throw new InputError(`--ca: Cannot use "${ca}": ${messageOf(error)}`, { cause: error });
  }
}
