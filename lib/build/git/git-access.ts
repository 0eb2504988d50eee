import { Buffer } from "node:buffer";
import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { parseImageName } from "../../docker/image-name.ts";
import { parseInputFile, readInputFile } from "../../driver/program/command-line/read-input-file.ts";
import { parsedText } from "../../wire/parsed-text.ts";
import type { BuildPolicy } from "../policy.ts";
import { knownHosts, parseKnownHosts } from "./known-hosts.ts";

/** Flags for access to private repositories, besides the credentials themselves. */
export const GIT_ACCESS = z.object({
  gitImage: parsedText(imageName).optional().meta({
    value: "image",
    description: "image that clones where a --git-token is used",
    without: "the build's",
  }),
  gitKnownHosts: z.array(z.string()).optional().meta({
    value: "file",
    description: "host keys for ssh, a known_hosts file, repeatable; goes before the well-known ones",
  }),
  gitWellKnownHosts: z.enum(["on", "off"]).default("on").meta({
    value: "use",
    description: "believe the host keys that github.com, gitlab.com and bitbucket.org publish",
  }),
});

export type GitAccess = Pick<BuildPolicy, "gitTokens" | "gitImage" | "gitKnownHosts">;

/**
 * Reads the files that these flags and `--git-token` name. Throws InputError that names the flag and the
 * file.
 */
export async function readGitAccess(
  { gitToken = [], gitImage, gitKnownHosts = [], gitWellKnownHosts }: {
    gitToken?: readonly { host: string; file: string }[] | undefined;
    gitImage?: string | undefined;
    gitKnownHosts?: readonly string[] | undefined;
    gitWellKnownHosts: "on" | "off";
  },
): Promise<GitAccess> {
  const gitTokens = await readGitTokens(gitToken);
  const own: string[] = [];
  for (const file of gitKnownHosts) {
    own.push(...await parseInputFile("--git-known-hosts", file, parseKnownHosts));
  }
  return { gitTokens, gitImage, gitKnownHosts: knownHosts(own, { wellKnown: gitWellKnownHosts === "on" }) };
}

/** Logs a warning if the operator gave tokens but chose no image: no clone will get the tokens. */
export function warnOfIdleTokens(
  { gitToken = [], gitImage, allowImage = [] }: {
    gitToken?: readonly unknown[] | undefined;
    gitImage?: string | undefined;
    allowImage?: readonly string[] | undefined;
  },
): void {
  if (gitToken.length === 0 || gitImage !== undefined || allowImage.length > 0) return;
  processLog("driver").warn(
    "The credentials of --git-token are given to no build: submitters choose the image, and with it git. " +
      "Choose one to clone in with --git-image, or name images with --allow-image",
  );
}

/** Reads tokens and private ssh keys, by host name. Throws InputError that names the flag and the file. */
export async function readGitTokens(
  files: readonly { host: string; file: string }[],
): Promise<Readonly<Record<string, string>>> {
  const tokens: Record<string, string> = {};
  for (const { host, file } of files) {
    if (Object.hasOwn(tokens, host)) {
      throw new InputError(`--git-token: Two tokens for "${host}": expected one`);
    }
    // ssh needs the newline at the end of a key; a token has none.
    const content = (await readInputFile("--git-token", file)).trimStart();
    const why = whyNoCredential(content);
    if (why !== undefined) {
      throw new InputError(
        `--git-token: Cannot use "${file}": ${why}; expected a token in one line, or a private ssh key without a passphrase`,
      );
    }
    tokens[host] = content.startsWith("-----BEGIN ") ? content : content.trim();
  }
  return tokens;
}

/**
 * Returns why the content cannot be a credential, or undefined if it can. A key must not have a passphrase,
 * because nobody can type it. Anything that is not a token must not be sent as one.
 */
function whyNoCredential(content: string): string | undefined {
  if (content.startsWith("-----BEGIN ")) {
    const inside = Buffer.from(content.replace(/-----.*?-----/g, ""), "base64").toString("latin1");
    // OpenSSH's own format begins with its name, then the cipher's name after a length of four bytes.
    const isOpen = !inside.startsWith("openssh-key-v1\0") || inside.startsWith("none", 19);
    return isOpen && !/ENCRYPTED/.test(content) ? undefined : "the key has a passphrase";
  }
  if (/^(?:ssh-|ecdsa-|sk-)\S+ AAAA/.test(content)) return "it is a public key";
  if (content.startsWith("PuTTY-User-Key-File")) return "it is a key in PuTTY's format";
  return /\s/.test(content.trim()) ? "it has more than one word" : undefined;
}

function imageName(value: string): string {
  parseImageName(value);
  return value;
}
