# SPDX-License-Identifier: MIT
# What ../debian-load.py has bash do on a disk, under Hati and Linux: `load.sh STEP ARGUMENT...`.
# Each step leaves the same bytes wherever and whenever it is run: dates are given, one thread
# packs, nothing depends on the order of a directory.
set -eu

export HOME=/root LC_ALL=C SOURCE_DATE_EPOCH=1600000000 ZERO_AR_DATE=1
export GIT_AUTHOR_NAME=me GIT_AUTHOR_EMAIL=me@hati GIT_AUTHOR_DATE='1600000000 +0000'
export GIT_COMMITTER_NAME=me GIT_COMMITTER_EMAIL=me@hati GIT_COMMITTER_DATE='1600000000 +0000'
cd /root

# Lua and zlib from their Debian source packages, by make and gcc, with their own tests.
build() {
	mkdir -p build
	tar -xzf /srv/lua.tar.gz -C build
	tar -xjf /srv/zlib.tar.bz2 -C build
	(cd build/lua-*/src && make -s -j"$1" posix >/dev/null &&
		./lua -e 'local t = {} for i = 1, 1000 do t[i] = i * i end print(#t, t[1000])')
	# shared objects are for the test and are linked at one place
	(cd build/zlib-* && ./configure >/dev/null && make -s -j"$1" >/dev/null &&
		make -s test |
		sed 's/[ \t]*\*\*\*//' | grep 'OK')
	rm -rf build/zlib-*/configure.log
}

# A repository of N commits, some of which git makes one by one; cloned, checked, packed.
repository() {
	git config --global pack.threads 1
	git config --global init.defaultBranch main
	git config --global core.fsync all
	git init -q repository
	cd repository
	for ((i = 0; i < $1; i++)); do
		mark=$((i + 1))
		echo "blob"; echo "mark :$((mark * 2))"; text="line $i of $((i * i))"
		echo "data ${#text}"; echo "$text"
		echo "commit refs/heads/main"; echo "mark :$((mark * 2 + 1))"
		echo "committer me <me@hati> $((1600000000 + i)) +0000"
		echo "data 6"; echo "change"
		[ "$i" -eq 0 ] || echo "from :$((mark * 2 - 1))"
		echo "M 100644 :$((mark * 2)) folder$((i % 13))/file$((i % 101))"
	done | git fast-import --quiet
	git reset -q --hard
	git_commits 0 $(($1 / 20))
	cd ..
	git clone -q --no-hardlinks repository copy
	git -C copy fsck --full --strict
	git -C copy log --oneline | wc -l
	git -C copy gc -q
	git -C copy rev-parse HEAD
}

git_commits() {
	for ((j = 0; j < $2; j++)); do
		echo "$1 $j" >"of-$1-$((j % 5))"
		git add .
		git commit -q -m "change $j of $1"
	done
}

# dpkg by itself, then apt from a repository on the disk.
packages() {
	dpkg -i /srv/hello.deb >/dev/null
	hello
	dpkg --verify hello
	dpkg -P hello >/dev/null
	mkdir -p local
	cp /srv/hello.deb local
	{
		dpkg-deb -f local/hello.deb
		echo "Filename: ./hello.deb"
		echo "Size: $(stat -c %s local/hello.deb)"
		echo "SHA256: $(sha256sum local/hello.deb | cut -d' ' -f1)"
	} >local/Packages
	echo 'deb [trusted=yes] file:/root/local ./' >/etc/apt/sources.list
	apt-get -q update >/dev/null
	apt-get -qy install hello >/dev/null 2>&1
	hello
	dpkg-query -W -f '${Status}\n' hello
	dpkg --audit
}

# N transactions, each made durable.
transactions() {
	sqlite3 base 'create table if not exists t(a integer primary key, b text)'
	for ((i = 0; i < $1; i++)); do
		echo "begin; insert into t(b) values('$i of $1'); update t set b = b || 'x'"
		echo "where a = (select max(a) from t) / 2; commit;"
	done | sqlite3 base
	sqlite3 base 'select count(*), max(a) from t; pragma integrity_check'
}

# What goes on in each round: files come, grow, shrink, move and go.
round() {
	perl /srv/churn.pl "$1" "$2" tree
	(cd repository && git_commits "$1" 5 && git gc -q)
	git -C copy pull -q --ff-only
	git -C copy rev-parse HEAD
	transactions "$3"
	mkdir copies
	tar -C / -cf - root/tree usr/share/perl5 | tar -C copies -xf -
	diff -r --no-dereference tree copies/root/tree
	rm -rf copies
}

"$@"
