#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Measure the kernel itself: bench/thor in the guest.
#
#     thor.sh [--build TYPE]
#
#   --build TYPE     which build of Hati: release (default) or debug
#
# One CPU with instructions counted, then four and eight CPUs in loops. The table is kept in
# build/bench/thor.tsv: name, value, unit; NAME.entries and NAME.loads are kernel entries and
# address-space loads per operation. Printed are the figures side by side, then the longest
# stretches with interrupts off (tools/profile/irqs-off.py, of the host build), then the bars.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
out=$top/build/bench
build=release

die() { echo "thor.sh: $*" >&2; exit 1; }

while [[ $# -gt 0 ]]; do
    case $1 in
        --build) build=${2-}; shift 2 ;;
        *) die "unknown option $1" ;;
    esac
done
mkdir -p "$out"

# measure NAME OPTION...: boots, prints the lines of results
measure() {
    local log=$out/thor-$1.log
    shift
    # The program ends the machine, so the launcher has no exit status of the command.
    "$top/hati" run --build "$build" --timeout 120 --append hati.bench=thor --log "$log" "$@" \
        -- busybox sleep 100000 </dev/null >/dev/null 2>&1 || :
    grep -q 'thor-bench: done' "$log" || die "no end: see $log"
    sed -n 's/.*thor-bench: \([^ ]* [0-9.]* .*\)$/\1/p' "$log"
}

{
    measure icount --icount
    measure smp4 --smp 4 | sed 's/^smp\./smp4./'
    measure smp8 --smp 8 | sed 's/^smp\./smp8./'
} >"$out/thor.raw"

awk -v OFS='\t' '{
    print $1, $2, $3
    if ($4 != "-") print $1 ".entries", $4, "entries" OFS
    if ($5 != "-") print $1 ".loads", $5, "loads" OFS
}' "$out/thor.raw" | sed 's/\t$//' >"$out/thor.tsv"

awk 'BEGIN { printf "# %-26s %12s %-14s %8s %8s\n", "name", "value", "unit", "entries", "loads" }
    { printf "%-28s %12s %-14s %8s %8s\n", $1, $2, $3, $4, $5 }' "$out/thor.raw"
echo '# the longest stretches with interrupts off, in instructions'
"$top/tools/profile/irqs-off.py" --build "$build" --tsv "$out/thor.tsv"
awk -f "$here/thor-bars.awk" "$out/thor.tsv"
