/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/net: what there is of the network, which is AF_UNIX. The other files are there, as on a
 * Linux without an interface and without IPv6, because programs read them to count what they list.
 */
#include <base/format.h>
#include <posix/server/fs/procfs.h>
#include <posix/server/socket/unix.h>

constexpr uint32_t PROC_FILE = LINUX_S_IFREG | 0444;

static int64_t proc_print_unix(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)unix_print_all(buffer, size);
}

static int64_t proc_print_sockstat(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)format_to(buffer, size,
		"sockets: used %u\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\n"
		"UDP: inuse 0 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
		unix_count());
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
			"bytes    packets errs drop fifo colls carrier compressed\n" },
	{ .name = "raw",
		.mode = PROC_FILE,
		.text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
			"retrnsmt   uid  timeout inode ref pointer drops\n" },
	{ .name = "route",
		.mode = PROC_FILE,
		.text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\t"
			"Window\tIRTT\n" },
	{ .name = "sockstat", .mode = PROC_FILE, .print = proc_print_sockstat },
	{ .name = "tcp",
		.mode = PROC_FILE,
		.text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
			"retrnsmt   uid  timeout inode\n" },
	{ .name = "udp",
		.mode = PROC_FILE,
		.text = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
			"retrnsmt   uid  timeout inode ref pointer drops\n" },
	{ .name = "unix", .mode = PROC_FILE, .print = proc_print_unix },
	{},
};
