import { newCommand } from "../../driver/program/command-line/command.ts";
import { listFlag, switchFlag } from "../../driver/program/command-line/flag.ts";
import { text } from "../../driver/program/command-line/values.ts";
import { withRunsFlags } from "../shared/runs/runs-flags.ts";

/** `flutter-ci delete -f FILE… | TYPE NAME`. */
export function deleteCommand() {
  const command = newCommand({
    path: "flutter-ci delete",
    summary: "Remove resources, pipelines and resource types of a control plane",
    description:
      "Remove a resource by its type and name, or all that files describe: resources first, then pipelines,\n" +
      "then resource types. Removing a resource starts a run of its pipeline with the event delete, which cleans up.",
    usage: "[flags] (<type> <name> | -f <file> ...)",
    examples: [
      ["One resource", "flutter-ci delete flutter-builder app"],
      ["What apply has created", "flutter-ci delete -f pipeline.yaml app.yaml"],
    ],
  })
    .argument("[word...]", "type and name of a resource, or further files")
    .addOption(listFlag("-f, --file <file>", "file to read, repeatable; - is stdin", text))
    .addOption(switchFlag("--ignore-missing", "pass over what is not there"));
  return withRunsFlags(command).action(async (words, options) => {
    const { remove } = await import("./delete.ts");
    await remove(words, options);
  });
}
