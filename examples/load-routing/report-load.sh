#!/bin/sh
# The five-line monitor: writes the machine's load in percent of its cores, once a second. It
# writes the table itself, so it needs no running proxy. Arguments: the table's file; how often
# (default: for ever); tidectl.
vars=$1 times=${2:-0} tidectl=${3:-tidectl}
while :; do
	busy=$(awk -v n="$(nproc)" '{p = 100 * $1 / n; print int(p > 100 ? 100 : p)}' /proc/loadavg)
	"$tidectl" --file "$vars" set load.app1 "${LOAD:-$busy}" || exit 1
	times=$((times - 1)); [ "$times" -eq 0 ] && exit 0
	sleep 1
done
