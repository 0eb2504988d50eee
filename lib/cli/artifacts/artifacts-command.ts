import { natsFlag, withLoginFlags } from "../../driver/program/broker/broker-flags.ts";
import { newCommand } from "../../driver/program/command-line/command.ts";
import { flag } from "../../driver/program/command-line/flag.ts";
import { text } from "../../driver/program/command-line/values.ts";
import { RUN_ARGUMENT } from "../shared/runs/resolve-run.ts";
import { withWhoseFlags } from "../shared/runs/runs-flags.ts";

/** `flutter-ci artifacts RUN`. */
export function artifactsCommand() {
  const command = newCommand({
    path: "flutter-ci artifacts",
    summary: "List or fetch the artifacts of a run",
    description: "List or fetch the artifacts of a run.\n" +
      "Beside a Conveyor server the broker keeps them: say where it is with --nats. What it keeps, and for how long, the\n" +
      "drivers say (--keep-artifacts, --max-stored).",
    usage: "[flags] <run>",
    examples: [
      ["What there is", "flutter-ci artifacts last"],
      ["All of it, into a folder", "flutter-ci artifacts last -o out"],
      [
        "Of a run beside a Conveyor server",
        "flutter-ci artifacts --nats nats://broker.example.com:4222 7a0f6a2e -o out",
      ],
    ],
  })
    .argument("<run>", RUN_ARGUMENT)
    .addOption(flag("-o, --output <dir>", "put them there", text).default(undefined, "list them"));
  const whose = withWhoseFlags(command).optionsGroup("Beside a Conveyor server:");
  return withLoginFlags(
    whose.addOption(natsFlag().default(undefined, "a control plane, or --data, is asked")),
  )
    .action(async (run, options) => {
      const { api, nats } = options;
      if (nats && api === undefined) {
        const { artifactsOnBroker } = await import("./on-broker.ts");
        return await artifactsOnBroker(run, { ...options, nats });
      }
      const { artifacts } = await import("./artifacts.ts");
      await artifacts(run, options);
    });
}
