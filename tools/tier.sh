#!/usr/bin/env bash
# Run one tier of the tests and say how long it took; `--begin` and `--end` bracket a run and print the table.
set -euo pipefail
record="${TMPDIR:-/tmp}/extensa-tiers.$(id -u).$(pwd | cksum | cut -d' ' -f1)"
case "$1" in
  --begin) : >"$record"; exit 0 ;;
  --end)
    echo
    echo "minutes per tier"
    awk '{ printf "  %-10s %5.1f\n", $1, $2 / 60; total += $2 } END { printf "  %-10s %5.1f\n", "all", total / 60 }' "$record"
    rm -f "$record"
    exit 0 ;;
esac
name=$1
shift
echo "── $name: $*"
start=$(date +%s.%N)
status=0
"$@" || status=$?
seconds=$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')
if [ "$status" -eq 0 ]; then echo "── $name: passed in $seconds s"; else echo "── $name: FAILED (exit $status) after $seconds s" >&2; fi
if [ -f "$record" ]; then echo "$name $seconds" >>"$record"; fi
exit "$status"
