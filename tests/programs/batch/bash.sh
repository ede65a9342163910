#!/bin/bash
# SPDX-License-Identifier: MIT
# The shell: what scripts ask of fork, exec, pipes, descriptors, signals and process groups.
# Expected: the same as on Linux.

echo '== arrays'
declare -A map=([red]=1 [green]=2 [blue]=3)
list=(a 'b c' d{1..3})
for key in $(printf '%s\n' "${!map[@]}" | sort); do echo "$key=${map[$key]}"; done
echo "${#list[@]} ${list[1]} ${list[@]: -2}"
mapfile -t lines < <(seq 5)
echo "${lines[@]/3/three}"

echo '== here_documents'
cat <<END
$((6 * 7)) ${list[0]}
END
cat <<'END'
$((6 * 7))
END
tr a-z A-Z <<<'a here string'
head -c 300000 /dev/zero | tr '\0' x >large
wc -c <<<"$(<large)"

echo '== process_substitution'
diff <(seq 3) <(seq 4)
echo "status $?"
>sorted
seq 3 | tee >(sort -r >sorted) >/dev/null
while [ "$(wc -l <sorted)" != 3 ]; do sleep 0.01; done
cat sorted

echo '== pipelines'
seq 100000 | grep 7 | sed 's/7/x/g' | sort -r | head -3
echo "${PIPESTATUS[@]}"
set -o pipefail
false | true
echo "pipefail $?"
set +o pipefail
yes | head -1
echo "${PIPESTATUS[@]}"
seq 3 | while read -r n; do total=$((total + n)); echo "$total"; done

echo '== subshells'
x=1
(x=2; echo "inner $x $BASH_SUBSHELL")
echo "outer $x"
echo "$(echo "$(echo "$(echo deep)")")"
value=$(exit 7)
echo "status $?"

echo '== functions'
fib() { if (($1 < 2)); then echo "$1"; else echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2))))); fi; }
fib 9

echo '== traps'
trap 'echo usr1' USR1
kill -USR1 $$
(trap 'echo exit of a subshell' EXIT; exit 3)
echo "status $?"
trap 'echo error in line' ERR
false
trap - ERR
trap 'echo child' CHLD
/bin/true
trap - CHLD
(trap '' TERM; kill -TERM $BASHPID; echo survived)
(trap - TERM; kill -TERM $BASHPID; echo never)
echo "status $?"
bash -c 'trap "echo int; exit 5" INT; kill -INT $$; sleep 10'
echo "status $?"
bash -c 'trap "echo interrupted the wait" USR2
	(until grep -q "^State:.S" /proc/$$/status; do sleep 0.02; done; sleep 0.1; kill -USR2 $$) &
	wait; echo "wait $?"; wait; echo "wait $?"'

echo '== statuses'
for status in 0 1 2 127 128 255 256; do (exit $status); echo -n "$? "; done; echo
for signal in HUP INT QUIT ABRT KILL USR1 PIPE ALRM TERM; do
	{ bash -c "ulimit -c 0; kill -$signal \$\$"; } 2>/dev/null
	echo -n "$? "
done; echo
/nonexistent/program; echo "status $?"
nonexistent_program; echo "status $?"
/etc/passwd; echo "status $?"
/tmp; echo "status $?"

echo '== background'
sleep 0.05 & first=$!
(exit 9) & second=$!
wait $second; echo "second $?"
wait $first; echo "first $?"
wait 999999; echo "nobody $?"
for n in 1 2 3 4 5 6 7 8; do (exit $n) & done
total=0
while true; do wait -n; status=$?; [ $status = 127 ] && break; total=$((total + status)); done
echo "total $total"

echo '== job_control'
set -m
sleep 100 &
job=$!
[ "$(ps -o pgid= -p $job | tr -d ' ')" = $job ] && echo 'a group of its own'
kill -STOP %1
while [ "$(ps -o stat= -p $job | cut -c1)" != T ]; do sleep 0.01; done
jobs | sed 's/  */ /g'
bg %1
{ kill %1; wait $job; } 2>/dev/null
echo "status $?"
sleep 100 | sleep 100 &
{ kill -TERM -- -"$(jobs -p | tail -1)"; wait $!; } 2>/dev/null
echo "status $?"
set +m

echo '== coproc'
coproc DOUBLER { while read -r n; do echo $((n * 2)); done; }
for n in 1 20 300; do
	echo $n >&"${DOUBLER[1]}"
	read -r reply <&"${DOUBLER[0]}"
	echo "$reply"
done
exec {DOUBLER[1]}>&-
wait $DOUBLER_PID
echo "status $?"

echo '== descriptors'
exec 7>file 8<&0
echo to seven >&7
exec 7>&-
cat file
echo closed >&7
echo "status $?"
exec {fd}<file
read -r line <&$fd
echo "$line"
exec {fd}<&-
exec 9<>file
read -r -n 3 -u 9 part
echo -n XX >&9
exec 9>&-
cat file
{ echo out; echo err >&2; } 2>&1 >/dev/null
set -C
echo again >file
echo "status $?"
set +C
echo more >>file
ls /proc/self/fd | sort -n | head -3

echo '== read'
printf 'a:b:c\n' | { IFS=: read -r x y z; echo "$z$y$x"; }
read -r -t 0.05 line < <(sleep 1)
echo "status $(($? > 128))"
printf 'one\0two\0' | while read -r -d '' word; do echo "$word"; done

echo '== expansions'
touch f1.c f2.c f3.h .hidden
shopt -s extglob nullglob globstar
echo *.c !(*.c) nothing*
mkdir -p d/e/f
touch d/e/f/deep
echo **/deep
path=/usr/lib/file.tar.gz
echo "${path##*/} ${path%.*} ${path%%.*} ${path/lib/bin} ${path^^} ${#path}"
echo {a..e} {01..10..3} $((0x1f + 2#101 + 36#z))
printf '%05d %x %e %q %(%Y)T\n' 42 255 1.5 'a b' 0

echo '== limits_and_times'
ulimit -n 100
ulimit -n
{ (ulimit -f 1; head -c 5000 /dev/zero >too_large); echo "status $?"; } 2>/dev/null
umask 027
touch masked
stat -c %a masked
umask 022
[ "$SECONDS" -lt 60 ] && echo soon
TIMEFORMAT=%U
case $({ time :; } 2>&1) in 0.0*) echo 'next to no time' ;; esac

echo '== environment'
export LONG=$(head -c 100000 /dev/zero | tr '\0' y)
env | grep -c '^LONG=y*$'
env -i A=1 /bin/sh -c 'echo $A $HOME.'
exec 2>&1
bash -c 'echo "$0 $# $*"' name one 'two three'
exec -a other bash -c 'echo "last: $0"'
