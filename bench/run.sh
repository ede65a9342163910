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
# The rows dir.* and disk.* are measured in two more boots, with two virtio-blk disks whose images
# lie in memory: one as it is, one with ext4. What disk.* waits for is threads of the host, which
# no clock of the guest tells apart from instructions: there a plugin counts what is executed
# (insns.c), and bandwidths are those of the host's clock.
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

# ---- disks, as run-linux.sh makes them
disks=$(mktemp -d -p "$([[ -w /dev/shm ]] && echo /dev/shm || echo "$out")")
trap 'rm -rf "$disks"' EXIT
has_disk=1
[[ ${arguments[*]} == --time\ 30 ]] || has_disk=  # who chooses rows says which
counting=(--time 3000 'disk.*')

make_disks() {
    dd if=/dev/zero of="$disks/disk.raw" bs=1M count=256 status=none
    rm -f "$disks/disk.ext4"
    truncate -s 256M "$disks/disk.ext4"
    mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$disks/disk.ext4"
}

# The lines of disk.*: instructions for each operation, or MB/s.
disk_lines() { # RESULTS COUNTS
    awk -F'\t' '$1 ~ /^disk\./ && $3 == "MB/s"' "$1"
    awk -f "$here/perop.awk" "$1" "$2" |
        awk -F'\t' -v OFS='\t' '/^disk\./ && $1 !~ /_1m$/ { print $1, $2 + $3, "insns" }'
}

if [[ $has_disk && ( ! -s $out/insns.so || $here/insns.c -nt $out/insns.so ) ]]; then
    cc -O2 -shared -fPIC -o "$out/insns.so" "$here/insns.c"
fi

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
        modules=$(compgen -G "$out/linux/lib/modules/*" | head -1) || :
        if [[ $has_disk && $modules ]]; then
            with_disks=(--osbench "$osbench" --modules "$modules" --disk "$disks/disk"
                --cache writeback)
            "$here/run-linux.sh" --mode icount "${with_disks[@]}" --log "$out/linux-dir.log" \
                "$kernel" -- "${arguments[@]}" 'dir.*' | grep '^dir\.' >>"$out/linux.raw"
            "$here/run-linux.sh" --mode tcg "${with_disks[@]}" --log "$out/linux-disk.log" \
                --qemu "-plugin file=$out/insns.so,out=$out/linux-disk.counts" \
                "$kernel" -- "${counting[@]}" >"$out/linux-disk.raw"
            disk_lines "$out/linux-disk.raw" "$out/linux-disk.counts" >>"$out/linux.raw"
        fi
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
if [[ $has_disk ]]; then
    make_disks
    drives=
    for name in raw ext4; do
        drives+=" -drive if=none,id=$name,format=raw,file=$disks/disk.$name,cache=writeback"
        drives+=" -device virtio-blk-pci,drive=$name"
    done
    with_disks=(--build "$build" --timeout 1800 --add "$osbench:/bin/osbench"
        --add "$here/guest-disks.sh:/bin/bench")
    "$top/hati" run --icount "${with_disks[@]}" --log "$out/hati-dir.log" --qemu "$drives" \
        -- /bin/sh /bin/bench "${arguments[@]}" 'dir.*' >"$out/hati-dir.raw" </dev/null ||
        status=$?
    grep '^dir\.' "$out/hati-dir.raw" >>"$out/hati.raw" || :
    "$top/hati" run --smp 1 "${with_disks[@]}" --log "$out/hati-disk.log" \
        --qemu "$drives -plugin file=$out/insns.so,out=$out/hati-disk.counts" \
        -- /bin/sh /bin/bench "${counting[@]}" >"$out/hati-disk.raw" </dev/null || status=$?
    disk_lines "$out/hati-disk.raw" "$out/hati-disk.counts" >>"$out/hati.raw" || status=$?
fi
awk -f "$here/merge.awk" "$out/hati.raw" >"$out/hati.tsv"

# ---- side by side
{
    printf '# name\tLinux\tHati\tunit\tHati/Linux\n'
    awk -f "$here/compare.awk" "$out/linux.tsv" "$out/hati.tsv"
    awk -f "$here/bars.awk" "$out/hati.tsv"
} | tee "$out/ratios.tsv"
[[ $status == 0 ]] || die "osbench in Hati ended with status $status; see $out/hati.log"
