import type { Command } from "@commander-js/extra-typings";
import { flag, listFlag, switchFlag } from "../../driver/program/command-line/flag.ts";
import { text } from "../../driver/program/command-line/values.ts";
import { CACHE_FLAGS } from "../../build/cache/limits.ts";
import { CA_FLAG } from "../../build/authorities/flag.ts";
import { GIT_ACCESS } from "../../build/git/git-access.ts";
import { SIGNATURES_FLAG } from "../../build/signatures/flag.ts";
import { withPolicyFlags } from "../../driver/program/policy-flags.ts";
import { withBuildFlags, withOutputFlags } from "../shared/request/build-flags.ts";

/** The flags of `run`. */
export function withRunFlags(command: Command<[string | undefined, string[]]>) {
  const withMachine = withBuildFlags(command)
    .optionsGroup("This machine:")
    .addOption(switchFlag("--watch", "build a folder again whenever its HEAD, or --ref, moves"))
    .addOption(
      listFlag("--driver <file|package>", "driver of your own, as a step of the pipeline, repeatable", text),
    )
    .addOption(
      flag("--docker <endpoint>", "where Docker is", text).default(undefined, "where docker itself finds it"),
    )
    .addOption(
      flag(
        "--data <dir>",
        "database, logs and artifacts of past runs",
        text,
      ).default(undefined, "$XDG_STATE_HOME/flutter-ci"),
    );
  const withGit = withPolicyFlags(
    withPolicyFlags(withPolicyFlags(withMachine, GIT_ACCESS), CA_FLAG),
    SIGNATURES_FLAG,
  );
  return withOutputFlags(withPolicyFlags(withGit, CACHE_FLAGS));
}

/** The parsed flags of `run`. Times are milliseconds and sizes bytes, except for the spec's own texts. */
export type RunOptions = ReturnType<ReturnType<typeof withRunFlags>["opts"]>;
