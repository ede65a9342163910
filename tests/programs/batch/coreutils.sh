#!/bin/bash
# SPDX-License-Identifier: MIT
# GNU coreutils. Expected: the same as on Linux.

echo '== files'
mkdir -p a/b/c
echo hello >a/one
cp a/one a/two
cp -r a copy
mv a/two a/b/
ln a/one a/hard
ln -s one a/soft
ln -sr a/b/two a/relative
readlink a/soft a/relative
readlink -f a/soft | sed "s|$PWD|.|"
realpath --relative-to=. a/b/../soft
stat -c '%n %F %a %h %s %U %G' a/* a/b/two
ls -lAR --time-style=+ a | sed 's/  */ /g'
ls -1 --color=always a
ls -lF copy | tail -n +2 | cut -d' ' -f1,2,3,4
rm a/hard
stat -c %h a/one
rm -r copy
rm nothing
echo "status $?"
rmdir a
echo "status $?"
cp -a a saved
diff -r a saved && echo same
install -D -m 750 a/one deep/er/installed
stat -c %a deep/er/installed
mktemp -p . -u XXXX | wc -c
truncate -s 1M sparse
du -k sparse
du -b sparse
dd if=/dev/zero of=sparse bs=4k count=1 seek=16 conv=notrunc status=none
du -k sparse
cp --sparse=always sparse sparse2
cmp sparse sparse2 && du -k sparse2
shred -n1 -z -u sparse2
ls sparse2
link a/one second
unlink second
mkfifo fifo
(echo through a fifo >fifo) &
cat fifo
mknod null c 1 3
stat -c '%F %t %T' null
echo gone >null
wc -c <null
sync
df . >/dev/null && echo df

echo '== modes'
touch m
chmod 4755 m; stat -c %A m
chmod u-s,g+w,o= m; stat -c %A m
chmod -R a+X a
chmod --reference=a/one m; stat -c %A m
chown 1000:1000 m; stat -c '%u %g' m
chown root m
chgrp games m; stat -c '%U %G' m
chown -h nobody a/soft; stat -c %U a/soft
mkdir -m 1777 sticky
stat -c %A sticky
touch -d '2001-02-03 04:05:06.789' m
stat -c %y m
touch -r m n
date -r n +%s.%N
[ m -nt a/one ] || echo older
[ m -ef m ] && echo 'the same'
test -u m || test ! -k m && echo plain

echo '== text'
seq 1 20 >n20
head -3 n20; tail -2 n20; tail -n +19 n20; head -c 5 n20; echo
tac n20 | head -2
nl -ba n20 | tail -1
rev <<<desserts
sort -rn n20 | head -2
sort -t: -k3n /etc/passwd | head -2 | cut -d: -f1
printf 'b\na\nb\n' | sort | uniq -c
printf 'a b\nb c\n' | tsort
shuf -i 1-100 --random-source=/dev/zero | md5sum
comm <(seq 1 5) <(seq 3 7)
join <(printf '1 a\n2 b\n') <(printf '1 x\n2 y\n')
paste -d, <(seq 3) <(seq 4 6)
cut -c2-3 <<<abcd
tr -d aeiou <<<'remove the vowels'
tr -s ' ' <<<'a   b'
fold -w 10 <<<'a long line of many words'
fmt -w 20 <<<'some words that are to be filled into lines of twenty'
expand -t4 <<<$'\tx' | od -c
unexpand -a <<<'        x' | od -An -tx1
pr -l 20 -h title -D date n20 | head -8
column -t <<<$'a bb ccc\naaa b c'
wc n20 /etc/passwd
csplit -s n20 /5/ /10/ && wc -l xx*
split -l 7 n20 part. && wc -l part.*
split -n 3 --filter='wc -c' n20
od -A d -t x2z n20 | head -3
base64 <<<'some bytes' | tee b64 | base64 -d
base32 <<<x; basenc --base16 <<<y
numfmt --to=iec 1048576 1500
printf '%s|%5.2f|%x\n' text 3.14159 255
echo -e 'a\tb\x41\c'; echo
expr 6 \* 7; expr abc : 'a\(.\)'
factor 1234567890123456789 97
seq -s, 0.5 0.5 2; seq -w 8 11
ptx -G -w 30 <<<'one two'

echo '== sums'
for sum in cksum sum md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum; do
	$sum n20
done
sha256sum n20 >sums && sha256sum -c sums
echo x >>n20; sha256sum -c --quiet sums; echo "status $?"

echo '== processes'
timeout 0.1 sleep 10; echo "status $?"
{ timeout -s KILL 0.1 sleep 10; } 2>/dev/null; echo "status $?"
timeout 10 sh -c 'exit 3'; echo "status $?"
# the signal is the group's: whether a child of the shell is there to be hit must not be told
timeout --preserve-status 0.1 sh -c 'trap "exit 4" TERM; while :; do :; done'
echo "status $?"
nice -n 5 nice
nice -n 5 nice -n 10 nice
nohup sh -c 'echo nohup' 2>/dev/null
env -i X=1 env
env -u HOME sh -c 'echo "home:$HOME"'
env --chdir=/usr pwd
printenv TZ
stdbuf -oL echo line
kill -l 9 TERM
sh -c 'kill -STOP $$; echo continued' & pid=$!
while [ "$(ps -o stat= -p $pid | cut -c1)" != T ]; do sleep 0.01; done
kill -CONT $pid; wait $pid
setsid sh -c 'ps -o sid= -p $$ | tr -d " " | grep -cx $$'
tty; echo "status $?"
id; id nobody; groups; whoami; logname 2>/dev/null; nproc --all | grep -c .
chroot / id -u
chroot --userspec=65534:65534 / id -u
pathchk -p 'a*b'; echo "status $?"
arch; uname -s -m
hostid | wc -c
date -u -d @1000000000 '+%F %T %a %j %V'
TZ=Europe/Berlin date -d '2024-07-01 12:00 UTC' '+%H %Z'
cal_day=$(date -d '2024-02-28 +2 days' +%F); echo "$cal_day"
dircolors -b | head -c 10; echo
basename /a/b.c .c; dirname /a/b.c
yes y | head -2; true; false; echo $?
sleep 0.01 0.01 && echo slept
tee t1 t2 <<<copies; cat t1 t2
who; users; uptime >/dev/null && echo up
stty -a </dev/null; echo "status $?"

echo '== errors'
cat nothing; ls nothing; cp nothing a; mv nothing a; mkdir a; rmdir nothing; ln a b; touch no/thing
cat a; cp a elsewhere; mv a a/b; dd if=nothing; chmod zzz a; cd /root/no
echo x >/root/secret; chmod 600 /root/secret; chmod 755 .
setpriv --reuid 65534 --clear-groups cat /root/secret
setpriv --reuid 65534 --clear-groups rm -f n20; ls n20
setpriv --reuid 65534 --clear-groups touch a/new
setpriv --reuid 65534 --clear-groups --inh-caps=+chown --ambient-caps=+chown chown 7 n20
stat -c %u n20
setpriv --bounding-set=-kill grep -h CapBnd /proc/self/status | cut -c1-8
setpriv --dump | grep -v -i -e securebits -e seccomp -e 'Capability bounding' -e death
rm /root/secret
echo x >/dev/full; echo "status $?"
