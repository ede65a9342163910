/* SPDX-License-Identifier: MIT */
/* What the file side needs of the machine: memory objects, mappings, random bytes, the log. */
#include <base/errors.h>
#include <base/testing.h>
#include <hel/hel-calls.h>
#include <helix/log.h>
#include <helix/memory.h>
#include <helix/start.h>
#include <posix/server/fs/block-finder.h>
#include <posix/server/fs/kernel-log.h>
#include <posix/server/fs/loop-driver.h>
#include <posix/server/fs/sysfs-pci.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/tests/files-machine.h>
#include <posix/server/time/time.h>
#include <posix/server/tty/channel.h>
#include <posix/server/vfs/memory-size.h>

#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_CLOEXEC
int memfd_create(const char *name, unsigned flags);
#endif

uint64_t fake_memory_size = MIB(64);
size_t fake_n_memories;
size_t fake_n_mappings;

/* A memory's handle is 1000 + the host's descriptor of the file that holds it. */
constexpr uint64_t HANDLE_BASE = 1000;

static struct hel_outcome memory_allocate(uint64_t size)
{
	int fd = memfd_create("memory", 0);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0) {
		return (struct hel_outcome){ -ERR_NO_MEMORY, 0 };
	}
	fake_n_memories++;
	return (struct hel_outcome){ 0, HANDLE_BASE + (uint64_t)fd };
}

static struct hel_outcome memory_copy(uint64_t memory, uint64_t offset, uint64_t size)
{
	struct hel_outcome copy = memory_allocate(size);
	char page[4096];

	for (uint64_t at = 0; copy.error == 0 && at < size; at += sizeof(page)) {
		ssize_t n_bytes = pread(
			(int)(memory - HANDLE_BASE), page, sizeof(page), (off_t)(offset + at));

		ASSERT(n_bytes >= 0 &&
			pwrite((int)(copy.value - HANDLE_BASE), page, (size_t)n_bytes, (off_t)at) ==
				n_bytes);
	}
	return copy;
}

hel_handle fake_memory_with(const void *data, size_t size)
{
	struct hel_outcome memory = memory_allocate(size);

	ASSERT(memory.error == 0);
	ASSERT(pwrite((int)(memory.value - HANDLE_BASE), data, size, 0) == (ssize_t)size);
	return memory.value;
}

hel_handle fake_memory_share(hel_handle memory)
{
	int fd = dup((int)(memory - HANDLE_BASE));

	ASSERT(fd >= 0);
	fake_n_memories++;
	return HANDLE_BASE + (uint64_t)fd;
}

void fake_memory_clear(hel_handle memory, uint64_t offset, uint64_t size)
{
	static const char zeros[4096];

	for (uint64_t at = offset; at < offset + size; at += sizeof(zeros)) {
		size_t n_bytes = min_size(sizeof(zeros), offset + size - at);

		ASSERT(pwrite((int)(memory - HANDLE_BASE), zeros, n_bytes, (off_t)at) ==
			(ssize_t)n_bytes);
	}
}

void fake_memory_read(hel_handle memory, void *buffer, uint64_t size)
{
	ASSERT(pread((int)(memory - HANDLE_BASE), buffer, size, 0) == (ssize_t)size);
}

/* A copy that must not wait. */
static struct hel_outcome memory_try(const uint64_t *arguments, bool is_write)
{
	int fd = (int)(arguments[0] - HANDLE_BASE);
	off_t offset = (off_t)arguments[1];
	size_t size = arguments[3];
	int error = fake_memory_try(arguments[0], arguments[1], size, is_write);

	if (error == 0 && lseek(fd, 0, SEEK_END) < offset + (off_t)size) {
		error = -ERR_OUT_OF_BOUNDS;
	}
	if (error == 0) {
		ssize_t n_bytes = is_write ? pwrite(fd, (const void *)arguments[2], size, offset)
					   : pread(fd, (void *)arguments[2], size, offset);

		ASSERT(n_bytes == (ssize_t)size);
	}
	return (struct hel_outcome){ error, 0 };
}

static struct hel_outcome memory_copy_out(const uint64_t *arguments)
{
	ssize_t n_bytes = pread((int)(arguments[0] - HANDLE_BASE), (void *)arguments[2],
		arguments[3], (off_t)arguments[1]);

	return (struct hel_outcome){ n_bytes == (ssize_t)arguments[3] ? 0 : -ERR_OUT_OF_BOUNDS, 0 };
}

static struct hel_outcome memory_copy_in(const uint64_t *arguments)
{
	ssize_t n_bytes = pwrite((int)(arguments[0] - HANDLE_BASE), (const void *)arguments[2],
		arguments[3], (off_t)arguments[1]);

	return (struct hel_outcome){ n_bytes == (ssize_t)arguments[3] ? 0 : -ERR_OUT_OF_BOUNDS, 0 };
}

/* ---- spaces of processes ------------------------------------------------------------------- */

struct mapping {
	uint64_t space, address, size; /* size 0: unused */
	uint8_t *at;
};

size_t fake_fail_maps;
static struct mapping mappings[256];

static void mapping_end(struct mapping *mapping)
{
	munmap(mapping->at, mapping->size);
	mapping->size = 0;
}

static void space_unmap(uint64_t space, uint64_t address, uint64_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(mappings); i++) {
		struct mapping *mapping = &mappings[i];

		if (mapping->size != 0 && mapping->space == space && mapping->address >= address &&
			mapping->address + mapping->size <= address + size) {
			mapping_end(mapping);
		}
	}
}

const void *fake_process_memory(uint64_t space, uint64_t address)
{
	for (size_t i = 0; i < ARRAY_SIZE(mappings); i++) {
		const struct mapping *mapping = &mappings[i];

		if (mapping->space == space && address - mapping->address < mapping->size) {
			return mapping->at + (address - mapping->address);
		}
	}
	return NULL;
}

void fake_spaces_end(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(mappings); i++) {
		if (mappings[i].size != 0) {
			mapping_end(&mappings[i]);
		}
	}
}

int mm_map(struct mm *mm, hel_handle memory, uint64_t offset, uint64_t address, uint64_t size,
	uint32_t flags)
{
	struct mapping *mapping = mappings;
	int protection = PROT_READ | ((flags & HEL_MAP_WRITE) != 0 ? PROT_WRITE : 0);

	if (fake_fail_maps != 0) {
		fake_fail_maps--;
		return -LINUX_ENOMEM;
	}
	space_unmap(mm->space, address, size);
	while (mapping < mappings + ARRAY_SIZE(mappings) && mapping->size != 0) {
		mapping++;
	}
	if (mapping == mappings + ARRAY_SIZE(mappings)) {
		return -LINUX_ENOMEM;
	}
	void *at = mmap(
		NULL, size, protection, MAP_SHARED, (int)(memory - HANDLE_BASE), (off_t)offset);

	if (at == MAP_FAILED) {
		return -LINUX_ENOMEM;
	}
	*mapping = (struct mapping){ mm->space, address, size, at };
	return 0;
}

static struct hel_outcome memory_transfer(uint64_t memory)
{
	int fd = dup((int)(memory - HANDLE_BASE));

	if (fd < 0) {
		return (struct hel_outcome){ -ERR_NO_SPACE, 0 };
	}
	fake_n_memories++;
	return (struct hel_outcome){ 0, HANDLE_BASE + (uint64_t)fd };
}

/* Between processes and posix: addresses are the host's; nothing is in the first page. */
size_t fake_program_limit;
uint8_t fake_program[65536];

static void *program_bytes(uint64_t address, uint64_t size)
{
	uint64_t offset = address - FAKE_PROGRAM;

	if (address < FAKE_PROGRAM) {
		return NULL;
	}
	if (fake_program_limit == 0) {
		return (void *)address;
	}
	return offset <= fake_program_limit && size <= fake_program_limit - offset
		? fake_program + offset
		: NULL;
}

static struct hel_outcome space_copy(const uint64_t *arguments, bool is_write)
{
	void *program = program_bytes(arguments[1], arguments[3]);
	void *bytes = (void *)arguments[2];

	if (program == NULL) {
		return (struct hel_outcome){ -ERR_FAULT, 0 };
	}
	memcpy(is_write ? program : bytes, is_write ? bytes : program, arguments[3]);
	return (struct hel_outcome){ 0, arguments[3] };
}

/* A loan says of what it is. */
static struct hel_outcome space_lend(const uint64_t *arguments)
{
	const struct fake_range range = { .address = arguments[1], .size = arguments[2] };

	ASSERT(range.address % HEL_PAGE_SIZE == 0 && range.size % HEL_PAGE_SIZE == 0);
	ASSERT(range.size != 0 && range.address + range.size <= POSIX_SHIM_REGION);
	return (struct hel_outcome){ 0, fake_memory_with(&range, sizeof(range)) };
}

struct hel_outcome hel_sim_call(uint32_t number, const uint64_t *arguments)
{
	int error = 0;

	switch (number) {
	case HEL_CALL_memory_allocate: return memory_allocate(arguments[0]);
	case HEL_CALL_memory_copy_on_write:
		return memory_copy(arguments[0], arguments[1], arguments[2]);
	case HEL_CALL_memory_resize:
		error = ftruncate((int)(arguments[0] - HANDLE_BASE), (off_t)arguments[1]);
		break;
	case HEL_CALL_transfer: return memory_transfer(arguments[1]);
	case HEL_CALL_space_unmap: space_unmap(arguments[0], arguments[1], arguments[2]); break;
	case HEL_CALL_memory_read: return memory_copy_out(arguments);
	case HEL_CALL_memory_write: return memory_copy_in(arguments);
	case HEL_CALL_memory_try_read: return memory_try(arguments, false);
	case HEL_CALL_memory_try_write: return memory_try(arguments, true);
	case HEL_CALL_memory_unlock: fake_memory_unlock(); break;
	case HEL_CALL_memory_advise: break;
	case HEL_CALL_close:
		fake_n_memories--;
		fake_memory_closed(arguments[1]);
		error = close((int)(arguments[1] - HANDLE_BASE));
		break;
	case HEL_CALL_space_lend: return space_lend(arguments);
	case HEL_CALL_space_populate: break;
	case HEL_CALL_futex_wake: break;
	case HEL_CALL_space_read: return space_copy(arguments, false);
	case HEL_CALL_space_write: return space_copy(arguments, true);
	case HEL_CALL_random: memset((void *)arguments[0], 0xa5, arguments[1]); break;
	default: error = -1;
	}
	return (struct hel_outcome){ error == 0 ? 0 : -ERR_UNSUPPORTED, 0 };
}

int helix_map(hel_handle memory, uint64_t offset, uint64_t size, uint32_t flags, void **out_pointer)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, (int)(memory - HANDLE_BASE),
		(off_t)offset);

	(void)flags;
	if (at == MAP_FAILED) {
		return -ERR_NO_MEMORY;
	}
	fake_n_mappings++;
	*out_pointer = at;
	return 0;
}

void helix_unmap(void *pointer, uint64_t size)
{
	fake_n_mappings--;
	munmap(pointer, size);
}

uint64_t memory_size_bytes(void)
{
	return fake_memory_size;
}

void helix_log(enum hel_log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

void kernel_log_write(const void *text, size_t size)
{
	(void)text;
	(void)size;
}

size_t kernel_log_read(uint64_t *in_out_position, void *buffer, size_t size)
{
	(void)in_out_position;
	(void)buffer;
	(void)size;
	return 0;
}

/* ---- what is not here ------------------------------------------------------------------------ */

bool sysfs_pci_path(const char *address, char *out_path, size_t size)
{
	(void)address;
	(void)out_path;
	(void)size;
	return false;
}

void block_finder_settle(void)
{
}

bool fake_has_loop_driver;

int loop_driver_start(
	struct task *task, const struct loop_driver_config *config, struct loop_driver **out_driver)
{
	(void)task;
	(void)config;
	*out_driver = NULL;
	return fake_has_loop_driver ? 0 : -ERR_UNSUPPORTED;
}

void loop_driver_end(struct task *task, struct loop_driver *driver)
{
	(void)task;
	(void)driver;
}

int (*fake_transact)(struct task *, struct bragi_client *, struct bragi_exchange *);

void transport_client_init(struct transport_client *client, hel_handle lane, uint32_t n_handles_max)
{
	*client = (struct transport_client){
		.client = { .transact = fake_transact },
		.lane = lane,
		.n_handles_max = n_handles_max,
	};
}

void transport_close_handles(struct bragi_handles *handles)
{
	for (uint32_t i = 0; i < handles->count; i++) {
		if (handles->items[i] != HEL_NULL) {
			hel_close(HEL_THIS, handles->items[i]);
		}
	}
	handles->count = 0;
}

/* ---- the kernel's statistics --------------------------------------------------------------- */

int kernel_stats_get(struct hel_kernel_stats *out_stats)
{
	*out_stats = (struct hel_kernel_stats){ .memory_total_bytes = MIB(512) };
	return 0;
}

/* ---- channels without devices -------------------------------------------------------------- */

void channel_init(struct channel *channel, const struct channel_ops *ops)
{
	*channel = (struct channel){ .ops = ops };
}

void channel_want(struct channel *channel)
{
	(void)channel;
}

void channel_input_wanted(struct channel *channel)
{
	(void)channel;
}

void channel_output_ready(struct channel *channel)
{
	(void)channel;
}

void channels_start(void)
{
}
