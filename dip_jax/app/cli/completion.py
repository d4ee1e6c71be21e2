"""Completion of flags and their values, for a shell."""

from dip_jax.app.cli.flags import FLAGS

# Bash splits --task=denoise into three words. A flag with a value ends in "=", without a space.
_BASH = """\
_dip_jax() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} flag=
  if [[ $word == = ]]; then
    flag=${{COMP_WORDS[COMP_CWORD-1]}} word=
  elif [[ ${{COMP_WORDS[COMP_CWORD-1]}} == = ]]; then
    flag=${{COMP_WORDS[COMP_CWORD-2]}}
  fi
  case $flag in
{cases}
    "")
      if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "{flags}" -- "$word"))
        if [[ ${{COMPREPLY[0]-}} == *= ]]; then compopt -o nospace; fi
      fi ;;
  esac
}}
complete -o default -F _dip_jax dip-jax"""


def complete_in_bash() -> str:
    """Returns a script for bash: names of flags, the values of those with choices, and files."""
    choices = {flag.name: flag.kind for flag in FLAGS if isinstance(flag.kind, tuple)}
    words = []
    for flag in FLAGS:
        words.append(f"--{flag.name}" if flag.kind is bool else f"--{flag.name}=")
        if flag.kind is bool and flag.default is not False:
            words.append(f"--no{flag.name}")
    cases = [
        f'    --{name}) COMPREPLY=($(compgen -W "{" ".join(values)}" -- "$word")) ;;'
        for name, values in choices.items()
    ]
    return _BASH.format(cases="\n".join(cases), flags=" ".join(words))
