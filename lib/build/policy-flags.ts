import { z } from "zod";
import { homeFolder } from "../base/home-folder.ts";
import { dockerConfigFolder } from "../docker/endpoint.ts";
import { type Environment, environment } from "../driver/program/command-line/environment.ts";
import {
  hostFile,
  imageGlob,
  positiveNumber,
  size,
  wholeNumber,
} from "../driver/program/command-line/values.ts";
import { parsedText } from "../wire/parsed-text.ts";
import { CA_FLAG, readAuthorities } from "./authorities/flag.ts";
import { CACHE_FLAGS, cacheLimits } from "./cache/limits.ts";
import { GIT_ACCESS, readGitAccess, warnOfIdleTokens } from "./git/git-access.ts";
import { checkWhoVerifies, readSigners, SIGNATURES_FLAG } from "./signatures/flag.ts";
import { type BuildPolicy, DEFAULT_PIDS } from "./policy.ts";

const names = (value: string, description: string) =>
  z.array(z.string()).optional().meta({ value, description });

const Flags = z.object({
  allowImage: z.array(parsedText(imageGlob)).optional()
    .meta({ value: "glob", description: "only images like this one, repeatable", without: "all" }),
  allowNetwork: names("name", "network that a build may ask for, repeatable"),
  allowEnv: names("name", "own variable that a build may read, repeatable"),
  allowPrivileged: z.boolean().default(false).describe("let a build ask for a privileged container"),
  allowKeep: z.boolean().default(false).describe(
    "let a build leave its container for a look: it keeps its slot until it is removed, for a day at most",
  ),
  maxCpus: parsedText(positiveNumber).optional()
    .meta({ value: "n", description: "most CPUs a build, and its services together, may ask for" }),
  maxMemory: parsedText(size).optional()
    .meta({ value: "size", description: "most memory a build, and its services together, may ask for" }),
  maxPids: parsedText(wholeNumber(1)).prefault(String(DEFAULT_PIDS))
    .meta({
      value: "n",
      description: "most processes at once a build, and its services together, may ask for",
    }),
  maxDisk: parsedText(size).optional().meta({
    value: "size",
    description: "most disk a build's containers and workspace may take",
    without: "all but a tenth of --min-free",
  }),
  ...CACHE_FLAGS.shape,
  gitToken: z.array(parsedText(hostFile)).optional().meta({
    value: "host=file",
    description: "token, or ssh key, for repositories on that host only, repeatable",
  }),
  ...GIT_ACCESS.shape,
  ...CA_FLAG.shape,
  ...SIGNATURES_FLAG.shape,
});

/**
 * Parses the build drivers' flags into their policy. Reads the files that the flags name, and warns of tokens
 * that are not used.
 */
export const BUILD_POLICY = Flags.transform((flags) => buildPolicy(flags, environment));

async function buildPolicy(flags: z.output<typeof Flags>, environment: Environment): Promise<BuildPolicy> {
  const gitAccess = await readGitAccess(flags);
  warnOfIdleTokens(flags);
  const { gitImage, allowImage: allowImages = [] } = flags;
  const read = await readSigners(flags);
  if (read) checkWhoVerifies({ gitImage, allowImages }, { says: "submitters choose it here" });
  return {
    maxCpus: flags.maxCpus,
    maxMemory: flags.maxMemory,
    maxPids: flags.maxPids,
    maxDiskBytes: flags.maxDisk,
    gitMirror: flags.gitMirror === "on",
    caches: cacheLimits(flags),
    allowImages,
    allowNetworks: flags.allowNetwork ?? [],
    allowEnv: flags.allowEnv ?? [],
    allowPrivileged: flags.allowPrivileged,
    allowKeep: flags.allowKeep,
    allowLocalRepository: false,
    ...gitAccess,
    authorities: await readAuthorities(flags),
    signers: read?.signers,
    environment,
    dockerConfig: dockerConfigFolder({ environment, home: homeFolder(environment) }),
  };
}
