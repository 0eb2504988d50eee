import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { parseInputFile } from "../../driver/program/command-line/read-input-file.ts";
import type { BuildPolicy } from "../policy.ts";
import { parseSigners, type Signers } from "./parse.ts";

/** The operator's flag for signatures that all builds need. */
export const SIGNATURES_FLAG = z.object({
  verifySignatures: z.string().optional().meta({
    value: "file",
    description: "build only commits signed by one of these: ssh's allowed signers, or OpenPGP keys",
  }),
});

/** The text of the file that the flag names, and what it says. */
export interface ReadSigners {
  readonly text: string;
  readonly signers: Signers;
}

/**
 * Throws InputError if the operator asks for signatures but chooses no image: the build's own image would
 * check its signatures.
 */
export function checkWhoVerifies(
  { gitImage, allowImages }: Pick<BuildPolicy, "gitImage" | "allowImages">,
  { says }: { says: string },
): void {
  if (gitImage !== undefined || allowImages.length > 0) return;
  throw new InputError(
    `--verify-signatures: The git of the build's image would check signatures, and ${says}: expected a --git-image as well`,
  );
}

/** Reads the file that `--verify-signatures` names. Throws InputError that names the flag and the file. */
export async function readSigners(
  { verifySignatures: file }: { verifySignatures?: string | undefined },
): Promise<ReadSigners | undefined> {
  if (file === undefined) return undefined;
  return await parseInputFile("--verify-signatures", file, (text) => ({ text, signers: parseSigners(text) }));
}
