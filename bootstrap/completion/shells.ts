/** The shells that a script can be had for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/**
 * What a shell is given once: each time it asks `kms __complete` what may come next. Lines are a word, a tab and its meaning; `:files` asks for
 * files, `:command 3` for what the command line of another program would offer that begins with the word of that number. No line is
 * evaluated: what is in them, others may have written.
 */
export const scriptOf = (shell: Shell): string => ({ bash: BASH, zsh: ZSH, fish: FISH })[shell];

const BASH = `# source <(kms completion bash)
_kms_complete() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      :files) compopt -o default 2>/dev/null ;;
      ':command '*)
        if declare -F _command_offset >/dev/null; then
          _command_offset "\${line#:command }"
        elif [[ "\${line#:command }" == "$COMP_CWORD" ]]; then
          COMPREPLY=($(compgen -c -- "\${COMP_WORDS[COMP_CWORD]}"))
        else
          compopt -o default 2>/dev/null
        fi
        return ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <(kms __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _kms_complete kms
`;

const ZSH = `#compdef kms
# source <(kms completion zsh), behind compinit; or write it as _kms into a folder of fpath
_kms() {
  local line
  local -a candidates
  for line in "\${(@f)$(kms __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case "$line" in
      :files) _files; return ;;
      ':command '*)
        shift "\${line#:command }" words
        (( CURRENT -= \${line#:command } ))
        _normal
        return ;;
      ?*) candidates+=("\${line/$'\\t'/:}") ;;
    esac
  done
  _describe kms candidates
}
if [[ "$funcstack[1]" == _kms ]]; then _kms "$@"; else compdef _kms kms; fi
`;

const FISH = `# kms completion fish | source
function __kms_complete
    set -l current (commandline -ct)
    set -l before (commandline -opc)
    for line in (kms __complete -- $before[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$current"
            case ':command *'
                __fish_complete_subcommand --fcs-skip=(string replace ':command ' '' -- $line)
            case '*'
                printf '%s\\n' $line
        end
    end
end
complete -c kms -f -a '(__kms_complete)'
`;
