import { z } from "zod";
import { parseInputFile } from "../../driver/program/command-line/read-input-file.ts";
import { type Authorities, parseAuthorities } from "./parse.ts";

/** The operator's flag for authorities that all builds trust. */
export const CA_FLAG = z.object({
  ca: z.string().optional().meta({
    value: "file",
    description: "certificate authorities that git and builds trust beside the image's, PEM",
  }),
});

/** Reads the file that `--ca` names. Throws InputError that names the flag and the file. */
export async function readAuthorities({ ca }: { ca?: string | undefined }): Promise<Authorities | undefined> {
  return ca === undefined ? undefined : await parseInputFile("--ca", ca, parseAuthorities);
}
