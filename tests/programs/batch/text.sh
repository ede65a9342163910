#!/bin/bash
# SPDX-License-Identifier: MIT
# find, xargs, grep, sed, gawk, diff, patch, bc, m4, file. Expected: the same as on Linux.

mkdir -p tree/{a,b,c}/{x,y}
for d in tree/*/*; do
	echo "in $d" >"$d/file.txt"
	printf '%0*d' $((${#d} * 100)) 0 >"$d/zeros"
done
ln -s ../a tree/b/link
touch -d '2020-01-01' tree/a/x/file.txt
chmod 600 tree/c/y/zeros

echo '== find'
find tree | sort
find tree -type f -name '*.txt' -newermt 2020-06-01 | sort
find tree -type l -printf '%p %l %y\n'
find tree -perm 600 -o -size +2 | sort
find tree -maxdepth 1 -mindepth 1 -printf '%f %d %m %y %n\n' | sort
find -L tree -samefile tree/a/x/zeros | sort
find tree -name zeros -exec wc -c {} + | sort
find tree -name zeros -exec sh -c 'echo "$1"' sh {} \; | sort
find tree -path '*/a/*' -prune -o -type f -print | sort
find tree -regex '.*/[ab]/.*txt' | sort
find tree -empty; find tree -type d -links 4 | sort
find nothing; echo "status $?"
find tree -name file.txt -execdir cat {} \; | sort
find tree -name zeros -delete -print | wc -l

echo '== xargs'
find tree -type f -print0 | sort -z | xargs -0 -n 2 echo
seq 10 | xargs -P 4 -n 1 sh -c 'exit 0'; echo "status $?"
seq 3 | xargs -I{} echo 'item {}'
echo 1 | xargs sh -c 'exit 255'; echo "status $?"
echo 1 | xargs sh -c 'exit 3'; echo "status $?"
echo 1 | xargs nonexistent; echo "status $?"
seq 100000 | xargs echo | wc -c
xargs --show-limits </dev/null 2>&1 | grep -c limit

echo '== grep'
grep -rn in tree | sort
grep -c o /etc/passwd
grep -E '^(root|daemon):' /etc/passwd
grep -P '(?<=:)/root(?=:)' -o /etc/passwd
grep -v x <<<$'x\ny'
grep -q nothing /etc/passwd; echo "status $?"
grep x nothing; echo "status $?"
printf 'a\0b' | grep -c a
seq 1000 | grep -A1 -B1 '^500$'
seq 300000 | grep -c '7$'
grep -rl link tree; echo "status $?"
grep -i --color=always ROOT /etc/passwd
zgrep x <(echo xyz | gzip)

echo '== sed'
seq 5 | sed -n '2,4{s/./<&>/;p}'
sed -E 's/([a-z]+) ([a-z]+)/\2 \1/' <<<'hello world'
seq 6 | sed 'N;N;s/\n/+/g'
seq 3 | sed '1!G;h;$!d'
printf 'x\n' >in-place; ln in-place in-place-2
sed -i.bak 's/x/y/' in-place; cat in-place in-place.bak in-place-2
seq 10 | sed '/3/,/5/w out' >/dev/null; cat out
seq 3 | sed '2e echo executed'
seq 3 | sed '2q7'; echo "status $?"
sed y/abc/xyz/ <<<aabbcc

echo '== gawk'
gawk -F: '$3 < 3 { print $1, $3 | "sort -r" } END { close("sort -r"); print NR > 0 }' /etc/passwd
seq 100 | gawk '{ s += $1; q += $1 ^ 2 } END { print s, q, s / NR }'
gawk 'BEGIN { while (("echo a; echo b" | getline line) > 0) print "got " line }'
gawk 'BEGIN { printf "%c|%5.2f|%-5s|%x\n", 65, 3.14159, "ab", 255
	print substr("hello", 2, 3), index("hello", "l"), toupper("x") }'
gawk 'BEGIN { "date -u -d @0 +%Y" | getline y; print y; print strftime("%F", 86400, 1) }'
gawk 'BEGIN { n = split("c a b", x); asort(x); for (i = 1; i <= n; i++) print x[i] }'
gawk 'BEGIN { cmd = "cat"; print "coprocess" |& cmd; close(cmd, "to")
	cmd |& getline r; print r; print system("exit 3") }'
gawk 'BEGIN { print length(ENVIRON["HOME"]), PROCINFO["version"]
	print "to stderr" > "/dev/stderr" }' 2>&1
gawk 'BEGIN { for (i = 0; i < 200000; i++) a[i % 1000] += i; print a[7] }'

echo '== diff_and_patch'
seq 10 >old; sed 's/5/five/; 8d' old >new
diff -u --label old --label new old new >change; cat change
patch <change; cmp old new && echo patched
patch -R <change
diff -y -W 20 old new; diff -rq tree tree && echo same
diff3 old old new | head -3; sdiff -s -w 20 old new; cmp old new
diff old nothing; echo "status $?"

echo '== calculators'
echo 'scale=30; 4*a(1); 2^200' | bc -l
bc <<<'define f(x) { if (x<2) return 1; return x*f(x-1); } f(30)'
m4 <<'END'
define(`sq', `eval($1*$1)')sq(12) len(`abc') esyscmd(`echo sub')
END

echo '== file'
file /bin/true | cut -d, -f1-3
file -b tree tree/b/link /etc/passwd /dev/null
gzip -c old >old.gz; file -b --mime-type old.gz
