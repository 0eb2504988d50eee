import type { Command, OptionValues } from "@commander-js/extra-typings";
import { DEFAULT_LIMITS } from "../default-limits.ts";
import { flag, listFlag, switchFlag } from "./command-line/flag.ts";
import { withGitAccessFlags } from "./git/git-access.ts";
import {
  duration,
  hostFile,
  imageGlob,
  positiveNumber,
  size,
  subjectToken,
  text,
  wholeNumber,
} from "./command-line/values.ts";

/** Which Docker builds run on, and what a spec may ask of it. */
export function withLimitFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  const limited = command
    .addOption(
      flag("--docker <endpoint>", "where Docker is", text).default(undefined, "where docker itself finds it"),
    )
    .addOption(
      flag("--host-id <name>", "name of Docker's host in the fleet", subjectToken).default(
        undefined,
        "from the daemon",
      ),
    )
    .addOption(
      flag("--slots <n>", "containers at once on this host", wholeNumber(1)).default(
        undefined,
        "number of CPUs",
      ),
    )
    .addOption(
      flag("--grace <time>", "from TERM to KILL in a container; a build may ask for less", duration).default(
        DEFAULT_LIMITS.graceMs,
        "10s",
      ),
    )
    .addOption(
      flag("--min-free <size>", "take no new run with less disk than this", size).default(
        2 * 1024 ** 3,
        "2g",
      ),
    )
    .addOption(
      listFlag("--allow-image <glob>", "only images like this one, repeatable", imageGlob).default(
        undefined,
        "all",
      ),
    )
    .addOption(listFlag("--allow-network <name>", "network that a build may ask for, repeatable", text))
    .addOption(listFlag("--allow-env <name>", "own variable that a build may read, repeatable", text))
    .addOption(switchFlag("--allow-privileged", "let a build ask for a privileged container"))
    .addOption(
      switchFlag(
        "--allow-keep",
        "let a build leave its container for a look: it keeps its slot until it is removed, for a day at most",
      ),
    )
    .addOption(flag("--max-cpus <n>", "most CPUs a build may ask for", positiveNumber))
    .addOption(flag("--max-memory <size>", "most memory a build may ask for", size))
    .addOption(
      flag("--max-pids <n>", "most processes at once a build may ask for", wholeNumber(1)).default(
        DEFAULT_LIMITS.maxPids,
      ),
    )
    .addOption(
      flag("--max-disk <size>", "most disk a build's container and workspace may take", size).default(
        undefined,
        "all but a tenth of --min-free",
      ),
    )
    .addOption(flag("--max-timeout <time>", "longest time a build may ask for", duration))
    .addOption(
      listFlag(
        "--git-token <host=file>",
        "token, or ssh key, for repositories on that host only, repeatable",
        hostFile,
      ),
    );
  return withGitAccessFlags(withKeptFlags(limited));
}

/** How much of what a build prints and makes is kept. */
function withKeptFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return command
    .addOption(
      flag("--max-log <size>", "most log kept of a step", size).default(DEFAULT_LIMITS.maxLogBytes, "1g"),
    )
    .addOption(
      flag(
        "--max-log-lines <n>",
        "log lines a second of a step: a build that prints more waits",
        wholeNumber(1),
      )
        .default(undefined, "as many as the store takes"),
    )
    .addOption(
      flag("--max-artifacts <size>", "most artifacts kept of a build", size).default(
        DEFAULT_LIMITS.maxArtifactBytes,
        "2g",
      ),
    )
    .addOption(
      flag("--max-artifact-files <n>", "most artifacts kept of a build, however small", wholeNumber(0))
        .default(
          DEFAULT_LIMITS.maxArtifactFiles,
        ),
    );
}

/** These flags, read. Times are milliseconds, sizes bytes. */
// deno-lint-ignore ban-types
export type LimitOptions = ReturnType<ReturnType<typeof withLimitFlags<[], {}, {}>>["opts"]>;
