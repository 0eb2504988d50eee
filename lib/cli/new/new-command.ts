import { newCommand } from "../../driver/program/command-line/command.ts";
import { subjectToken } from "../../driver/program/command-line/values.ts";

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
    usage: "<name>",
    examples: [["A driver in the folder unit-report", "flutter-ci new driver unit-report"]],
  })
    .argument("<name>", "name of the driver, and of the folder", subjectToken)
    .action(async (name) => {
      const { writeDriver } = await import("./write-driver.ts");
      process.stdout.write(await writeDriver(name));
    });
  return command.addCommand(driver);
}
