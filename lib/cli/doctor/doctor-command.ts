import { natsFlag, withLoginFlags } from "../../driver/program/broker/broker-flags.ts";
import { newCommand } from "../../driver/program/command-line/command.ts";
import { flag } from "../../driver/program/command-line/flag.ts";
import { servedHostPort, subjectToken, text } from "../../driver/program/command-line/values.ts";
import { withWhoseFlags } from "../shared/runs/runs-flags.ts";

/** `flutter-ci doctor`. */
export function doctorCommand() {
  const command = newCommand({
    path: "flutter-ci doctor",
    summary: "Say what works here, what does not, and how to fix it",
    description:
      "Say what works here, what does not, and how to fix it: the data folder, Docker, the control plane, and\n" +
      "with --nats the broker: its version, JetStream, streams, consumers, and what the login may do. Exits 0 where\n" +
      "everything works that a build needs, else 3. With --ready it only asks whether a driver (--health) or a control\n" +
      "plane (--listen) is ready, as the health check of a container does.",
    examples: [
      ["For builds on this machine", "flutter-ci doctor"],
      [
        "Whether a driver's login is enough",
        "flutter-ci doctor --nats nats://ci:4222 --nats-user builder --nats-password-file pw --as builder",
      ],
      [
        "Whether a driver that was started with --health 127.0.0.1:9090 takes events",
        "flutter-ci doctor --ready 127.0.0.1:9090",
      ],
    ],
  }).addOption(
    flag("--docker <endpoint>", "where Docker is", text).default(undefined, "where docker itself finds it"),
  ).addOption(
    flag("--ready <host:port>", "only ask whether what serves this address is ready", servedHostPort)
      .default(undefined, "all is looked at"),
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
      if (options.ready) {
        const { sayReady } = await import("./ready.ts");
        process.exitCode = await sayReady(options.ready);
        return;
      }
      const { doctor } = await import("./doctor.ts");
      process.exitCode = await doctor(options);
    });
}
