#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Run osbench in Hati and in Linux, in the same virtual machine, and print the ratios.
#
#     run.sh [--build TYPE] [--linux-again] [-- OSBENCH-ARGUMENT...]
#
#   --build TYPE     which build of Hati: release (default) or debug
#   --linux-again    measure Linux even if build/bench/linux.tsv is there and up to date
#
# Both count instructions (QEMU's -icount): 1 "ns" is 1 instruction, and the host's load does not
# matter. Linux is the kernel of Debian's linux-image-cloud-amd64, downloaded into build/bench and
# never installed; without a network the recorded bench/baseline/linux-icount.tsv stands in. The
# tables are kept in build/bench: linux.tsv, hati.tsv, and ratios.tsv, which is printed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
out=$top/build/bench
build=release again=
arguments=(--time 30)

die() { echo "run.sh: $*" >&2; exit 1; }
say() { echo "bench: $*" >&2; }

while [[ $# -gt 0 ]]; do
    case $1 in
        --build) build=${2-}; shift 2 ;;
        --linux-again) again=1; shift ;;
        --) shift; arguments=("$@"); break ;;
        *) die "unknown option $1" ;;
    esac
done
mkdir -p "$out"

# ---- osbench, one static program for both
osbench=$out/osbench
if [[ ! -x $osbench || $here/osbench.c -nt $osbench ]]; then
    musl-gcc -std=gnu17 -O2 -static -pthread -o "$osbench" "$here/osbench.c"
fi

# ---- Linux
if [[ $again || ! -s $out/linux.tsv || $osbench -nt $out/linux.tsv ]]; then
    if kernel=$("$here/fetch-linux.sh" "$out"); then
        say "measuring Linux"
        "$here/run-linux.sh" --mode icount --osbench "$osbench" --log "$out/linux.log" \
            "$kernel" -- "${arguments[@]}" >"$out/linux.raw"
        awk -f "$here/merge.awk" "$out/linux.raw" >"$out/linux.tsv"
    else
        say 'no Linux kernel to be had; comparing with the recorded baseline'
        cp "$here/baseline/linux-icount.tsv" "$out/linux.tsv"
    fi
fi

# ---- Hati
say "measuring Hati ($build)"
status=0
"$top/hati" run --icount --build "$build" --timeout 1800 --log "$out/hati.log" \
    --add "$osbench:/bin/osbench" --add "$here/guest.sh:/bin/bench" \
    -- /bin/sh /bin/bench "${arguments[@]}" >"$out/hati.raw" </dev/null || status=$?
[[ -s $out/hati.raw ]] || die "Hati printed nothing (status $status); see $out/hati.log"
awk -f "$here/merge.awk" "$out/hati.raw" >"$out/hati.tsv"

# ---- side by side
{
    printf '# name\tLinux\tHati\tunit\tHati/Linux\n'
    awk -f "$here/compare.awk" "$out/linux.tsv" "$out/hati.tsv"
    awk -f "$here/bars.awk" "$out/hati.tsv"
} | tee "$out/ratios.tsv"
[[ $status == 0 ]] || die "osbench in Hati ended with status $status; see $out/hati.log"
