import { Argument, Command } from "@commander-js/extra-typings";
import { newCommand } from "../../driver/program/command-line/command.ts";
import { SHELLS } from "./completion-script.ts";

/** Returns `flutter-ci completion`, which prints a shell's completion script. */
export function completionCommand() {
  return newCommand({
    path: "flutter-ci completion",
    summary: "Print the completion script of a shell",
    usage: "<shell>",
    examples: [
      ["bash, for this session", "source <(flutter-ci completion bash)"],
      ["zsh, for good", 'flutter-ci completion zsh > "${fpath[1]}/_flutter-ci"'],
      ["fish, for good", "flutter-ci completion fish > ~/.config/fish/completions/flutter-ci.fish"],
    ],
  })
    .addArgument(new Argument("<shell>", "bash, zsh or fish").choices(SHELLS))
    .action(async (shell) => {
      const { completionScript } = await import("./completion-script.ts");
      process.stdout.write(completionScript(shell, "flutter-ci"));
    });
}

/**
 * Returns the hidden command that the completion scripts call at each key press: `complete -- <words so
 * far>`.
 */
export function suggestionsCommand() {
  return new Command("complete")
    .exitOverride()
    .argument("[words...]")
    .action(async (words, _, command) => {
      const { suggest } = await import("./suggest.ts");
      const program = command.parent;
      if (!program) return;
      const { runsFor } = await import("./suggest-runs.ts");
      const { valuesFor } = await import("./suggest-values.ts");
      const found = [...await runsFor(program, words), ...await valuesFor(program, words)];
      process.stdout.write(suggest(program, words, found));
    });
}
