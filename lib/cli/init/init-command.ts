import { newCommand } from "../../driver/program/command-line/command.ts";
import { switchFlag } from "../../driver/program/command-line/flag.ts";

/** `flutter-ci init`: writes the file that says how a repository is built. */
export function initCommand() {
  return newCommand({
    path: "flutter-ci init",
    summary: "Write a .conveyor.yaml for this repository",
    description: "Write a .conveyor.yaml to the top of a repository, after a look at its files.\n" +
      'Once it is committed, "flutter-ci run" builds the repository as it says.',
    usage: "[flags] [folder]",
    examples: [
      ["The repository in this folder", "flutter-ci init"],
      ["In the place of an older one", "flutter-ci init --force"],
    ],
  })
    .argument("[folder]", "a folder of the repository")
    .addOption(switchFlag("--force", "replace the file that is there"))
    .action(async (folder, { force }) => {
      const { init } = await import("./init.ts");
      process.stdout.write(await init(folder ?? ".", { force: force === true }));
    });
}
