/* SPDX-License-Identifier: MIT */
/* Arguments: good ones as a rule, and those that ought to be refused. */
#include "fuzz.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PAGE 4096ul

static const uint64_t numbers[] = { 0, 1, 2, 3, 7, 8, 16, 63, 64, 65, 127, 128, 255, 256, 511, 1024,
	4095, 4096, 4097, 8192, 65535, 65536, 131072, 131073, 262144, 1u << 20, 1u << 24,
	0x7ffffffe, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x100000000, 0x100000003,
	1ul << 40, 0x7ffffffffffff000, 0x7fffffffffffffff, 1ul << 63, ~0ul - 4095, ~0ul - 1, ~0ul };

/* The last ones are Hati's: nothing of the program is there. On Linux they are not mapped. */
static const uint64_t bad_addresses[] = { 0, 1, 8, PAGE - 1, PAGE, ARENA - 1, ARENA - PAGE,
	ARENA + ARENA_PAGES *PAGE, ARENA + ARENA_PAGES *PAGE - 1, ARENA + ARENA_PAGES *PAGE - 7,
	ARENA + (ARENA_PAGES + 1) * PAGE, ARENA + (ARENA_PAGES + 2) * PAGE,
	ARENA + (ARENA_PAGES + 3) * PAGE, ARENA + (ARENA_PAGES + 4) * PAGE, 0x400000, 0x401001,
	0x7fff00000000, 0x7fff00001000, 0x7fff00002008, 0x7fff0003f000, 0x7fff00040000,
	0x7fff00041000, 0x7fff00049630, 0x7fff00049000, 0x7fff0004a000, 0x7fff0004a480,
	0x7fff0004a5c0, 0x7fff0004a5f8, 0x7fff0004b000, 0x7fff0004c000, 0x7fff00050000,
	0x7fff0005a480, 0x7fff4a000000, 0x7fff4a001000, 0x7fff4a010000, 0x7fff50000000,
	0x7fff50000ff8, 0x7ffeffffffff, 0x7ffefffff000, 0x7fffffffe000, 0x7fffffffefff,
	0x7ffffffff000, 0x7fffffffffff, 0x800000000000, 0xffff7fffffffffff, 0xffff800000000000,
	0xffff888000000000, 0xffffffff80000000, 0xffffffff81000000, 0xffffffffff600000, ~0ul - PAGE,
	~0ul - 7, ~0ul };

static const char *const own_paths[] = { "f0", "f1", "f2", "f3", "d0", "d0/f", "d0/../f0", "d1",
	"d0/e", "l0", "l1", "l2", "p0", "s0", "s1", "none", "none/none", "d0/none", "f0/none",
	"f0/", "d0/", "./f1", "t0", "t1", "h0" };

/* What others have: to be opened, read and asked about. */
static const char *const paths[] = { "", "/", ".", "..", "/dev/null", "/dev/zero", "/dev/full",
	"/dev/ptmx", "/dev/tty", "/dev/pts/0", "/dev/urandom", "/proc", "/proc/self",
	"/proc/self/maps", "/proc/self/smaps", "/proc/self/stat", "/proc/self/status",
	"/proc/self/mem", "/proc/self/exe", "/proc/self/cwd", "/proc/self/root", "/proc/self/fd",
	"/proc/self/fd/3", "/proc/self/fd/6", "/proc/self/fdinfo/21", "/proc/self/task",
	"/proc/self/environ", "/proc/self/auxv", "/proc/self/cmdline", "/proc/self/mountinfo",
	"/proc/self/limits", "/proc/self/cgroup", "/proc/self/comm", "/proc/self/oom_score_adj",
	"/proc/thread-self/stat", "/proc/meminfo", "/proc/stat", "/proc/mounts",
	"/proc/sys/kernel/hostname", "/proc/sys/kernel/pid_max", "/proc/cpuinfo", "/proc/1/status",
	"/proc/self/ns/mnt", "/proc/self/ns/pid", "/proc/self/ns/net", "/proc/sysvipc/shm",
	"/proc/net/unix", "/proc/sys/fs/mqueue/msg_max", "/dev/mqueue", "/dev/mqueue/fuzz0",
	"/dev/mqueue/fuzz1", "/proc/hati/unimplemented", "/sys", "/sys/kernel", "/tmp", "//",
	"/../..", "/none" };

static const char *const attribute_names[] = { "user.a", "user.b", "trusted.c", "security.d",
	"system.posix_acl_access", "user.", "user", "", "tmpfs", "proc", "bind", "overlay" };

static const char *const queue_names[] = { "fuzz0", "fuzz1", "fuzz2", "fuzz3", "", "fuzz/0" };

static const char *const file_systems[] = { "tmpfs", "tmpfs", "ramfs", "proc", "sysfs", "devpts",
	"devtmpfs", "mqueue", "bind", "none", "" };

static uint64_t place_of(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

uint8_t *value_place(struct worker *worker, size_t size)
{
	/* The first page holds futexes; the last lane's places end with the arena. */
	uint64_t room = (ARENA_PAGES - 1) * PAGE / 4;
	uint64_t part = ARENA + PAGE + (worker->where % 4) * room;
	uint64_t at = draw_once_in(&worker->draw, 8)
		? ARENA + ARENA_PAGES * PAGE - size
		: part + draw_below(&worker->draw, (room - size) / 8) * 8;

	return (uint8_t *)at;
}

uint64_t value_address(struct worker *worker)
{
	if (draw_once_in(&worker->draw, 4)) {
		return bad_addresses[draw_below(&worker->draw, N_ELEMENTS(bad_addresses))];
	}
	return place_of(value_place(worker, draw_below(&worker->draw, 8192)));
}

uint64_t value_fd(struct worker *worker)
{
	static const uint64_t odd[] = { ~0ul, 0xffffffff, (uint64_t)-100, 1023, 1024, 65536,
		1u << 30, 0x7fffffff, 0x80000000, 0x100000003, 200, 500 };

	if (draw_once_in(&worker->draw, 16)) {
		return odd[draw_below(&worker->draw, N_ELEMENTS(odd))];
	}
	return draw_below(&worker->draw, FDS_END + 4);
}

uint64_t value_any(struct worker *worker)
{
	switch (draw_below(&worker->draw, 6)) {
	case 0: return value_fd(worker);
	case 1: return numbers[draw_below(&worker->draw, N_ELEMENTS(numbers))];
	case 2: return draw_next(&worker->draw) >> draw_below(&worker->draw, 64);
	case 3: return draw_next(&worker->draw);
	default: return value_address(worker);
	}
}

/* Never that of a stranger; a number that nobody has, as none is so large. */
uint64_t value_process_id(struct worker *worker)
{
	uint32_t n_lanes = atomic_load(&worker->slot->n_lanes);
	uint64_t which = draw_below(&worker->draw, 8);

	if (which == 0) {
		return 4000000 + draw_below(&worker->draw, 1000);
	}
	if (which < 5) {
		int64_t own = RAW(SYS_getpid, 0, 0, 0);

		/* who has spoiled itself may be told anything, and 0 or -1 are many */
		return own > 1 ? (uint64_t)own : 4000000;
	}
	/* a child's, or another thread's */
	uint64_t index = draw_below(&worker->draw, LANES);
	int32_t pid = index < n_lanes ? atomic_load(&worker->slot->lanes[index].tid) : 0;

	return pid > 1 ? (uint64_t)pid : 4000000;
}

/* ---- strings ------------------------------------------------------------------------------- */

static uint64_t put_string(struct worker *worker, const char *text)
{
	size_t size = strlen(text) + 1;
	uint8_t *at = value_place(worker, size);

	memcpy(at, text, size);
	return place_of(at);
}

/* At the borders of what a path may be, or without an end. */
static uint64_t draw_long_path(struct worker *worker)
{
	static const uint16_t sizes[] = { 255, 256, 257, 4095, 4096, 4097, 8000 };
	size_t size = sizes[draw_below(&worker->draw, N_ELEMENTS(sizes))];
	uint8_t *at = value_place(worker, size + 1);
	bool has_slashes = draw_once_in(&worker->draw, 2);

	for (size_t i = 0; i < size; i++) {
		at[i] = has_slashes && i % 2 == 1 ? '/' : '.';
	}
	at[size] = draw_once_in(&worker->draw, 2) ? 'x' : '\0';
	return place_of(at);
}

static uint64_t draw_path(struct worker *worker, bool is_own)
{
	uint64_t which = draw_below(&worker->draw, 32);

	if (which == 0) {
		return value_address(worker);
	}
	if (which == 1) {
		return draw_long_path(worker);
	}
	if (is_own || which < 22) {
		return put_string(
			worker, own_paths[draw_below(&worker->draw, N_ELEMENTS(own_paths))]);
	}
	return put_string(worker, paths[draw_below(&worker->draw, N_ELEMENTS(paths))]);
}

static uint64_t draw_name(struct worker *worker, const char *const *names, size_t n_names)
{
	return put_string(worker, names[draw_below(&worker->draw, n_names)]);
}

/* ---- the kinds ----------------------------------------------------------------------------- */

static uint64_t draw_flags(struct worker *worker, const struct argument *argument)
{
	uint64_t n = draw_below(&worker->draw, 4), flags = 0;

	if (draw_once_in(&worker->draw, 32)) {
		return draw_next(&worker->draw);
	}
	for (uint64_t i = 0; i < n; i++) {
		flags |= argument->values[draw_below(&worker->draw, argument->n_values)];
	}
	return flags;
}

static uint64_t draw_one_of(struct worker *worker, const struct argument *argument)
{
	if (draw_once_in(&worker->draw, 32)) {
		return value_any(worker);
	}
	return argument->values[draw_below(&worker->draw, argument->n_values)];
}

static uint64_t draw_number(struct worker *worker)
{
	return draw_once_in(&worker->draw, 3)
		? numbers[draw_below(&worker->draw, N_ELEMENTS(numbers))]
		: draw_below(&worker->draw, 40);
}

static uint64_t draw_size(struct worker *worker)
{
	switch (draw_below(&worker->draw, 8)) {
	case 0: return numbers[draw_below(&worker->draw, N_ELEMENTS(numbers))];
	case 1: return draw_below(&worker->draw, 300000);
	case 2: return draw_below(&worker->draw, 9000);
	default: return draw_below(&worker->draw, 257);
	}
}

static uint64_t draw_offset(struct worker *worker)
{
	return draw_once_in(&worker->draw, 4)
		? numbers[draw_below(&worker->draw, N_ELEMENTS(numbers))]
		: draw_below(&worker->draw, 20000);
}

/* Pages of the arena, and some around; seldom the shim's or the kernel's. */
static uint64_t draw_range(struct worker *worker)
{
	if (draw_once_in(&worker->draw, 8)) {
		return bad_addresses[draw_below(&worker->draw, N_ELEMENTS(bad_addresses))];
	}
	return ARENA + draw_below(&worker->draw, ARENA_PAGES + 64) * PAGE;
}

static uint64_t draw_range_size(struct worker *worker)
{
	uint64_t which = draw_below(&worker->draw, 64);

	if (which == 0) {
		return numbers[draw_below(&worker->draw, N_ELEMENTS(numbers))];
	}
	return which < 8 ? draw_below(&worker->draw, 100000) : draw_below(&worker->draw, 40) * PAGE;
}

static uint64_t draw_signal(struct worker *worker)
{
	static const uint8_t usual[] = { 0, SIGALRM, SIGUSR1, SIGUSR2, SIGCHLD, SIGCONT, SIGURG,
		SIGWINCH, 34, 35, 64 };

	if (draw_once_in(&worker->draw, 32)) {
		return draw_below(&worker->draw, 70);
	}
	return usual[draw_below(&worker->draw, N_ELEMENTS(usual))];
}

static uint64_t draw_pid(struct worker *worker)
{
	return draw_once_in(&worker->draw, 4) ? draw_number(worker) : value_process_id(worker);
}

/* Always memory that holds one of our own: what is at an address from anywhere might be anybody. */
static uint64_t draw_owner(struct worker *worker, bool has_type)
{
	int32_t fields[2] = { (int32_t)value_process_id(worker), 0 };
	size_t size = sizeof(fields[0]);

	if (has_type) {
		fields[1] = fields[0];
		fields[0] = (int32_t)draw_below(&worker->draw, 2);
		size = sizeof(fields);
	}
	uint8_t *at = value_place(worker, size);

	memcpy(at, fields, size);
	return place_of(at);
}

static uint64_t draw_ipc_id(struct worker *worker, const struct argument *argument)
{
	return draw_once_in(&worker->draw, 8)
		? draw_number(worker)
		: world_ipc_id((enum ipc)argument->n_values,
			  (uint32_t)draw_below(&worker->draw, IPC_KEYS));
}

uint64_t value_draw(struct worker *worker, const struct argument *argument)
{
	static const uint64_t directories[] = { 6, 7, 29, (uint64_t)-100 };

	switch (argument->kind) {
	case KIND_ANY: return value_any(worker);
	case KIND_NUMBER: return draw_number(worker);
	case KIND_ONE_OF: return draw_one_of(worker, argument);
	case KIND_EXACTLY: return argument->values[draw_below(&worker->draw, argument->n_values)];
	case KIND_FLAGS: return draw_flags(worker, argument);
	case KIND_FD: return value_fd(worker);
	case KIND_DIRECTORY_FD:
		return draw_once_in(&worker->draw, 8)
			? value_fd(worker)
			: directories[draw_below(&worker->draw, N_ELEMENTS(directories))];
	case KIND_PATH: return draw_path(worker, false);
	case KIND_OWN_PATH: return draw_path(worker, true);
	case KIND_NAME:
		return draw_once_in(&worker->draw, 16)
			? draw_path(worker, true)
			: draw_name(worker, attribute_names, N_ELEMENTS(attribute_names));
	case KIND_BUFFER: return value_address(worker);
	case KIND_SIZE: return draw_size(worker);
	case KIND_OFFSET: return draw_offset(worker);
	case KIND_MODE:
		return draw_once_in(&worker->draw, 8) ? draw_next(&worker->draw)
						      : draw_below(&worker->draw, 07777) | 0600;
	case KIND_PID: return draw_pid(worker);
	case KIND_PROCESS_ID: return value_process_id(worker);
	case KIND_SIGNAL: return draw_signal(worker);
	case KIND_RANGE: return draw_range(worker);
	case KIND_RANGE_SIZE: return draw_range_size(worker);
	case KIND_STRUCT:
		return draw_once_in(&worker->draw, 16)
			? value_address(worker)
			: struct_draw(worker, (enum shape)argument->n_values);
	case KIND_OWNER: return draw_owner(worker, false);
	case KIND_OWNER_EX: return draw_owner(worker, true);
	case KIND_KEY: return IPC_KEY + draw_below(&worker->draw, IPC_KEYS);
	case KIND_IPC_ID: return draw_ipc_id(worker, argument);
	case KIND_QUEUE_NAME: return draw_name(worker, queue_names, N_ELEMENTS(queue_names));
	case KIND_FILE_SYSTEM: return draw_name(worker, file_systems, N_ELEMENTS(file_systems));
	case KIND_WAIT_MS: return draw_once_in(&worker->draw, 64) ? draw_number(worker) : 0;
	}
	return 0;
}
