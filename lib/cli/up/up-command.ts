import { newCommand, VARIABLES_NOTE } from "../../driver/program/command-line/command.ts";
import type { Drivers } from "../shared/drivers.ts";
import { withOwnPolicies } from "../shared/own-policies.ts";
import { withUpFlags } from "./up-flags.ts";

/** `flutter-ci up`: runs the control plane, with drivers next to it. `words`: the whole command line. */
export async function upCommand(drivers: Drivers, words: readonly string[] = []) {
  const text = {
    path: "flutter-ci up",
    summary: "Start a control plane and drivers in one program",
    description:
      "Start a control plane and drivers in one program. flutter-ci submit and the HTTP API use it.\n" +
      "Without --nats it is one process that needs nothing else; with it, any number of drivers anywhere share the work.\n" +
      "The first signal makes it take no more work and finish what its drivers have in hand; a second one ends it at once.\n" +
      "Runs that have not ended go on when it is started again.",
    examples: [
      ["On this machine, with everything in it", "flutter-ci up"],
      [
        "For a fleet, whose drivers run elsewhere",
        "flutter-ci up --nats nats://broker.example.com:4222 --nats-creds engine.creds --drivers none",
      ],
    ],
  } as const;
  const make = () => withUpFlags(newCommand(text), Object.keys(drivers));
  const command = await withOwnPolicies(make(), make(), words);
  return command
    .addHelpText(
      "after",
      "\nThe certificate and key are shown to callers, who then use https, and to the broker. The authorities are those of the\n" +
        "broker's certificate; beside the token, callers may show one that they sign themselves, as Conveyor's drivers do, with\n" +
        "any certificate of these authorities (of public ones not).\n" +
        VARIABLES_NOTE,
    )
    .action(async (options) => {
      const { up } = await import("./up.ts");
      await up(options, drivers);
    });
}
