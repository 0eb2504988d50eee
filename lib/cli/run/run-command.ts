import { InputError } from "../../base/errors.ts";
import { logFormatFlag, logLevelFlag, newCommand, VARIABLES_NOTE } from "../command.ts";
import { flag, listFlag, switchFlag } from "../flag.ts";
import type { Drivers } from "../drivers.ts";
import {
  duration,
  hostFile,
  oneOf,
  positiveNumber,
  size,
  text,
  variable,
  variableName,
  wholeNumber,
} from "../values.ts";

/** `flutter-ci run`: one build, on this machine, in this process. `words` is the whole command line, for its "--". */
export function runCommand(drivers: Drivers, words: readonly string[]) {
  return newCommand({
    path: "flutter-ci run",
    summary: "Build a repository on this machine, once",
    description:
      "Build a repository on this machine, once: in a container of its own, which is gone afterwards.\n" +
      "The repository is an https or ssh URL, or a folder (default: this one), of which the committed state is built.\n" +
      'The words after "--" are one command, without a shell. Without any command, Flutter\'s own are run.',
    usage: "[flags] [repository] [-- command ...]",
    examples: [
      ["Build the Flutter application in this folder", "flutter-ci run"],
      [
        "Anything else: an image, commands, and what to keep",
        "flutter-ci run --image gcc:14 -c ./configure -c make -a 'libz.*' https://git.example.com/zlib.git",
      ],
      ["One command, as its arguments", "flutter-ci run --image node:24 -- npm test"],
      ["A secret of the caller's environment", "flutter-ci run --secret API_KEY"],
      ["Everything in a file, for a script", "flutter-ci run -f build.yaml --json"],
    ],
  })
    .argument("[repository]", "https or ssh URL, or a folder")
    .argument("[command...]", 'after "--"')
    .optionsGroup("What to build:")
    .addOption(
      flag("-f, --file <file>", "resource of type flutter-builder, JSON or YAML; flags win over it", text),
    )
    .addOption(flag("--ref <ref>", "branch, tag or commit", text).default(undefined, "the repository's HEAD"))
    .addOption(
      flag("--depth <n>", "commits of history to fetch, 0 for all", wholeNumber(0)).default(undefined, "1"),
    )
    .addOption(switchFlag("--submodules", "with submodules"))
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
    .addOption(listFlag("--secret <name>", "as -e NAME, and masked everywhere, repeatable", variableName))
    .optionsGroup("What to keep:")
    .addOption(
      listFlag("-a, --artifact <glob>", "files to keep, repeatable", text).default(
        undefined,
        "Flutter's APK",
      ),
    )
    .addOption(flag("-o, --output <dir>", "where to put them", text).default("artifacts", "./artifacts"))
    .optionsGroup("Limits:")
    .addOption(flag("--timeout <time>", "for the whole run", checked(duration)).default(undefined, "1h"))
    .addOption(flag("--grace <time>", "from TERM to KILL in the container", duration).default(10_000, "10s"))
    .addOption(flag("--cpus <n>", "CPUs to use", positiveNumber).default(undefined, "all"))
    .addOption(flag("--memory <size>", "memory to use", checked(size)).default(undefined, "80 % of Docker's"))
    .addOption(flag("--pids <n>", "processes at once", wholeNumber(1)).default(undefined, "4096"))
    .addOption(
      flag("--network <name>", "bridge (isolated), none, or a network of Docker's", text).default(
        undefined,
        "bridge",
      ),
    )
    .addOption(flag("--user <user>", "user to run as", text).default(undefined, "the image's"))
    .addOption(flag("--max-log <size>", "log kept of a step", size).default(1024 ** 3, "1g"))
    .addOption(flag("--max-artifacts <size>", "artifacts kept", size).default(2 * 1024 ** 3, "2g"))
    .addOption(
      listFlag(
        "--git-token <host=file>",
        "token, or ssh key, for repositories on that host only, repeatable",
        hostFile,
      ),
    )
    .addOption(
      flag("--docker <endpoint>", "where Docker is", text).default(undefined, "where docker itself finds it"),
    )
    .optionsGroup("This machine:")
    .addOption(
      flag("--keep <when>", "leave the container for a look", oneOf(["never", "failure", "always"]))
        .default("never" as const),
    )
    .addOption(
      flag(
        "--data <dir>",
        "database, logs and artifacts of past runs",
        text,
      ).default(undefined, "$XDG_STATE_HOME/flutter-ci"),
    )
    .optionsGroup("Output:")
    .addOption(switchFlag("--json", "one JSON object a line on stdout, nothing else"))
    .addOption(switchFlag("-q, --quiet", "only the outcome"))
    .addOption(logLevelFlag())
    .addOption(logFormatFlag())
    .addHelpText("after", VARIABLES_NOTE)
    .action(async (_repository, _command, options, { args }) => {
      const { run } = await import("./run.ts");
      process.exitCode = await run({ operands: operandsOf(args, words), options, drivers });
    });
}

/** What stands on the command line beside the flags. */
export interface Operands {
  readonly repository: string | undefined;
  /** The words after "--"; undefined without any. */
  readonly command: readonly string[] | undefined;
}

/** Commander drops the "--" and says nothing of where it was. Throws InputError. */
export function operandsOf(args: readonly string[], words: readonly string[]): Operands {
  const at = words.indexOf("--");
  const command = at === -1 ? [] : words.slice(at + 1);
  const [repository, excess] = args.slice(0, args.length - command.length);
  if (excess !== undefined) {
    throw new InputError(`Unexpected word "${excess}": expected one repository; a command goes after "--"`);
  }
  return { repository, command: command.length > 0 ? command : undefined };
}

/** The flags of `run`, read. Times are milliseconds, sizes bytes, where they are not a spec's own texts. */
export type RunOptions = ReturnType<ReturnType<typeof runCommand>["opts"]>;

/** A value that stays as it was typed, for the resource, but must be one that `parse` understands, and more than nothing. */
const checked = (parse: (text: string) => number) => (value: string): string => {
  if (parse(value) > 0) return value;
  throw new InputError(`Invalid value "${value}": expected more than 0`);
};
