export const SHELLS = ["bash", "zsh", "fish"] as const;

/**
 * Returns the script that completes `program` in a shell: at each key press it calls `program complete --
 * <words>`. It passes the words literally and never evaluates them: `$(…)` on the line is not run.
 */
export function completionScript(shell: keyof typeof SCRIPTS, program: string): string {
  return SCRIPTS[shell](program, program.replaceAll("-", "_"));
}

/**
 * The answer has one suggestion a line, with a tab and its explanation, then `:0` if file names fit too,
 * otherwise `:4`.
 */
const SCRIPTS = { bash, zsh, fish } satisfies Record<(typeof SHELLS)[number], unknown>;

function bash(program: string, name: string): string {
  return `# bash completion for ${program}

__${name}_complete() {
    local word line last prefix
    local -a words=()
    COMPREPLY=()
    # bash takes --flag=value for three words.
    for word in "\${COMP_WORDS[@]:1:COMP_CWORD}"; do
        if ((\${#words[@]} > 0)) && [[ $word == [=:] || \${words[-1]} == *[=:] ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    last=\${words[-1]-}
    word=\${COMP_WORDS[COMP_CWORD]}
    [[ $word != [=:] ]] || word=
    prefix=\${last%"$word"}
    while IFS= read -r line; do
        case $line in
            :4) compopt +o default 2>/dev/null ;;
            :*) ;;
            "$last"*)
                line=\${line%%$'\\t'*}
                COMPREPLY+=("\${line#"$prefix"}")
                ;;
        esac
    done < <(command ${program} complete -- "\${words[@]}" 2>/dev/null </dev/null)
}
complete -o default -F __${name}_complete ${program}
`;
}

function zsh(program: string, name: string): string {
  return `#compdef ${program}
# zsh completion for ${program}

__${name}_complete() {
    local line files=no
    local -a values
    while IFS= read -r line; do
        case $line in
            (:0) files=yes ;;
            (:*) ;;
            (*$'\\t'*) values+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
            (*) values+=("\${line//:/\\\\:}") ;;
        esac
    done < <(command ${program} complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null </dev/null)
    [[ \${#values} == 0 ]] || _describe ${program} values
    [[ $files == no ]] || _files
}
if [[ \${funcstack[1]} == _${program} ]]; then
    __${name}_complete
elif (( $+functions[compdef] )); then
    compdef __${name}_complete ${program}
fi
`;
}

function fish(program: string, name: string): string {
  return `# fish completion for ${program}

function __${name}_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    for line in (command ${program} complete -- $words[2..-1] "$last" 2>/dev/null </dev/null)
        switch $line
            case ':0'
                __fish_complete_path "$last"
            case ':*'
            case '*'
                printf '%s\\n' $line
        end
    end
end
complete -c ${program} -e
complete -c ${program} -f -a '(__${name}_complete)'
`;
}
