import { natsFlag, withLoginFlags } from "../../driver/program/broker/broker-flags.ts";
import { newCommand } from "../../driver/program/command-line/command.ts";
import { flag, switchFlag } from "../../driver/program/command-line/flag.ts";
import { text } from "../../driver/program/command-line/values.ts";

/** `flutter-ci artifacts RUN`. */
export function artifactsCommand() {
  const command = newCommand({
    path: "flutter-ci artifacts",
    summary: "List or fetch the artifacts of a run beside a Conveyor server",
    description:
      "List or fetch the artifacts of a run beside a Conveyor server, from the broker that keeps them.\n" +
      "What it keeps, and for how long, the drivers say (--keep-artifacts, --max-stored).",
    usage: "[flags] <run>",
    examples: [
      ["What there is", "flutter-ci artifacts 7a0f6a2e"],
      [
        "All of it, into a folder",
        "flutter-ci artifacts --nats nats://broker.example.com:4222 7a0f6a2e -o out",
      ],
    ],
  })
    .argument("<run>", "the run's id, or the beginning of it")
    .addOption(flag("-o, --output <dir>", "put them there", text).default(undefined, "list them"))
    .addOption(switchFlag("--json", "a JSON object for each artifact"));
  return withLoginFlags(
    command.addOption(natsFlag().default(["nats://127.0.0.1:4222"], "nats://127.0.0.1:4222")),
  )
    .action(async (run, options) => {
      const { artifactsOnBroker } = await import("./on-broker.ts");
      await artifactsOnBroker(run, options);
    });
}
