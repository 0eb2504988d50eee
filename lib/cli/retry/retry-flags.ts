import type { Command } from "@commander-js/extra-typings";
import { flag, listFlag, switchFlag } from "../../driver/program/command-line/flag.ts";
import { hostFile, text } from "../../driver/program/command-line/values.ts";
import { CA_FLAG } from "../../build/authorities/flag.ts";
import { GIT_ACCESS } from "../../build/git/git-access.ts";
import { SIGNATURES_FLAG } from "../../build/signatures/flag.ts";
import { withPolicyFlags } from "../../driver/program/policy-flags.ts";
import { DEFAULT_OUTPUT } from "../shared/request/build-flags.ts";
import { withRunsFlags } from "../shared/runs/runs-flags.ts";

/** The flags of `retry`. */
export function withRetryFlags(command: Command<[string]>) {
  const here = command
    .addOption(
      listFlag(
        "--git-token <host=file>",
        "token, or ssh key, for repositories on that host, repeatable",
        hostFile,
      ),
    )
    .optionsGroup("Where it is done here:")
    .addOption(
      flag("--docker <endpoint>", "where Docker is", text).default(undefined, "where docker itself finds it"),
    )
    .addOption(
      flag("-o, --output <dir>", "where to put artifacts", text).default(
        DEFAULT_OUTPUT,
        `./${DEFAULT_OUTPUT}`,
      ),
    )
    .addOption(switchFlag("-q, --quiet", "only the outcome"));
  const withCa = withPolicyFlags(withPolicyFlags(here, GIT_ACCESS), CA_FLAG);
  return withRunsFlags(withPolicyFlags(withCa, SIGNATURES_FLAG).optionsGroup("Flags:"));
}

/** The parsed flags of `retry`. */
export type RetryOptions = ReturnType<ReturnType<typeof withRetryFlags>["opts"]>;
