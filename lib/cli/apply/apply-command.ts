import { newCommand } from "../../driver/program/command-line/command.ts";
import { listFlag } from "../../driver/program/command-line/flag.ts";
import { text } from "../../driver/program/command-line/values.ts";
import { withRunsFlags } from "../shared/runs/runs-flags.ts";

/** `flutter-ci apply -f FILE…`. */
export function applyCommand() {
  const command = newCommand({
    path: "flutter-ci apply",
    summary: "Create or change resource types, pipelines and resources of a control plane",
    description:
      "Create or change resource types, pipelines and resources of a control plane, as files say: JSON or\n" +
      "YAML, several documents in one if need be. What has a schema is a resource type, what has steps a pipeline, what\n" +
      "has a spec a resource. A resource that is created or changed starts a run; one that is as the file says does not.",
    usage: "[flags] -f <file> ...",
    examples: [
      ["A pipeline and the resources that use it", "flutter-ci apply -f pipeline.yaml app.yaml"],
      ["From another program", "generate | flutter-ci apply -f -"],
    ],
  })
    .argument("[file...]", "further files")
    .addOption(listFlag("-f, --file <file>", "file to read, repeatable; - is stdin", text))
    .addOption(
      listFlag("--secret <name>", "variable of yours whose value the resources' runs get, repeatable", text),
    );
  return withRunsFlags(command).action(async (files, options) => {
    const { apply } = await import("./apply.ts");
    await apply([...options.file ?? [], ...files], options);
  });
}
