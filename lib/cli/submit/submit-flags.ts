import { type Command, Option } from "@commander-js/extra-typings";
import { InputError } from "../../base/errors.ts";
import { flag, switchFlag } from "../../driver/program/command-line/flag.ts";
import { httpUrl, text } from "../../driver/program/command-line/values.ts";
import { withBuildFlags, withOutputFlags } from "../shared/request/build-flags.ts";

/** The address of a control plane that is started without `--listen`. */
export const USUAL_API = "http://127.0.0.1:8080";

/** The flags of `submit`. */
export function withSubmitFlags(command: Command<[string | undefined, string[]]>) {
  const withApi = withBuildFlags(command)
    .optionsGroup("Control plane:")
    .addOption(
      flag(
        "--pipeline <name|file>",
        "steps of the run: a pipeline that the control plane stores, or a file (with a slash, or .yaml, .yml, .json)",
        text,
      ).default(undefined, "the file's, or the build's four steps"),
    )
    .addOption(
      flag("--api <url>", "control plane", httpUrl)
        .default(undefined, `one on this machine that serves --data, else ${USUAL_API}`),
    )
    .addOption(
      flag("--token-file <file>", "file that holds its token (or CONVEYOR_TOKEN)", text)
        .default(undefined, "the token in --data, for one on this machine"),
    )
    .addOption(
      flag(
        "--ca <file>",
        "certificate authorities that git and the build trust beside the image's, PEM",
        text,
      ),
    )
    .addOption(
      flag(
        "--verify-signatures <file>",
        "build only a commit signed by one of these: ssh's allowed signers, or OpenPGP keys",
        text,
      ),
    )
    .addOption(flag("--tls-ca <file>", "authorities to trust, PEM", text))
    .addOption(
      flag("--data <dir>", "data folder of a control plane on this machine", text)
        .default(undefined, "$XDG_STATE_HOME/flutter-ci"),
    )
    .addOption(switchFlag("--detach", "print the run's id and leave"));
  for (const option of operatorsFlags()) withApi.addOption(option);
  return withOutputFlags(withApi);
}

/** The parsed flags of `submit`. */
export type SubmitOptions = ReturnType<ReturnType<typeof withSubmitFlags>["opts"]>;

const OPERATORS_FLAGS = [
  ["--cache-age <time>", "How long caches stay"],
  ["--cache-max <size>", "How much caches may take"],
  ["--git-mirror <use>", "Whether what was fetched is kept"],
  ["--docker <endpoint>", "Which Docker builds run on"],
  ["--git-image <image>", "Which image clones where a token is used"],
  ["--git-known-hosts <file>", "Which host keys are believed"],
  ["--git-well-known-hosts <use>", "Which host keys are believed"],
] as const;

/**
 * Hidden flags of `run` that `submit` refuses with an explanation. Their variables may be set for `run` and
 * have no effect here.
 */
function operatorsFlags(): Option[] {
  return OPERATORS_FLAGS.map(([usage, what]) =>
    new Option(usage).hideHelp().argParser((): never => {
      const name = usage.split(" ")[0];
      throw new InputError(
        `${name}: ${what} is not up to the submitter: each driver has its own, which its operator names (flutter-ci container-start ${name} …)`,
      );
    })
  );
}
