# SPDX-License-Identifier: MIT
# bash completion of tidegate and tidectl. No option, verb or name is listed here: they are read
# from `tidegate -h`, `tidectl help` and its usage lines, the names of variables, policies, maps and
# servers from the tidegate that runs, or from the --file that is named.

# What may stand behind the words $2... by the usage $1, one a line; capitals are left to be
# resolved. "on|off" and "check FILE | dump FILE" are alternatives, "NAME..." repeats.
_tidegate_offers() {
	local usage=$1 words word i
	shift
	while [[ $usage =~ ^(.*)\[--[a-z]+(\ [A-Z]+)?\](.*)$ ]]; do
		usage=${BASH_REMATCH[1]}${BASH_REMATCH[3]}
	done
	usage=${usage//[][]/}
	while read -ra words; do
		((${#words[@]})) || continue
		for ((i = 0; i <= $#; i++)); do
			word=${words[i]-}
			[[ -z $word && ${words[-1]} == *... ]] && word=${words[-1]}
			((i == $#)) && break
			[[ $word == [A-Z]* || "|$word|" == *"|${@:i+1:1}|"* ]] || continue 2
		done
		[[ -z $word ]] || printf '%s\n' ${word//|/ }
	done <<<"${usage// | /$'\n'}"
}

# The names that a capital word of a usage stands for; $1 is the verb, $2 the word. The rest is the
# program with the options that were typed before the verb.
_tidegate_names() {
	local kind=$1:${2%...}
	shift 2
	case $kind in
	map:NAME | acl:NAME) "$@" cli show "${kind%:*}" | sed -n 's/^[-0-9]* (\(.*\)) .*/\1/p' ;;
	*:NAME) "$@" vars | awk '{ print $1 }' ;;
	*:POLICY) "$@" policy | awk '$1 == "policy" { print $2 }' ;;
	*:BACKEND) "$@" cli show backend | grep -v '^#' ;;
	*:BACKEND/SERVER) "$@" servers | awk '{ print $1 }' ;;
	*:FILE | *:JSON) compgen -f -- "$cur" ;;
	*:VERB) "$@" help | sed -n 's/^  \([a-z][a-z]*\)\( .*\)*$/\1/p' ;;
	esac 2>/dev/null
}

# Not compgen -W, which would perform what stands in a name.
_tidegate_reply() {
	local word
	for word; do
		[[ $word == "$cur"* ]] && COMPREPLY+=("$word")
	done
}

_tidectl() {
	local cur=${COMP_WORDS[COMP_CWORD]} help word words=() i=1 run=("${COMP_WORDS[0]}") offers=() -
	set -f # names are no patterns
	help=$("${run[@]}" help 2>/dev/null) || return
	COMPREPLY=()
	# Options in front of the verb; the first line of the usage says which take a value.
	local first=${help%%$'\n'*}
	for (( ; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		[[ $word == -* ]] || break
		[[ $first == *"$word "[A-Z]* ]] || continue
		((++i < COMP_CWORD)) || { mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return; }
		run+=("$word" "${COMP_WORDS[i]}")
	done
	run+=(--timeout 1s)
	if ((i == COMP_CWORD)); then
		if [[ $cur == -* ]]; then
			_tidegate_reply $(grep -o -- '-[-a-zA-Z]\+' <<<"$first")
		else
			_tidegate_reply $(_tidegate_names help VERB "${run[@]}")
		fi
		return
	fi
	local verb=${COMP_WORDS[i]} usage
	usage=$(awk -v verb="$verb" '/^  [a-z]/ && $1 == verb { print substr($0, length(verb) + 4) }' \
		<<<"$help")
	usage=${usage%%  *}
	for ((i++; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word == --* && $usage == *"$word "[A-Z]* ]]; then
			((++i == COMP_CWORD)) && return # a time, an owner, a reason
		elif [[ $word != --* ]]; then
			words+=("$word")
		fi
	done
	if [[ $cur == -* ]]; then
		_tidegate_reply $(grep -o -- '--[a-z]\+' <<<"$usage") --json
		return
	fi
	for word in $(_tidegate_offers "$usage" "${words[@]}"); do
		[[ $word != [A-Z]* ]] || word=$(_tidegate_names "$verb" "$word" "${run[@]}")
		offers+=($word)
	done
	_tidegate_reply "${offers[@]}"
}

_tidegate() {
	local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} help verbs value
	help=$("${COMP_WORDS[0]}" -h 2>/dev/null) || return
	COMPREPLY=()
	# Usage lines have a verb behind the program's name; what can be typed behind it is its own.
	verbs=$(awk -v me="${COMP_WORDS[0]##*/}" '$1 == me && $2 ~ /^[a-z]/ { print $2 }' <<<"$help")
	if ((COMP_CWORD == 1)); then
		_tidegate_reply $verbs
	elif [[ $'\n'$verbs$'\n' == *$'\n'"${COMP_WORDS[1]}"$'\n'* ]]; then
		help=$("${COMP_WORDS[0]}" "${COMP_WORDS[1]}" -h 2>/dev/null) || return
	fi
	value=$(awk -v flag="$before" '$1 == flag { print $2 }' <<<"$help")
	case $value in
	*FILE* | *FOLDER* | *SOCKET* | *ADDRESS\[*) ;;
	[A-Z\']*) return ;; # a number, a name, a request
	esac
	if [[ $cur == -* && $value != [A-Z]* ]]; then
		_tidegate_reply $(awk '$1 ~ /^-/ { print $1 }' <<<"$help")
		return
	fi
	mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur")
	compopt -o filenames 2>/dev/null
}

complete -F _tidegate tidegate
complete -F _tidectl tidectl
