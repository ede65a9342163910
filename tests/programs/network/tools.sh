#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 240
# netcat and socat over loopback, and bash's own /dev/tcp. Expected: the same as on Linux.

await() # tcp|udp PORT: somebody is bound there, for TCP listening
{
	local entry
	entry=$(printf ':%04X [0:]* %s ' "$2" "$([ "$1" = tcp ] && echo 0A || echo 07)")
	until grep -q "$entry" "/proc/net/$1" "/proc/net/${1}6"; do
		sleep 0.05
	done
}

seq 200000 >numbers

echo '== nc'
nc -l -N 127.0.0.1 7000 <numbers &
await tcp 7000
nc -d 127.0.0.1 7000 | cmp - numbers && echo same
wait $!
nc -l 127.0.0.1 7000 >got &
await tcp 7000
echo from client | nc -N 127.0.0.1 7000
wait $!; cat got
nc -z 127.0.0.1 7000; echo "status $?"
nc -zv 127.0.0.1 7000 2>&1
nc -l -s ::1 -p 7001 >got & await tcp 7001
nc -N ::1 7001 <numbers; wait $!; cmp got numbers && echo same
nc -lk 127.0.0.1 7002 >got & server=$!
await tcp 7002
nc -zv 127.0.0.1 7002 2>&1
for i in 1 2 3; do echo "client $i" | nc -N 127.0.0.1 7002; done
until [ "$(wc -l <got)" = 3 ]; do sleep 0.05; done
kill $server; cat got

echo '== nc_udp'
nc -u -l 127.0.0.1 7003 >got & server=$!
await udp 7003
printf 'datagram\n' | nc -u -w 1 127.0.0.1 7003
until [ -s got ]; do sleep 0.05; done
kill $server; cat got
printf x | nc -u -w 1 127.0.0.1 7009; echo "status $?"

echo '== nc_unix'
nc -lU socket >got & until [ -S socket ]; do sleep 0.05; done
echo over unix | nc -NU socket; wait $!; cat got

echo '== socat_tcp'
socat TCP4-LISTEN:7010,bind=127.0.0.1,reuseaddr,fork EXEC:cat & server=$!
await tcp 7010
for i in 1 2 3; do echo "line $i" | socat -t 5 - TCP4:127.0.0.1:7010; done
socat -t 20 - TCP4:127.0.0.1:7010 <numbers | cmp - numbers && echo same
kill $server
socat TCP6-LISTEN:7011,reuseaddr,fork SYSTEM:'echo $SOCAT_PEERADDR $SOCAT_SOCKADDR' & server=$!
await tcp 7011
socat - TCP6:[::1]:7011; socat - TCP4:127.0.0.1:7011; kill $server
socat -u - TCP4:127.0.0.1:7019 </dev/null 2>&1 | sed 's/.*E //'

echo '== socat_udp'
socat -u UDP4-RECVFROM:7012,bind=127.0.0.1 CREATE:got & server=$!
await udp 7012
echo one datagram | socat -u - UDP4-SENDTO:127.0.0.1:7012; wait $server; cat got
socat UDP6-LISTEN:7013,fork EXEC:'sed -u s/shout/SHOUT/' & server=$!
await udp 7013
echo shout | socat -t 5 - UDP6:[::1]:7013,shut-null | head -1; kill $server
socat -u UDP4-RECV:7014,ip-pktinfo SYSTEM:'cat >got' & server=$!
await udp 7014
echo info | socat -u - UDP4-SENDTO:127.0.0.1:7014
until [ -s got ]; do sleep 0.05; done; kill $server; cat got

echo '== relays'
socat UNIX-LISTEN:relay,fork TCP4:127.0.0.1:7016 & relay=$!
socat TCP4-LISTEN:7016,reuseaddr,fork EXEC:'sort -n' & server=$!
await tcp 7016; until [ -S relay ]; do sleep 0.05; done
printf '3\n1\n2\n' | socat -t 10 - UNIX-CONNECT:relay
socat -t 10 - TCP4:127.0.0.1:7016,nodelay,keepalive,keepidle=3,keepintvl=2,rcvbuf=65536 <<<5
kill $relay $server

echo '== bash'
nc -l -N 127.0.0.1 7020 <<<'hello bash' >got & await tcp 7020
exec 3<>/dev/tcp/127.0.0.1/7020
echo hello nc >&3; read -r line <&3; echo "$line"
exec 3>&- 3<&-; wait $!; cat got
(exec 3<>/dev/tcp/localhost/7029) 2>&1 | sed 's/.*line [0-9]*: //'
