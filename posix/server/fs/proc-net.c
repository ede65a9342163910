/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/net: what there is of the network, which are sockets, and the interface `lo`. No packet
 * is ever made, so it has counted none.
 */
#include <base/format.h>
#include <posix/server/fs/procfs.h>
#include <posix/server/socket/inet.h>
#include <posix/server/socket/unix.h>

constexpr uint32_t PROC_FILE = LINUX_S_IFREG | 0444;

static int64_t proc_print_unix(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)unix_print_all(buffer, size);
}

static int64_t proc_print_tcp(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)inet_print_all(LINUX_AF_INET, LINUX_IPPROTO_TCP, buffer, size);
}

static int64_t proc_print_tcp6(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)inet_print_all(LINUX_AF_INET6, LINUX_IPPROTO_TCP, buffer, size);
}

static int64_t proc_print_udp(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)inet_print_all(LINUX_AF_INET, LINUX_IPPROTO_UDP, buffer, size);
}

static int64_t proc_print_udp6(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)inet_print_all(LINUX_AF_INET6, LINUX_IPPROTO_UDP, buffer, size);
}

static int64_t proc_print_udplite(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)inet_print_all(LINUX_AF_INET, LINUX_IPPROTO_UDPLITE, buffer, size);
}

static int64_t proc_print_udplite6(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)inet_print_all(LINUX_AF_INET6, LINUX_IPPROTO_UDPLITE, buffer, size);
}

static int64_t proc_print_sockstat(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	struct inet_counts counts = inet_count();

	return (int64_t)format_to(buffer, size,
		"sockets: used %u\nTCP: inuse %u orphan 0 tw 0 alloc %u mem 0\n"
		"UDP: inuse %u mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
		unix_count() + counts.n_streams + counts.n_dgrams, counts.n_streams,
		counts.n_streams, counts.n_dgrams);
}

const struct proc_entry proc_net_entries[] = {
	{ .name = "arp",
		.mode = PROC_FILE,
		.text = "IP address       HW type     Flags       HW address            "
			"Mask     Device\n" },
	{ .name = "dev",
		.mode = PROC_FILE,
		.text = "Inter-|   Receive                                                |  "
			"Transmit\n"
			" face |bytes    packets errs drop fifo frame compressed multicast|"
			"bytes    packets errs drop fifo colls carrier compressed\n"
			"    lo:       0       0    0    0    0     0          0         0 "
			"       0       0    0    0    0     0       0          0\n" },
	{ .name = "if_inet6",
		.mode = PROC_FILE,
		.text = "00000000000000000000000000000001 01 80 10 80       lo\n" },
	{ .name = "raw",
		.mode = PROC_FILE,
		.text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
			"retrnsmt   uid  timeout inode ref pointer drops\n" },
	{ .name = "route",
		.mode = PROC_FILE,
		.text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\t"
			"Window\tIRTT"
			"                                                       \n" },
	{ .name = "sockstat", .mode = PROC_FILE, .print = proc_print_sockstat },
	{ .name = "tcp", .mode = PROC_FILE, .print = proc_print_tcp },
	{ .name = "tcp6", .mode = PROC_FILE, .print = proc_print_tcp6 },
	{ .name = "udp", .mode = PROC_FILE, .print = proc_print_udp },
	{ .name = "udp6", .mode = PROC_FILE, .print = proc_print_udp6 },
	{ .name = "udplite", .mode = PROC_FILE, .print = proc_print_udplite },
	{ .name = "udplite6", .mode = PROC_FILE, .print = proc_print_udplite6 },
	{ .name = "unix", .mode = PROC_FILE, .print = proc_print_unix },
	{},
};
