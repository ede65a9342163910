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

echo '== proc'
cut -c1-40 /proc/net/tcp | head -1
cat /proc/net/if_inet6 /proc/net/route
sed 's/: .*/:/' /proc/net/dev
cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/net/core/somaxconn
cat /proc/sys/net/ipv6/bindv6only /proc/sys/net/ipv4/ip_unprivileged_port_start
ls /sys/class/net
cd /sys/class/net/lo && cat address broadcast flags ifindex iflink mtu operstate tx_queue_len type
