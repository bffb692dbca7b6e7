# Completion of mantisd and mantisctl in bash.  What there is, the programs say themselves.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash

_mantis_options ()
{
  "$1" --help 2> /dev/null | sed -n 's/^  *\(--[a-z-]*\) .*/\1/p; s/^.*-D FLAG.*/-D/p'
}

# Ids and subjects, of the server that the command line so far names.
_mantis_nodes ()
{
  "${@:1:$#-3}" nodes list 2> /dev/null < /dev/null | awk 'NR > 1 { print $1; print $2 }' | grep -vx -- -
}

_mantis ()
{
  local program=$1 word=$2 before=$3 answers=

  COMPREPLY=()
  case $before in
  --config | --database | --token-file | --password-file) compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
  --plugin-dir) compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
  --mode) answers="server client" ;;
  --log-level) answers="error warning info debug" ;;
  --state) answers="open closed" ;;
  --dump-plugin) answers=$("$program" --list-plugins 2> /dev/null | awk '{ print $2 }') ;;
  --policy) answers="$("${program%ctl}d" --list-plugins 2> /dev/null | awk '$1 == "resolver" { print $2 }') $(compgen -f -X '!*.so' -- "$word")" ;;
  --id | --conflict | --claims | --node | --key | --keys | --since | --time-limit | --subject | --lifetime | --table | --role | --row | --rev | add | passwd | remove | login | --listen | --server | -D) return ;;
  conflicts) answers="list show resolve restore" ;;
  nodes) answers="list disable enable" ;;
  disable | enable) answers=$(_mantis_nodes "${COMP_WORDS[@]}") ;;
  user) answers="add passwd disable enable remove list" ;;
  *)
    answers=$(_mantis_options "$program")
    case $program in
    *mantisctl) answers+=" --subject --lifetime --table --state --role --row --rev --policy --id --since --conflict --claims --token-file --node --key --keys token status sync scan conflicts explain replay decide nodes user login" ;;
    esac
    ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$answers" -- "$word")
}
complete -F _mantis mantisd mantisctl
