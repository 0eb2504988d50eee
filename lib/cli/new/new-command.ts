import { newCommand } from "../../driver/program/command-line/command.ts";
import { flag } from "../../driver/program/command-line/flag.ts";
import { subjectToken, text } from "../../driver/program/command-line/values.ts";

/** `flutter-ci new`: creates the files that an author starts from. */
export function newThingCommand() {
  const command = newCommand({
    path: "flutter-ci new",
    summary: "Write a folder with a driver of one's own",
    usage: "driver <name>",
    examples: [["A driver in the folder unit-report", "flutter-ci new driver unit-report"]],
  });
  const driver = newCommand({
    path: "flutter-ci new driver",
    summary: "Write a folder with a driver of one's own, its test and its manifest",
    usage: "[flags] <name>",
    examples: [
      ["A driver in the folder unit-report", "flutter-ci new driver unit-report"],
      [
        "With the package that scripts/package of a checkout made",
        "flutter-ci new driver unit-report --package ~/conveyor/package",
      ],
    ],
  })
    .argument("<name>", "name of the driver, and of the folder", subjectToken)
    .addOption(
      flag("--package <folder>", "take the package conveyor-drivers from here, not from a registry", text),
    )
    .action(async (name, options) => {
      const { writeDriver } = await import("./write-driver.ts");
      process.stdout.write(await writeDriver(name, options));
    });
  return command.addCommand(driver);
}
