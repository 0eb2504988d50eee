import { CommanderError, type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { licenses } from "./licenses.ts";
import { versionText } from "./version.ts";

/** Adds the flags `--version` (also with `--json`) and `--licenses` to a program. */
export function withProgramFlags<Program extends CommandUnknownOpts>(
  program: Program,
  words: readonly string[] = process.argv.slice(2),
  ownVersion?: string,
): Program {
  const asJson = words.includes("--json") && words.some((word) => word === "--version" || word === "-v");
  program.version(
    versionText(program.name(), asJson, ownVersion),
    "-v, --version",
    "print the version; as JSON with --json",
  );
  if (asJson) program.addOption(new Option("--json").hideHelp());
  program.addOption(new Option("--licenses", "print the licences of all that is in it"));
  program.on("option:licenses", () => {
    process.stdout.write(licenses());
    throw new CommanderError(0, "conveyor.licenses", "");
  });
  return program;
}
