import { natsFlag, withLoginFlags } from "../../driver/program/broker/broker-flags.ts";
import { newCommand } from "../../driver/program/command-line/command.ts";
import { flag } from "../../driver/program/command-line/flag.ts";
import { text } from "../../driver/program/command-line/values.ts";
import { withWhoseFlags } from "../shared/runs/runs-flags.ts";

/** `flutter-ci doctor`. */
export function doctorCommand() {
  const command = newCommand({
    path: "flutter-ci doctor",
    summary: "Say what works here, what does not, and how to fix it",
    description:
      "Say what works here, what does not, and how to fix it: the data folder, Docker, the control plane, and\n" +
      "with --nats the broker. Exits 0 where everything works that a build needs, else 3.",
    examples: [["For builds on this machine", "flutter-ci doctor"]],
  }).addOption(
    flag("--docker <endpoint>", "where Docker is", text).default(undefined, "where docker itself finds it"),
  );
  const whose = withWhoseFlags(command).optionsGroup("Broker:");
  return withLoginFlags(whose.addOption(natsFlag().default(undefined, "none: it is not looked at")))
    .action(async (options) => {
      const { doctor } = await import("./doctor.ts");
      process.exitCode = await doctor(options);
    });
}
