#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Boot Linux in QEMU with an initramfs of busybox and osbench, and print osbench's lines.
#
#     run-linux.sh [OPTION]... KERNEL [-- OSBENCH-ARGUMENT...]
#
#   --mode tcg       host time; one thread per virtual CPU (the default)
#   --mode icount    one virtual CPU, guest time counts instructions: 1 "ns" is 1 instruction
#   --linux tuned    the fastest that Linux's command line gives under TCG: no mitigations, no
#                    audit, memory not zeroed twice, no page-table isolation, no protection keys
#                    (TCG empties its TLB when they change); on a CPU without "erms" (TCG takes a
#                    turn for each byte of "rep movsb", for each 8 of "rep movsq") or without
#                    pointer authentication.  The default: the one to beat.
#   --linux stock    the distribution's defaults, and -cpu max
#   --smp N  --mem SIZE  --cpu MODEL  --machine TYPE
#                    the virtual hardware (1, 1G, as --linux says, q35 or virt)
#   --arch ARCH      x86_64 (default) or aarch64
#   --append WORDS   more words for the kernel's command line
#   --osbench FILE   a static osbench; else it is built with $CC (musl-gcc)
#   --busybox FILE   a static busybox of the guest's architecture (busybox)
#   --modules DIR    the kernel's /lib/modules/VERSION, for --disk and --net
#   --disk FILE      two virtio-blk disks of 256 MiB: FILE.raw for disk.*, FILE.ext4 mounted
#                    for dir.*; both are made anew
#   --cache MODE     QEMU's cache mode for those (none; writeback where FILE is in a tmpfs)
#   --net PORT       a virtio-net card, with `osbench --serve PORT` on the host for host.*
#   --qemu WORDS     more words for QEMU
#   --log FILE       keep the whole console
#   --timeout S      stop QEMU after S seconds (1800)
#   --run COMMAND    a shell command to run in the guest instead of osbench
#
# Lines that begin with '#' tell how it was run.  The lines boot.* come first: host time and
# guest counter from power-on until /init runs, memory as the guest sees it then, and the part of
# its memory that it has ever touched, as the host sees it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mode=tcg linux=tuned smp=1 mem=1G cpu='' machine='' arch=x86_64 append='' osbench=''
busybox=$(command -v busybox || :)
modules='' disk='' cache=none net='' qemu_more='' log=/dev/null limit=1800 command=''

die() { echo "run-linux.sh: $*" >&2; exit 1; }

while [[ ${1-} == --* ]]; do
    [[ $# -ge 2 ]] || die "$1 needs a value"
    case $1 in
        --mode) mode=$2 ;;       --linux) linux=$2 ;;      --smp) smp=$2 ;;
        --mem) mem=$2 ;;
        --cpu) cpu=$2 ;;         --machine) machine=$2 ;;  --arch) arch=$2 ;;
        --append) append=$2 ;;   --osbench) osbench=$2 ;;  --busybox) busybox=$2 ;;
        --modules) modules=$2 ;; --disk) disk=$2 ;;        --net) net=$2 ;;
        --qemu) qemu_more=$2 ;;  --log) log=$2 ;;          --timeout) limit=$2 ;;
        --run) command=$2 ;;     --cache) cache=$2 ;;
        *) die "unknown option $1" ;;
    esac
    shift 2
done
[[ $# -ge 1 ]] || die "which kernel?"
kernel=$1
shift
[[ ${1-} != -- ]] || shift
[[ -r $kernel ]] || die "cannot read $kernel"
[[ -x $busybox ]] || die "no static busybox (--busybox)"

work=$(mktemp -d)
pids=()
cleanup() { for p in "${pids[@]}"; do kill "$p" 2>/dev/null || :; done; rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT TERM

# ---- the initramfs
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp,mnt,lib}
if [[ -z $osbench ]]; then
    osbench=$work/osbench
    ${CC:-musl-gcc} -std=gnu17 -O2 -static -pthread -o "$osbench" "$here/osbench.c"
fi
cp "$osbench" "$root/bin/osbench"
cp "$busybox" "$root/bin/busybox"

args=("$@")
names=()
if [[ $disk || $net ]]; then
    [[ -d $modules/kernel ]] || die "--disk and --net need --modules"
    names+=(virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci)
    [[ ! $disk ]] || names+=(virtio_blk)
    [[ ! $net ]] || names+=(failover net_failover virtio_net)
    for name in "${names[@]}"; do
        find "$modules/kernel" -name "$name.ko" -exec cp {} "$root/lib/" \;
    done
fi
if [[ $disk ]]; then
    truncate -s 0 "$disk.raw" "$disk.ext4"
    dd if=/dev/zero of="$disk.raw" bs=1M count=256 status=none   # no holes: every block is there
    truncate -s 256M "$disk.ext4"
    mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$disk.ext4"
    args=(--disk /dev/vda --dir /mnt "${args[@]}")
fi
[[ ! $net ]] || args=(--net "10.0.2.2:$net" "${args[@]}")

run="/bin/osbench ${args[*]@Q}"
[[ ! $command ]] || run="export PATH=/bin; $command"
cat >"$root/init" <<INIT
#!/bin/busybox sh
b=/bin/busybox
\$b mount -t proc proc /proc
echo @init
/bin/osbench --boot
echo @booted
\$b mount -t sysfs sysfs /sys
\$b mount -t tmpfs tmpfs /tmp
\$b mount -t devtmpfs dev /dev 2>/dev/null
\$b ip link set lo up
echo 65536 >/proc/sys/kernel/threads-max
echo 65536 >/proc/sys/kernel/pid_max
for name in ${names[*]-}; do
    [ ! -f /lib/\$name.ko ] || \$b insmod /lib/\$name.ko
done
${disk:+\$b mount -t ext4 /dev/vdb /mnt}
${net:+\$b ip link set eth0 up; \$b ip addr add 10.0.2.15/24 dev eth0}
clocks=/sys/devices/system/clocksource/clocksource0
echo "# kernel \$(\$b uname -r), clock \$(\$b cat \$clocks/current_clocksource)"
echo "# command line: \$(\$b cat /proc/cmdline)"
$run
echo @end
\$b poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | "$busybox" cpio -o -H newc -R 0:0 2>/dev/null) >"$work/initramfs"

# ---- the machine
case $arch in
    x86_64) console=ttyS0 machine=${machine:-q35} ;;
    aarch64) console=ttyAMA0 machine=${machine:-virt} ;;
    *) die "unknown architecture $arch" ;;
esac
words="console=$console quiet panic=-1"
[[ $arch != x86_64 ]] || words+=" tsc=reliable"
case $linux/$arch in
    tuned/x86_64) model=max,-erms ;;
    tuned/aarch64) model=neoverse-n1 ;;
    stock/*) model=max ;;
    *) die "unknown configuration $linux" ;;
esac
case $linux/$arch in
    tuned/x86_64) words+=" mitigations=off audit=0 init_on_alloc=0 nopku" ;;
    tuned/aarch64) words+=" mitigations=off audit=0 init_on_alloc=0 kpti=0" ;;
esac
cpu=${cpu:-$model}
qemu=("qemu-system-$arch" -machine "$machine" -cpu "$cpu" -m "$mem" -nodefaults -no-user-config
      -no-reboot -display none -serial stdio -kernel "$kernel" -initrd "$work/initramfs")
case $mode in
    tcg) qemu+=(-accel tcg,thread=multi -smp "$smp") ;;
    icount) # nothing random, nothing from the host's clock
        qemu+=(-accel tcg,thread=single -smp 1 -icount shift=0,sleep=off -seed 1
               -rtc base=2026-01-01,clock=vm)
        words+=" nokaslr norandmaps randomize_kstack_offset=off" ;;
    *) die "unknown mode $mode" ;;
esac
if [[ $disk ]]; then
    for name in raw ext4; do
        qemu+=(-drive "if=none,id=$name,format=raw,file=$disk.$name,cache=$cache,aio=threads"
               -device "virtio-blk-pci,drive=$name")
    done
fi
if [[ $net ]]; then
    host_osbench=$work/host-osbench
    ${HOSTCC:-cc} -std=gnu17 -O2 -pthread -o "$host_osbench" "$here/osbench.c"
    "$host_osbench" --serve "$net" &
    pids+=($!)
    qemu+=(-netdev user,id=net -device virtio-net-pci,netdev=net)
fi
read -ra extra <<<"$qemu_more"
qemu+=(-append "$words $append" "${extra[@]}")

# ---- run it
mkfifo "$work/console"
since=$(date +%s%N)
timeout "$limit" "${qemu[@]}" </dev/null >"$work/console" 2>"$work/errors" &
waiter=$!
pids+=("$waiter")
on=0 ended=0
: >"$log"
while IFS= read -r text; do
    text=${text%$'\r'}
    printf '%s\n' "$text" >>"$log"
    case $text in
        *@init)
            at=$(date +%s%N) on=1
            printf '# %s, mode %s, %s Linux, %s CPU(s) %s, %s\n' \
                "$("${qemu[0]}" --version | head -1)" "$mode" "$linux" "$smp" "$cpu" "$mem"
            printf 'boot.host\t%d\tns\n' $((at - since)) ;;
        @booted)
            for p in $(pgrep -P "$waiter"); do
                awk -v ram=$(($(numfmt --from=iec "$mem") / 1024)) '
                    /^Size:/ { size = $2 }
                    /^Rss:/ && size == ram { print "boot.ram_touched\t" $2 "\tKiB" }
                ' "/proc/$p/smaps"
            done ;;
        @end) on=0 ended=1 ;;
        *) [[ $on == 0 ]] || printf '%s\n' "$text" ;;
    esac
done <"$work/console"
wait "$waiter" || :
[[ $ended == 1 ]] || { cat "$work/errors" >&2; die "the guest did not reach the end"; }
