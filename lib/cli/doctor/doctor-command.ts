import { natsFlag, withLoginFlags } from "../../driver/program/broker/broker-flags.ts";
import { newCommand } from "../../driver/program/command-line/command.ts";
import { flag } from "../../driver/program/command-line/flag.ts";
import { subjectToken, text } from "../../driver/program/command-line/values.ts";
import { withWhoseFlags } from "../shared/runs/runs-flags.ts";

/** `flutter-ci doctor`. */
export function doctorCommand() {
  const command = newCommand({
    path: "flutter-ci doctor",
    summary: "Say what works here, what does not, and how to fix it",
    description:
      "Say what works here, what does not, and how to fix it: the data folder, Docker, the control plane, and\n" +
      "with --nats the broker: its version, JetStream, streams, consumers, and what the login may do. Exits 0 where\n" +
      "everything works that a build needs, else 3.",
    examples: [
      ["For builds on this machine", "flutter-ci doctor"],
      [
        "Whether a driver's login is enough",
        "flutter-ci doctor --nats nats://ci:4222 --nats-user builder --nats-password-file pw --as builder",
      ],
    ],
  }).addOption(
    flag("--docker <endpoint>", "where Docker is", text).default(undefined, "where docker itself finds it"),
  );
  const whose = withWhoseFlags(command).optionsGroup("Broker:");
  const broker = whose
    .addOption(natsFlag().default(undefined, "none: it is not looked at"))
    .addOption(
      flag("--as <program>", "which program logs in to the broker: up, or a driver's name", subjectToken)
        .default(undefined, "any of up and its drivers"),
    )
    .addOption(
      flag("--host-id <name>", "host of the driver, for permissions on its own consumer", subjectToken)
        .default(undefined, "none: they are not looked at"),
    );
  return withLoginFlags(broker)
    .action(async (options) => {
      const { doctor } = await import("./doctor.ts");
      process.exitCode = await doctor(options);
    });
}
