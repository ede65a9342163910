#!/bin/bash
# SPDX-License-Identifier: MIT
# tar, gzip, bzip2, xz, zstd. Expected: the same as on Linux.

mkdir -p src/deep/er
seq 200000 >src/numbers
head -c 100000 /dev/zero >src/zeros
echo hello >src/deep/er/hello
ln -s hello src/deep/er/soft
ln src/numbers src/hard
mkfifo src/fifo
mknod src/null c 1 3
truncate -s 10M src/sparse
chmod 6711 src/deep/er/hello
chown 1000:100 src/zeros
long=src/$(printf 'n%.0s' {1..200}); echo long >"$long"
find src -exec touch -h -d '2022-03-04 05:06:07' {} +

echo '== tar'
tar -cSf all.tar --sort=name src
tar -tvf all.tar | sort -k6 | sed 's/  */ /g' | cut -c1-120
mkdir out; tar -xpSf all.tar -C out
diff -r --no-dereference --exclude=fifo --exclude=null src out/src && echo same
stat -c '%F %a %u %g %h %Y' out/src/{deep/er/hello,zeros,hard,fifo,null}
du -k out/src/sparse
tar -df all.tar && echo no difference
tar --delete -f all.tar src/zeros; tar -tf all.tar | grep -c zeros
echo more >src/more; tar -rf all.tar src/more; tar -tf all.tar | tail -1
tar -xOf all.tar src/more
tar -cf - --exclude='*sparse' --transform 's/^src/renamed/' --sort=name src |
	tar -tf - | sed 's/n*$/n/'
tar -xf nothing.tar; echo "status $?"
tar -cf acl.tar --xattrs src/more && tar -tf acl.tar
tar --format=pax -cf pax.tar "$long"; tar -tf pax.tar | wc -c
tar -c src/numbers | tar -x -C out --overwrite && cmp src/numbers out/src/numbers && echo piped
tar -cM -L 500 -f v1.tar -f v2.tar -f v3.tar -f v4.tar src/numbers && wc -c v?.tar

for tool in gzip bzip2 xz zstd; do
	echo "== $tool"
	$tool -k -q -f src/numbers; ls src/numbers.*
	$tool -dc src/numbers.?* | cmp - src/numbers && echo same
	$tool -t src/numbers.?* && echo tested
	$tool -c <src/zeros | wc -c
	$tool -1 -c src/zeros | $tool -dc | md5sum
	head -c 1000 src/numbers.?* >broken
	$tool -dc <broken >/dev/null 2>&1; echo "status $(($? != 0))"
	rm src/numbers.?*
	tar -cf t.tar.x --use-compress-program=$tool --exclude='*sparse' src
	tar -tf t.tar.x | wc -l
done
echo '== threads'
xz -T4 --block-size=300KiB -c src/numbers | xz -T4 -dc | cmp - src/numbers && echo same
zstd -q -T2 -c src/numbers | zstd -q -dc | cmp - src/numbers && echo same
xz -9e -c src/zeros >zeros.xz; xz --robot --list zeros.xz
zcat <(gzip -c src/more); xzcat <(xz -c src/more)
bzcat <(bzip2 -c src/more); zstdcat <(zstd -qc src/more)
