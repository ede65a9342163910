#!/bin/bash
# SPDX-License-Identifier: MIT
# What programs say of the network: iproute2, ss, getent, ping. Expected: the same as on Linux.

echo '== ip'
ip -o link show lo | sed 's/\\ */\n/'
ip addr show lo
ip -4 addr; ip -6 addr
ip -o -f inet addr show dev lo
ip -j addr show lo; echo
ip link show nothing; echo "status $?"
ip route; ip -6 route; echo "status $?"
ip route show table local
ip route get 127.0.0.1; echo "status $?"
ip route get 127.3.4.5
ip route get 192.0.2.1; echo "status $?"
ip -6 route get ::1
ip rule
ip neigh; echo "status $?"

echo '== names'
getent hosts localhost
getent ahosts localhost | sort -u
getent ahostsv4 127.0.0.1
getent ahostsv6 ::1
getent services ssh
getent protocols tcp udp
hostname -i 2>/dev/null | wc -w

echo '== ss'
python3 - <<'PYTHON'
import os, socket, subprocess

def bound(family, kind, name):
    one = socket.socket(family, kind)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6 and name[0] == '::1':
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.bind(name)
    return one

def show(*options):
    print('ss', *options, flush=True)
    text = subprocess.run(['ss', *options], stdout=subprocess.PIPE, text=True).stdout
    for line in sorted(text.splitlines()):
        print(' '.join(line.split()).replace(str(os.getpid()), 'PID'), flush=True)

a = bound(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', 6000))
a.listen(5)
b = bound(socket.AF_INET6, socket.SOCK_STREAM, ('::', 6001))
b.listen(128)
c = bound(socket.AF_INET6, socket.SOCK_STREAM, ('::1', 6002))
c.listen(1)
u = bound(socket.AF_INET, socket.SOCK_DGRAM, ('0.0.0.0', 6003))
v = bound(socket.AF_INET6, socket.SOCK_DGRAM, ('::1', 6004))
client = bound(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', 6005))
client.connect(('127.0.0.1', 6000))
waiting = bound(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', 6006))
waiting.connect(('127.0.0.1', 6000))
server, _ = a.accept()
client.send(b'unread')
w = bound(socket.AF_INET, socket.SOCK_DGRAM, ('127.0.0.1', 6007))
w.connect(('127.0.0.1', 6003))
show('-tln')
show('-tn')
show('-tan', 'state', 'established')
show('-uan')
show('-tlnp')
show('-H', '-tn', 'sport', '=', ':6000')
show('-tn', 'dst', '127.0.0.1:6000')
show('-6', '-tln')
# Linux remembers connections of other scripts for a minute
show('-tan', 'exclude', 'time-wait', 'sport', '>=', ':6000')
PYTHON

echo '== proc'
cut -c1-40 /proc/net/tcp | head -1
cat /proc/net/if_inet6 /proc/net/route
sed 's/: .*/:/' /proc/net/dev
cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/net/core/somaxconn
cat /proc/sys/net/ipv6/bindv6only /proc/sys/net/ipv4/ip_unprivileged_port_start
ls /sys/class/net
cd /sys/class/net/lo && cat address broadcast flags ifindex iflink mtu operstate tx_queue_len type
