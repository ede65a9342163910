#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 280
# Servers as they are in Debian: redis, nginx, rsync, git. Expected: the same as on Linux.

await_port()
{
	local entry
	entry=$(printf ':%04X [0:]* 0A ' "$1")
	until grep -q "$entry" /proc/net/tcp /proc/net/tcp6; do
		sleep 0.05
	done
}

echo '== redis'
redis-server --port 6379 --bind 127.0.0.1 ::1 --save '' --daemonize no \
	--dir "$PWD" >redis.log 2>&1 &
server=$!
await_port 6379
redis-cli ping
redis-cli set key value; redis-cli get key; redis-cli -h ::1 incr counter
redis-cli lpush list a b c; redis-cli lrange list 0 -1
redis-cli eval 'return {KEYS[1], ARGV[1], 3}' 1 k v
seq 5000 | sed 's/.*/set key& value&/' | redis-cli --pipe 2>&1 | tail -1
redis-cli dbsize
redis-cli subscribe channel >heard & listener=$!
until [ "$(redis-cli publish channel message)" = 1 ]; do sleep 0.05; done
until grep -q '^message$' heard; do sleep 0.05; done
kill $listener; sed -n 1,5p heard
redis-benchmark -q -n 2000 -c 20 -P 4 -t set,get,lpush 2>&1 |
	tr '\r' '\n' | grep -c 'requests per second, '
redis-cli save; redis-cli shutdown nosave; wait $server; echo "status $?"

echo '== nginx'
mkdir -p www logs
seq 100000 >www/numbers; echo 'index page' >www/index.html; head -c 2000000 /dev/zero >www/zero
chmod -R a+rX . && chmod a+x /tmp /tmp/programs
cat >nginx.conf <<CONF
worker_processes 2;
pid $PWD/nginx.pid;
error_log $PWD/logs/error;
events { worker_connections 200; }
http {
	access_log off;
	sendfile on; tcp_nopush on; keepalive_timeout 10;
	client_body_temp_path $PWD/body; proxy_temp_path $PWD/proxy;
	fastcgi_temp_path $PWD/fastcgi; uwsgi_temp_path $PWD/uwsgi; scgi_temp_path $PWD/scgi;
	upstream files { server 127.0.0.1:8080; keepalive 4; }
	server {
		listen 127.0.0.1:8080 reuseport backlog=200; listen [::1]:8080;
		root $PWD/www;
		location /gone { return 410 gone; }
	}
	server { listen 127.0.0.1:8081; location / { proxy_pass http://files; } }
}
CONF
nginx -q -t -c "$PWD/nginx.conf" -e "$PWD/logs/start"; echo "status $?"
nginx -c "$PWD/nginx.conf" -e "$PWD/logs/start"; echo "status $?"
await_port 8080
curl -sS http://127.0.0.1:8080/
curl -sS http://[::1]:8080/numbers | cmp - www/numbers && echo same
curl -sS -r 10-19 http://127.0.0.1:8080/numbers | od -c | head -1
curl -sS -r 0-9,100-109 -w '%{http_code}\n' -o /dev/null http://127.0.0.1:8080/numbers
curl -sS -C 500000 http://127.0.0.1:8080/numbers | sha256sum
curl -sS -w '%{http_code}\n' http://127.0.0.1:8080/gone
curl -sSI http://127.0.0.1:8080/numbers | tr -d '\r' | grep -i 'HTTP\|server\|length\|ranges'
curl -sS http://127.0.0.1:8081/zero | sha256sum
curl -sS http://127.0.0.1:8081/numbers | cmp - www/numbers && echo same
ab -q -n 1000 -c 20 http://127.0.0.1:8080/index.html 2>&1 |
	grep -E '^(Complete|Failed|Document L|HTML)'
ab -q -k -n 2000 -c 20 http://127.0.0.1:8080/numbers 2>&1 |
	grep -E '^(Complete|Failed|Keep|HTML)'
nginx -c "$PWD/nginx.conf" -e "$PWD/logs/start" -s reload; echo "status $?"
curl -sS http://127.0.0.1:8080/
master=$(cat nginx.pid)
nginx -c "$PWD/nginx.conf" -e "$PWD/logs/start" -s quit
while [ -e "/proc/$master" ]; do sleep 0.05; done
curl -s http://127.0.0.1:8080/; echo "status $?"
grep -v 'start worker\|notice' logs/error

echo '== rsync'
cat >rsyncd.conf <<CONF
use chroot = no
pid file = $PWD/rsyncd.pid
[files]
path = $PWD/www
read only = no
uid = root
gid = root
CONF
rsync --daemon --no-detach --config=rsyncd.conf --port=8730 --address=127.0.0.1 \
	--log-file=rsync.log & server=$!
await_port 8730
rsync rsync://127.0.0.1:8730/
rsync -a rsync://127.0.0.1:8730/files/ copy/ && diff -r www copy && echo same
echo more >>copy/numbers; echo new >copy/new
rsync -ai --no-times copy/ rsync://127.0.0.1:8730/files/ | sort
diff -r www copy && echo same
rsync -a --delete rsync://127.0.0.1:8730/nothing/ x 2>&1 | sed 's/(.*//'
echo "status ${PIPESTATUS[0]}"
kill $server; wait $server 2>/dev/null

echo '== git'
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=C
export GIT_COMMITTER_EMAIL=c@example.org GIT_AUTHOR_DATE='2024-01-02T03:04:05+0000'
export GIT_COMMITTER_DATE='2024-01-02T03:04:05+0000' HOME=$PWD
git config --global init.defaultBranch main
mkdir repos; git init -q repos/one
(cd repos/one && seq 10000 >numbers && git add . && git commit -qm first &&
	for i in $(seq 20); do echo "$i" >"file$i"; git add . && git commit -qm "$i"; done)
touch repos/one/.git/git-daemon-export-ok
git clone -q --bare repos/one repos/bare.git
touch repos/bare.git/git-daemon-export-ok
git daemon --reuseaddr --listen=127.0.0.1 --port=9418 --base-path="$PWD/repos" \
	--enable=receive-pack "$PWD/repos" 2>git.log & server=$!
await_port 9418
git ls-remote git://127.0.0.1/one | cut -f2
git clone -q git://127.0.0.1/one clone && git -C clone log --oneline | wc -l
git -C clone rev-parse HEAD
git clone -q --depth 3 git://127.0.0.1/one shallow && git -C shallow log --oneline | wc -l
git clone -q git://127.0.0.1/bare.git work && cd work || exit 1
echo x >x && git add x && git commit -qm x && git push -q origin main; echo "status $?"
cd ..
git -C repos/bare.git log -1 --format=%s
git clone -q git://127.0.0.1/nothing 2>&1 | grep -c 'not found\|denied'
kill $server; wait $server 2>/dev/null
echo done
