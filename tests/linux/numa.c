/* SPDX-License-Identifier: MIT */
/* Memory policies and moving pages, on a machine with one node. */
#include "check.h"

#include <fcntl.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE 4096L

#ifndef MPOL_PREFERRED_MANY
#define MPOL_PREFERRED_MANY 5
#endif
#ifndef SYS_set_mempolicy_home_node
#define SYS_set_mempolicy_home_node 450
#endif

#define NODE_0 1ul
#define NODE_1 2ul

static long set_policy(int mode, const unsigned long *nodes, unsigned long n_max)
{
	return syscall(SYS_set_mempolicy, mode, nodes, n_max);
}

static long set_nodes(int mode, unsigned long nodes)
{
	return set_policy(mode, &nodes, 32);
}

static long get_policy(
	int *mode, unsigned long *nodes, unsigned long n_max, const void *at, int flags)
{
	return syscall(SYS_get_mempolicy, mode, nodes, n_max, at, flags);
}

static long bind_nodes(void *at, unsigned long size, int mode, unsigned long nodes, int flags)
{
	return syscall(SYS_mbind, at, size, mode, &nodes, 32, flags);
}

/* What is told of a mapping, or with NULL of the thread: mode, and in the upper half nodes. */
static long told(const void *at)
{
	unsigned long nodes = ~0ul;
	int mode = -1;

	if (get_policy(&mode, &nodes, 64, at, at ? MPOL_F_ADDR : 0) != 0) {
		return -errno;
	}
	return mode | (long)(nodes << 32);
}

#define TOLD(mode_, nodes_) ((long)(mode_) | (long)((nodes_) << 32))

static char *map(size_t n_pages)
{
	return mmap(
		NULL, n_pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

CASE(thread_policies_are_told)
{
	static const int modes[] = { MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE,
		MPOL_PREFERRED_MANY };

	CHECK_EQ(told(NULL), TOLD(MPOL_DEFAULT, 0ul));
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		int fixed = modes[i] | MPOL_F_STATIC_NODES,
		    relative = modes[i] | MPOL_F_RELATIVE_NODES;

		CHECK_EQ(set_nodes(modes[i], NODE_0 | NODE_1), 0);
		CHECK_EQ(told(NULL), TOLD(modes[i], NODE_0));
		CHECK_EQ(set_nodes(fixed, NODE_0 | NODE_1), 0);
		CHECK_EQ(told(NULL), TOLD(fixed, NODE_0 | NODE_1));
		CHECK_EQ(set_nodes(relative, NODE_1), 0);
		CHECK_EQ(told(NULL), TOLD(relative, NODE_1));
		CHECK_ERRNO(set_nodes(modes[i], NODE_1), EINVAL);
		CHECK_ERRNO(set_nodes(fixed, NODE_1), EINVAL);
		CHECK_ERRNO(set_nodes(relative, 0), EINVAL);
		CHECK_ERRNO(
			set_nodes(modes[i] | MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES, NODE_0),
			EINVAL);
		CHECK_EQ(told(NULL), TOLD(relative, NODE_1));
	}
	CHECK_EQ(set_policy(MPOL_LOCAL, NULL, 0), 0);
	CHECK_EQ(told(NULL), TOLD(MPOL_LOCAL, 0ul));
	CHECK_EQ(set_policy(MPOL_DEFAULT, NULL, 0), 0);
	CHECK_EQ(told(NULL), TOLD(MPOL_DEFAULT, 0ul));
}

CASE(modes_want_their_nodes)
{
	/* To prefer no node is to prefer the one where it is. */
	CHECK_EQ(set_nodes(MPOL_PREFERRED, 0), 0);
	CHECK_EQ(told(NULL), TOLD(MPOL_LOCAL, 0ul));
	CHECK_ERRNO(set_nodes(MPOL_PREFERRED | MPOL_F_STATIC_NODES, 0), EINVAL);
	CHECK_ERRNO(set_nodes(MPOL_LOCAL, NODE_0), EINVAL);
	CHECK_ERRNO(set_nodes(MPOL_LOCAL | MPOL_F_STATIC_NODES, 0), EINVAL);
	CHECK_ERRNO(set_nodes(MPOL_DEFAULT, NODE_0), EINVAL);
	CHECK_EQ(set_nodes(MPOL_DEFAULT | MPOL_F_STATIC_NODES, 0), 0);
	CHECK_ERRNO(set_nodes(MPOL_BIND, 0), EINVAL);
	CHECK_ERRNO(set_nodes(MPOL_INTERLEAVE, 0), EINVAL);
	CHECK_ERRNO(set_nodes(100, NODE_0), EINVAL);
	CHECK_ERRNO(set_nodes(-1, NODE_0), EINVAL);
	CHECK_ERRNO(set_nodes(MPOL_INTERLEAVE | MPOL_F_NUMA_BALANCING, NODE_0), EINVAL);
	CHECK_EQ(set_nodes(MPOL_BIND | MPOL_F_NUMA_BALANCING, NODE_0), 0);
	CHECK_EQ(told(NULL), TOLD(MPOL_BIND | MPOL_F_NUMA_BALANCING, NODE_0));
}

CASE(sets_of_nodes_are_checked)
{
	unsigned long nodes[520] = { NODE_0 };

	CHECK_EQ(set_policy(MPOL_BIND, nodes, 4096 * 8 + 1), 0);
	CHECK_ERRNO(set_policy(MPOL_BIND, nodes, 4096 * 8 + 2), EINVAL);
	CHECK_ERRNO(set_policy(MPOL_BIND, nodes, 0), EINVAL);
	CHECK_ERRNO(set_policy(MPOL_BIND, nodes, 1), EINVAL);
	CHECK_EQ(set_policy(MPOL_BIND, nodes, 2), 0);
	CHECK_ERRNO(set_policy(MPOL_BIND, NULL, 64), EINVAL);
	CHECK_ERRNO(set_policy(MPOL_BIND, (void *)8, 64), EFAULT);
	nodes[500] = 1;
	CHECK_ERRNO(set_policy(MPOL_BIND, nodes, 4096 * 8), EINVAL);
	nodes[500] = 0;
	/* More than it says are not looked at. */
	nodes[0] = NODE_0 | 4;
	CHECK_EQ(set_policy(MPOL_BIND | MPOL_F_STATIC_NODES, nodes, 3), 0);
	CHECK_EQ(told(NULL), TOLD(MPOL_BIND | MPOL_F_STATIC_NODES, NODE_0));
}

CASE(get_mempolicy_is_checked)
{
	unsigned long nodes[520];
	char *at = map(1);
	int mode;

	CHECK_ERRNO(get_policy(&mode, nodes, 0, NULL, 0), EINVAL);
	CHECK_ERRNO(get_policy(&mode, nodes, 64, at, 0), EINVAL);
	CHECK_ERRNO(get_policy(&mode, nodes, 64, NULL, 8), EINVAL);
	CHECK_ERRNO(get_policy(&mode, nodes, 64, NULL, MPOL_F_MEMS_ALLOWED | MPOL_F_NODE), EINVAL);
	CHECK_ERRNO(get_policy(&mode, nodes, 64, at, MPOL_F_MEMS_ALLOWED | MPOL_F_ADDR), EINVAL);
	CHECK_ERRNO(get_policy(&mode, nodes, 64, (void *)PAGE, MPOL_F_ADDR), EFAULT);
	CHECK_ERRNO(get_policy((int *)8, NULL, 0, NULL, 0), EFAULT);
	CHECK_ERRNO(get_policy(NULL, (unsigned long *)8, 64, NULL, 0), EFAULT);
	CHECK_EQ(get_policy(NULL, NULL, 0, NULL, 0), 0);
	memset(nodes, 0xff, sizeof(nodes));
	CHECK_EQ(get_policy(&mode, nodes, 130, NULL, MPOL_F_MEMS_ALLOWED), 0);
	CHECK_EQ(mode, 0);
	CHECK_EQ(nodes[0], 1);
	CHECK_EQ(nodes[1], 0);
	CHECK_EQ(nodes[2], 0);
	CHECK_EQ(nodes[3], ~0ul);
	CHECK_ERRNO(get_policy(&mode, nodes, 4096 * 8 + 2, NULL, 0), EINVAL);
	/* Enough for the nodes that there are. */
	nodes[0] = 77;
	CHECK_EQ(get_policy(&mode, nodes, 1, NULL, MPOL_F_MEMS_ALLOWED), 0);
	CHECK_EQ(nodes[0], 77);
}

CASE(get_mempolicy_tells_nodes)
{
	unsigned long nodes = ~0ul;
	char *at = map(2);
	int mode = -1;

	CHECK_ERRNO(get_policy(&mode, NULL, 0, NULL, MPOL_F_NODE), EINVAL);
	CHECK_EQ(set_nodes(MPOL_INTERLEAVE, NODE_0), 0);
	CHECK_EQ(get_policy(&mode, &nodes, 64, NULL, MPOL_F_NODE), 0);
	CHECK_EQ(mode, 0);
	CHECK_EQ(nodes, NODE_0);
	mode = -1;
	CHECK_EQ(get_policy(&mode, &nodes, 64, at, MPOL_F_NODE | MPOL_F_ADDR), 0);
	CHECK_EQ(mode, 0);
	CHECK_EQ(nodes, 0);
	CHECK_EQ(mprotect(at, PAGE, PROT_NONE), 0);
	CHECK_ERRNO(get_policy(&mode, &nodes, 64, at, MPOL_F_NODE | MPOL_F_ADDR), EFAULT);
}

CASE(mappings_keep_their_policy)
{
	long bound = TOLD(MPOL_BIND, NODE_0), none = TOLD(MPOL_DEFAULT, 0ul);
	char *at = map(8), *other = map(8);

	CHECK_EQ(bind_nodes(at + PAGE, 4 * PAGE, MPOL_BIND, NODE_0, 0), 0);
	CHECK_EQ(told(at), none);
	CHECK_EQ(told(at + PAGE), bound);
	CHECK_EQ(told(at + 4 * PAGE + 9), bound);
	CHECK_EQ(told(at + 5 * PAGE), none);
	CHECK_EQ(bind_nodes(at + 2 * PAGE, 1, MPOL_INTERLEAVE | MPOL_F_STATIC_NODES,
			 NODE_0 | NODE_1, 0),
		0);
	CHECK_EQ(told(at + 2 * PAGE), TOLD(MPOL_INTERLEAVE | MPOL_F_STATIC_NODES, NODE_0 | NODE_1));
	CHECK_EQ(told(at + 3 * PAGE), bound);
	/* It moves, survives another access, and goes with the mapping. */
	CHECK_EQ(mremap(at + 3 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, other) == other,
		1);
	CHECK_EQ(told(other), bound);
	CHECK_EQ(told(at + 3 * PAGE), -EFAULT);
	CHECK_EQ(mprotect(at + PAGE, PAGE, PROT_READ), 0);
	CHECK_EQ(told(at + PAGE), bound);
	CHECK_EQ(mmap(at + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
			at + PAGE,
		1);
	CHECK_EQ(told(at + PAGE), none);
	CHECK_EQ(bind_nodes(at, 8 * PAGE, MPOL_DEFAULT, 0, 0), 0);
	CHECK_EQ(told(at + 4 * PAGE), none);
}

static void *tell(void *unused)
{
	(void)unused;
	long result = told(NULL);

	set_nodes(MPOL_INTERLEAVE, NODE_0);
	return (void *)result;
}

/* To threads and children; each has its own from then on. */
CASE(policies_are_inherited)
{
	long bound = TOLD(MPOL_BIND, NODE_0);
	char *at = map(1);
	pthread_t thread;
	void *result;
	int status;

	CHECK_EQ(set_nodes(MPOL_BIND, NODE_0), 0);
	CHECK_EQ(bind_nodes(at, PAGE, MPOL_PREFERRED, NODE_0, 0), 0);
	pthread_create(&thread, NULL, tell, NULL);
	pthread_join(thread, &result);
	CHECK_EQ((long)result, bound);
	CHECK_EQ(told(NULL), bound);
	pid_t child = fork();

	if (child == 0) {
		bool is_right = told(NULL) == bound && told(at) == TOLD(MPOL_PREFERRED, NODE_0);

		bind_nodes(at, PAGE, MPOL_DEFAULT, 0, 0);
		set_nodes(MPOL_DEFAULT, 0);
		_exit(is_right ? 0 : 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(told(NULL), bound);
	CHECK_EQ(told(at), TOLD(MPOL_PREFERRED, NODE_0));
}

CASE(mbind_is_checked)
{
	char *at = map(4);

	CHECK_ERRNO(bind_nodes(at + 1, PAGE, MPOL_BIND, NODE_0, 0), EINVAL);
	CHECK_ERRNO(bind_nodes(at, PAGE, MPOL_BIND, NODE_0, 8), EINVAL);
	CHECK_ERRNO(bind_nodes(at, PAGE, MPOL_BIND, NODE_1, 0), EINVAL);
	CHECK_ERRNO(bind_nodes(at, PAGE, 100, NODE_0, 0), EINVAL);
	CHECK_ERRNO(bind_nodes(at, -PAGE, MPOL_BIND, NODE_0, 0), EINVAL);
	CHECK_ERRNO(bind_nodes(at, PAGE, MPOL_DEFAULT, NODE_0, 0), EINVAL);
	/* Nothing is nothing, but for what is looked at before. */
	CHECK_EQ(bind_nodes(at, 0, MPOL_BIND, 0, 0), 0);
	CHECK_ERRNO(bind_nodes(at, 0, 100, 0, 0), EINVAL);
	CHECK_EQ(munmap(at + PAGE, PAGE), 0);
	CHECK_ERRNO(bind_nodes(at, 3 * PAGE, MPOL_BIND, NODE_0, 0), EFAULT);
	CHECK_EQ(bind_nodes(at, 3 * PAGE, MPOL_DEFAULT, 0, 0), 0);
	CHECK_ERRNO(bind_nodes(at + PAGE, PAGE, MPOL_DEFAULT, 0, 0), EFAULT);
}

CASE(mbind_looks_at_pages)
{
	char *at = map(4);

	CHECK_EQ(bind_nodes(at, 4 * PAGE, MPOL_LOCAL, 0, MPOL_MF_STRICT), 0);
	at[PAGE] = 1;
	CHECK_EQ(bind_nodes(at, 4 * PAGE, MPOL_BIND, NODE_0, MPOL_MF_STRICT), 0);
	CHECK_EQ(bind_nodes(at, 4 * PAGE, MPOL_BIND, NODE_0, MPOL_MF_MOVE), 0);
	CHECK_ERRNO(
		bind_nodes(at, 4 * PAGE, MPOL_BIND | MPOL_F_RELATIVE_NODES, NODE_1, MPOL_MF_STRICT),
		EIO);
	CHECK_EQ(bind_nodes(at, 4 * PAGE, MPOL_DEFAULT, 0, MPOL_MF_STRICT), 0);
}

CASE(home_node)
{
	char *at = map(3);
	long (*call)(long, ...) = syscall;
	const int number = SYS_set_mempolicy_home_node;

	CHECK_ERRNO(call(number, at, PAGE, 0, 0), ENOENT);
	CHECK_EQ(bind_nodes(at, PAGE, MPOL_BIND, NODE_0, 0), 0);
	CHECK_EQ(bind_nodes(at + 2 * PAGE, PAGE, MPOL_INTERLEAVE, NODE_0, 0), 0);
	CHECK_EQ(call(number, at, PAGE, 0, 0), 0);
	CHECK_EQ(call(number, at, 2 * PAGE, 0, 0), 0);
	CHECK_ERRNO(call(number, at, 3 * PAGE, 0, 0), EOPNOTSUPP);
	CHECK_EQ(told(at), TOLD(MPOL_BIND, NODE_0));
	CHECK_EQ(call(number, at, 0, 0, 0), 0);
	CHECK_ERRNO(call(number, at + 1, PAGE, 0, 0), EINVAL);
	CHECK_ERRNO(call(number, at, PAGE, 1, 0), EINVAL);
	CHECK_ERRNO(call(number, at, PAGE, -1, 0), EINVAL);
	CHECK_ERRNO(call(number, at, PAGE, 0, 1), EINVAL);
	CHECK_ERRNO(call(number, at, -PAGE, 0, 0), EINVAL);
}

CASE(pages_are_where_they_are)
{
	char *at = map(3);
	void *pages[] = { at, at + PAGE, (void *)PAGE, at + 5 };
	int status[4] = { 7, 7, 7, 7 }, nodes[4] = { 0, 0, 0, 0 };
	const int number = SYS_move_pages;

	at[0] = 1;
	CHECK_EQ(syscall(number, 0, 4, pages, NULL, status, 0), 0);
	CHECK_EQ(status[0], 0);
	CHECK_EQ(status[1], -ENOENT);
	CHECK_EQ(status[2], -EFAULT);
	CHECK_EQ(status[3], 0);
	memset(status, 7, sizeof(status));
	CHECK_EQ(syscall(number, getpid(), 4, pages, nodes, status, MPOL_MF_MOVE), 0);
	CHECK_EQ(status[0], 0);
	CHECK_EQ(status[1], -ENOENT);
	CHECK_EQ(status[2], -EFAULT);
	CHECK_EQ(status[3], 0);
	nodes[1] = 1;
	CHECK_ERRNO(syscall(number, 0, 4, pages, nodes, status, MPOL_MF_MOVE), ENODEV);
	nodes[1] = -1;
	CHECK_ERRNO(syscall(number, 0, 4, pages, nodes, status, MPOL_MF_MOVE), ENODEV);
	CHECK_ERRNO(syscall(number, 0, 4, pages, NULL, status, 1), EINVAL);
	CHECK_ERRNO(syscall(number, 0, 4, (void *)8, NULL, status, 0), EFAULT);
	CHECK_ERRNO(syscall(number, 0, 4, pages, NULL, (void *)8, 0), EFAULT);
	CHECK_ERRNO(syscall(number, 0, 4, pages, (void *)8, status, 0), EFAULT);
	CHECK_ERRNO(syscall(number, 0x7ffffff0, 4, pages, NULL, status, 0), ESRCH);
	CHECK_EQ(syscall(number, 0, 0, NULL, NULL, NULL, 0), 0);
}

CASE(pages_of_others)
{
	char *at = map(70);
	void *pages[70];
	int status[70], pipe_fds[2];
	char byte;

	for (int i = 0; i < 70; i++) {
		pages[i] = at + i * PAGE;
	}
	CHECK_EQ(pipe(pipe_fds), 0);
	pid_t child = fork();

	if (child == 0) {
		at[66 * PAGE] = 1;
		write(pipe_fds[1], "x", 1);
		pause();
	}
	CHECK_EQ(read(pipe_fds[0], &byte, 1), 1);
	CHECK_EQ(syscall(SYS_move_pages, child, 70, pages, NULL, status, 0), 0);
	CHECK_EQ(status[66], 0);
	CHECK_EQ(status[67], -ENOENT);
	unsigned long nodes = NODE_0, none = 0, other = NODE_1;

	CHECK_EQ(syscall(SYS_migrate_pages, child, 32, &nodes, &nodes), 0);
	CHECK_ERRNO(syscall(SYS_migrate_pages, child, 32, &nodes, &none), EINVAL);
	if (getuid() == 0) {
		CHECK_ERRNO(syscall(SYS_migrate_pages, child, 32, &nodes, &other), EINVAL);
		CHECK_EQ(setresuid(1000, 1000, 1000), 0);
		CHECK_ERRNO(syscall(SYS_move_pages, child, 1, pages, NULL, status, 0), EPERM);
		CHECK_ERRNO(syscall(SYS_migrate_pages, child, 32, &nodes, &nodes), EPERM);
		CHECK_ERRNO(syscall(SYS_migrate_pages, 0, 32, &nodes, &other), EPERM);
		CHECK_ERRNO(bind_nodes(at, PAGE, MPOL_BIND, NODE_0, MPOL_MF_MOVE_ALL), EPERM);
		CHECK_ERRNO(syscall(SYS_move_pages, 0, 1, pages, NULL, status, MPOL_MF_MOVE_ALL),
			EPERM);
	}
	CHECK_ERRNO(syscall(SYS_migrate_pages, 0x7ffffff0, 32, &nodes, &nodes), ESRCH);
	CHECK_ERRNO(syscall(SYS_migrate_pages, 0, 0, &nodes, &nodes), EINVAL);
	CHECK_ERRNO(syscall(SYS_migrate_pages, 0, 32, (void *)8, &nodes), EFAULT);
}

/* The line of numa_maps that begins with an address. */
static bool has_line(const char *path, const char *at, const char *beginning)
{
	char wanted[100], line[512];
	FILE *file = fopen(path, "r");
	bool is_there = false;

	snprintf(wanted, sizeof(wanted), "%08lx %s", (unsigned long)at, beginning);
	while (file && fgets(line, sizeof(line), file)) {
		is_there |= strncmp(line, wanted, strlen(wanted)) == 0;
	}
	if (file) {
		fclose(file);
	}
	return is_there;
}

CASE(proc_tells_policies)
{
	char *at = map(6), status[8192] = "";

	memset(at, 1, 6 * PAGE);
	bind_nodes(at, PAGE, MPOL_BIND, NODE_0, 0);
	bind_nodes(at + 2 * PAGE, PAGE, MPOL_INTERLEAVE | MPOL_F_STATIC_NODES, NODE_0 | NODE_1, 0);
	bind_nodes(at + 3 * PAGE, PAGE, MPOL_LOCAL, 0, 0);
	CHECK(has_line("/proc/self/numa_maps", at, "bind:0 anon=1 dirty=1 "));
	CHECK(has_line("/proc/self/numa_maps", at + PAGE, "default anon=1 "));
	CHECK(has_line("/proc/self/numa_maps", at + 2 * PAGE, "interleave=static:0 anon=1 "));
	CHECK(has_line("/proc/self/numa_maps", at + 3 * PAGE, "local anon=1 "));
	CHECK_EQ(set_nodes(MPOL_PREFERRED | MPOL_F_RELATIVE_NODES, NODE_1), 0);
	CHECK(has_line("/proc/self/numa_maps", at + PAGE, "prefer=relative:0 anon=1 "));
	CHECK(has_line("/proc/thread-self/numa_maps", at + PAGE, "prefer=relative:0 anon=1 "));
	CHECK(has_line("/proc/self/numa_maps", at, "bind:0 "));
	int fd = open("/proc/self/status", O_RDONLY);

	CHECK(read(fd, status, sizeof(status) - 1) > 0);
	CHECK(strstr(status, "\nMems_allowed:\t") != NULL);
	CHECK(strstr(status, "\nMems_allowed_list:\t0\n") != NULL);
}

static bool file_has(const char *path, const char *text)
{
	char bytes[4096] = "";
	int fd = open(path, O_RDONLY);
	bool is_there = read(fd, bytes, sizeof(bytes) - 1) > 0 && strstr(bytes, text) != NULL;

	close(fd);
	return is_there;
}

CASE(sysfs_shows_the_node)
{
	CHECK(file_has("/sys/devices/system/node/online", "0\n"));
	CHECK(file_has("/sys/devices/system/node/has_normal_memory", "0\n"));
	CHECK(file_has("/sys/devices/system/node/node0/distance", "10\n"));
	CHECK(file_has("/sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: "));
	CHECK(file_has("/sys/devices/system/node/node0/meminfo", "Node 0 MemFree: "));
	CHECK(file_has("/sys/devices/system/node/node0/meminfo", " kB\n"));
	CHECK_EQ(access("/sys/devices/system/node/node0/cpu0/topology/core_id", R_OK), 0);
}

CASES_MAIN()
