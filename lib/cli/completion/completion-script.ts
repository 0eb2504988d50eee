import { script } from "@bomb.sh/tab";

/** Prints the script that teaches a shell to complete `program`: it asks `program complete -- <words>` at each key press. */
export function printCompletionScript(shell: "bash" | "zsh" | "fish", program: string): void {
  script(shell, program, program);
  if (shell === "bash") console.log(bashAddition(program));
}

/** The script leans on bash-completion, which not everybody has, and would leave out files where we suggest nothing. */
const bashAddition = (program: string): string => `
declare -F _get_comp_words_by_ref >/dev/null || _get_comp_words_by_ref() {
    words=("\${COMP_WORDS[@]}")
    cword=$COMP_CWORD
    cur=\${COMP_WORDS[COMP_CWORD]}
    prev=\${COMP_WORDS[COMP_CWORD-1]}
}
complete -o default -F __${program.replaceAll("-", "_")}_complete ${program}`;
