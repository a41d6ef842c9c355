#!/bin/sh
# Five lines are a monitor: VARS is the table's file, TIMES how often (default: for ever).
while awk -v n="$(nproc)" '{p = 100 * $1 / n; print int(p > 100 ? 100 : p)}' /proc/loadavg |
	"${TIDECTL:-tidectl}" --file "$VARS" set load.app1 - --reason measured; do
	TIMES=$((${TIMES:-0} - 1)); [ "$TIMES" -eq 0 ] && break; sleep 1
done
