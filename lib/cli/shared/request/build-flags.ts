import type { Command, OptionValues } from "@commander-js/extra-typings";
import { InputError } from "../../../base/errors.ts";
import { cacheFlag, cacheScope } from "../../../build/cache/flags.ts";
import { logFormatFlag, logLevelFlag, VARIABLES_NOTE } from "../../../driver/program/command-line/command.ts";
import { flag, listFlag, switchFlag } from "../../../driver/program/command-line/flag.ts";
import {
  duration,
  hostFile,
  oneOf,
  positiveNumber,
  secretName,
  size,
  text,
  variable,
  wholeNumber,
} from "../../../driver/program/command-line/values.ts";

import { setField } from "./set-fields.ts";

/** Default folder for artifacts, relative to the current folder. */
export const DEFAULT_OUTPUT = "artifacts";

/** Adds the flags that describe a build: those of its spec, and where to put its artifacts. */
export function withBuildFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return command
    .optionsGroup("What to build:")
    .addOption(
      flag("-f, --file <file>", "resource of type flutter-builder, JSON or YAML; flags win over it", text),
    )
    .addOption(
      listFlag("--set <path=value>", "one field of the spec, like spec.timeout=5m, repeatable", setField),
    )
    .addOption(flag("--ref <ref>", "branch, tag or commit", text).default(undefined, "the repository's HEAD"))
    .addOption(
      flag("--depth <n>", "commits of history to fetch, 0 for all", wholeNumber(0)).default(undefined, "1"),
    )
    .addOption(switchFlag("--submodules", "with submodules"))
    .addOption(switchFlag("--lfs", "with the content of Git LFS files"))
    .addOption(switchFlag("--dirty", "the working tree of a folder as it is, instead of a commit"))
    .optionsGroup("How to build it:")
    .addOption(flag("--image <image>", "image to build in", text).default(undefined, "Flutter's"))
    .addOption(
      flag("--pull <when>", "when to pull it", oneOf(["missing", "always", "never"])).default(
        undefined,
        "missing",
      ),
    )
    .addOption(
      listFlag(
        "-c, --command <line>",
        "shell line to run, repeatable, in order, up to the first that fails",
        text,
      ),
    )
    .addOption(flag("--workdir <folder>", "folder of the repository to run in", text))
    .addOption(
      listFlag(
        "-e, --env <name=value>",
        "variable, repeatable; NAME alone takes the caller's value",
        variable,
      ),
    )
    .addOption(
      listFlag(
        "--env-file <file>",
        "variables, one NAME=VALUE a line, as docker reads them, repeatable",
        text,
      ),
    )
    .addOption(listFlag("--secret <name>", "as -e NAME, and masked everywhere, repeatable", secretName))
    .addOption(
      listFlag(
        "--git-token <host=file>",
        "token, or ssh key, for repositories on that host only, repeatable",
        hostFile,
      ),
    )
    .optionsGroup("What later builds find again:")
    .addOption(
      listFlag("--cache <name:path>", "folder of the container to keep for them, repeatable", cacheFlag),
    )
    .addOption(
      flag("--cache-scope <name>", "whose caches are used", cacheScope).default(undefined, "the ref's"),
    )
    .optionsGroup("What to keep:")
    .addOption(
      listFlag("-a, --artifact <glob>", "files to keep, repeatable", text).default(
        undefined,
        "Flutter's APK",
      ),
    )
    .addOption(
      listFlag(
        "--artifact-always <glob>",
        "files to keep also of a build that fails, times out or is cancelled, repeatable",
        text,
      ),
    )
    .addOption(
      flag("-o, --output <dir>", "where to put them", text).default(DEFAULT_OUTPUT, `./${DEFAULT_OUTPUT}`),
    )
    .addOption(
      flag("--keep <when>", "leave the container for a look", oneOf(["never", "failure", "always"]))
        .default(undefined, "never"),
    )
    .optionsGroup("Limits:")
    .addOption(flag("--timeout <time>", "for the whole run", aboveZero(duration)).default(undefined, "1h"))
    .addOption(
      flag("--grace <time>", "from TERM to KILL in the container", asTyped(duration)).default(
        undefined,
        "10s",
      ),
    )
    .addOption(flag("--cpus <n>", "CPUs to use", positiveNumber).default(undefined, "all"))
    .addOption(
      flag("--memory <size>", "memory to use", aboveZero(size)).default(undefined, "80 % of Docker's"),
    )
    .addOption(flag("--pids <n>", "processes at once", wholeNumber(1)).default(undefined, "4096"))
    .addOption(
      flag("--network <name>", "bridge (isolated), none, or a network of Docker's", text).default(
        undefined,
        "bridge",
      ),
    )
    .addOption(flag("--user <user>", "user to run as", text).default(undefined, "the image's"))
    .addOption(flag("--max-log <size>", "log kept of a step", asTyped(size)).default(undefined, "1g"))
    .addOption(flag("--max-artifacts <size>", "artifacts kept", asTyped(size)).default(undefined, "2g"));
}

/** Adds the flags for the form of the output and of the process's own log. */
export function withOutputFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return command
    .optionsGroup("Output:")
    .addOption(switchFlag("--json", "one JSON object a line on stdout, nothing else"))
    .addOption(switchFlag("-q, --quiet", "only the outcome"))
    .addOption(logLevelFlag())
    .addOption(logFormatFlag())
    .addHelpText("after", VARIABLES_NOTE);
}

/** The parsed flags of a build. */
// deno-lint-ignore ban-types
export type BuildOptions = ReturnType<ReturnType<typeof withBuildFlags<[], {}, {}>>["opts"]>;

/** The parsed flags of the output. */
// deno-lint-ignore ban-types
export type OutputOptions = ReturnType<ReturnType<typeof withOutputFlags<[], {}, {}>>["opts"]>;

/** Throws InputError for output flags that exclude each other. */
export function checkOutputFlags({ json, quiet }: OutputOptions): void {
  if (json && quiet) throw new InputError("Both --json and --quiet were given: expected one of them");
}

/** Checks a value with `parse` and keeps it as typed, for the resource. */
const asTyped = (parse: (text: string) => number) => (value: string): string => {
  parse(value);
  return value;
};

/** Like `asTyped`, and requires more than 0. */
const aboveZero = (parse: (text: string) => number) => (value: string): string => {
  if (parse(value) > 0) return value;
  throw new InputError(`Invalid value "${value}": expected more than 0`);
};
