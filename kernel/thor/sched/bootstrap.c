/* SPDX-License-Identifier: MIT */
/*
 * Starting svrctl: see <thor/bootstrap.h>.
 *
 *   0x400000 …        the program's segments, as its ELF file says
 *   BOOTSTRAP_START   the start area: struct hel_start, then strings and the argument pointers
 *   BOOTSTRAP_STACK   the stack, with a hole below
 */
#include <thor/bootstrap.h>

#include <abi/hel/start.h>
#include <base/cpio.h>
#include <base/errors.h>
#include <base/string.h>
#include <elf/elf-read.h>
#include <thor/cpu.h>
#include <thor/init/init.h>
#include <thor/memory/memory.h>
#include <thor/object/token.h>
#include <thor/object/universe.h>
#include <thor/panic.h>
#include <thor/sched/thread.h>

constexpr char BOOTSTRAP_PATH[] = "boot/hati/servers/svrctl";
constexpr uint64_t BOOTSTRAP_START = 0x0000'7ffe'0000'0000;
constexpr uint64_t BOOTSTRAP_STACK = 0x0000'7fff'0000'0000;
constexpr uint64_t BOOTSTRAP_STACK_BYTES = 256 * 1024;
constexpr size_t BOOTSTRAP_START_BYTES = 8192;

/* Never freed, see enum boot_memory_type. */
static const struct boot_info *bootstrap_boot_info;

struct bootstrap {
	const struct boot_info *boot;
	struct universe *universe;
	struct space *space;
	struct hel_start *start; /* kernel buffer of BOOTSTRAP_START_BYTES */
	size_t start_used;
};

static int bootstrap_map(struct bootstrap *bootstrap, struct memory *memory, uint64_t address,
	uint64_t size_bytes, uint32_t flags)
{
	struct hel_map_args args = {
		.address = address,
		.size_bytes = size_bytes,
		.flags = flags | HEL_MAP_FIXED_NOREPLACE,
	};
	uint64_t mapped_at;

	return space_map(bootstrap->space, memory, &args, &mapped_at);
}

/* Fresh memory at @address with @size bytes of @data at @skip from its start. */
static int bootstrap_load(struct bootstrap *bootstrap, uint64_t address, uint64_t size_bytes,
	uint32_t flags, const void *data, size_t skip, size_t size)
{
	struct memory *memory;
	int error = memory_create_allocated(size_bytes, 0, &memory);

	if (error != 0) {
		return error;
	}
	if (size > 0) {
		error = memory_write(memory, skip, data, size);
	}
	if (error == 0) {
		error = bootstrap_map(bootstrap, memory, address, size_bytes, flags);
	}
	object_unref((struct object *)memory);
	return error;
}

static uint32_t bootstrap_flags_of(uint32_t elf_flags)
{
	uint32_t flags = 0;

	if ((elf_flags & ELF_FLAG_READ) != 0) {
		flags |= HEL_MAP_READ;
	}
	if ((elf_flags & ELF_FLAG_WRITE) != 0) {
		flags |= HEL_MAP_WRITE;
	}
	if ((elf_flags & ELF_FLAG_EXECUTE) != 0) {
		flags |= HEL_MAP_EXECUTE;
	}
	return flags;
}

static int bootstrap_load_program(
	struct bootstrap *bootstrap, const struct cpio_entry *file, uint64_t *out_entry)
{
	struct elf_info *info = heap_allocate(sizeof(*info));

	if (info == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = elf_parse(file->data, file->size, info);

	for (size_t i = 0; error == 0 && i < info->n_segments; i++) {
		const struct elf_segment *segment = &info->segments[i];
		uint64_t low = align_down(segment->vaddr, HEL_PAGE_SIZE);
		uint64_t high = align_up(segment->vaddr + segment->memory_size, HEL_PAGE_SIZE);

		error = bootstrap_load(bootstrap, low, high - low,
			bootstrap_flags_of(segment->flags),
			(const uint8_t *)file->data + segment->offset, segment->vaddr - low,
			segment->file_size);
	}
	*out_entry = info->entry;
	heap_free(info);
	return error;
}

/* ---- the start area */

/*
 * Room for @size bytes behind what is there; their offset. The area is large enough for all that
 * this file puts there.
 */
static size_t bootstrap_reserve(struct bootstrap *bootstrap, size_t size)
{
	size_t offset = bootstrap->start_used;

	bootstrap->start_used += align_up_size(size, 8);
	return offset;
}

static uint64_t bootstrap_add_string(struct bootstrap *bootstrap, const char *text, size_t size)
{
	size_t offset = bootstrap_reserve(bootstrap, size + 1);

	memcpy((uint8_t *)bootstrap->start + offset, text, size);
	return BOOTSTRAP_START + offset;
}

static int bootstrap_add_handle(struct bootstrap *bootstrap, const char *name,
	struct object *object, uint32_t rights, uint64_t value)
{
	struct hel_start_handle *entry = &bootstrap->start->handles[bootstrap->start->n_handles];
	int error = universe_attach(bootstrap->universe, object, rights, &entry->handle);

	if (error == 0) {
		str_copy(entry->name, sizeof(entry->name), name);
		entry->value = value;
		bootstrap->start->n_handles++;
	}
	return error;
}

static int bootstrap_add_initrd(struct bootstrap *bootstrap)
{
	const struct boot_info *boot = bootstrap->boot;
	struct memory *memory;
	int error = memory_create_physical(boot->initrd_phys,
		align_up(boot->initrd_size, HEL_PAGE_SIZE), HEL_CACHE_WRITE_BACK, &memory);

	if (error == 0) {
		error = bootstrap_add_handle(bootstrap, "initrd", (struct object *)memory,
			HEL_RIGHT_READ | HEL_RIGHT_MAP | HEL_RIGHT_DERIVE, boot->initrd_size);
		object_unref((struct object *)memory);
	}
	return error;
}

/* A copy of the boot information, without the seed of the kernel's secrets. */
static int bootstrap_add_boot_info(struct bootstrap *bootstrap)
{
	static const uint64_t no_seed[4];
	const struct boot_info *boot = bootstrap->boot;
	struct memory *memory;
	int error = memory_create_allocated(align_up(sizeof(*boot), HEL_PAGE_SIZE), 0, &memory);

	if (error != 0) {
		return error;
	}
	error = memory_write(memory, 0, boot, sizeof(*boot));
	if (error == 0) {
		error = memory_write(
			memory, offsetof(struct boot_info, random_seed), no_seed, sizeof(no_seed));
	}
	if (error == 0) {
		error = bootstrap_add_handle(bootstrap, "boot-info", (struct object *)memory,
			HEL_RIGHT_READ | HEL_RIGHT_MAP | HEL_RIGHT_DERIVE, sizeof(*boot));
	}
	object_unref((struct object *)memory);
	return error;
}

static int bootstrap_add_handles(struct bootstrap *bootstrap)
{
	int error =
		bootstrap_add_handle(bootstrap, "authority", authority_object(), HEL_RIGHTS_ALL, 0);

	if (error == 0) {
		error = bootstrap_add_handle(bootstrap, "log", authority_object(),
			HEL_RIGHT_WRITE | HEL_RIGHT_DERIVE, 0);
	}
	if (error == 0) {
		error = bootstrap_add_initrd(bootstrap);
	}
	if (error == 0) {
		error = bootstrap_add_boot_info(bootstrap);
	}
	return error;
}

static void bootstrap_add_strings(struct bootstrap *bootstrap)
{
	struct hel_start *start = bootstrap->start;
	size_t argv = bootstrap_reserve(bootstrap, 2 * sizeof(uint64_t));
	const char *line = bootstrap->boot->command_line;
	uint64_t address;

	start->command_line =
		bootstrap_add_string(bootstrap, line, strnlen(line, BOOT_COMMAND_LINE_MAX - 1));
	address = bootstrap_add_string(bootstrap, BOOTSTRAP_PATH, sizeof(BOOTSTRAP_PATH) - 1);
	memcpy((uint8_t *)start + argv, &address, sizeof(address));
	start->argv = BOOTSTRAP_START + argv;
	start->argc = 1;
	start->envp = BOOTSTRAP_START + argv + sizeof(uint64_t);
}

static int bootstrap_fill_start(struct bootstrap *bootstrap)
{
	struct hel_start *start = bootstrap->start;

	start->magic = HEL_START_MAGIC;
	start->version = HEL_START_VERSION;
	start->n_cpus = cpu_count;
	start->rsdp_phys = bootstrap->boot->rsdp_phys;
	bootstrap_reserve(bootstrap, sizeof(*start) + 8 * sizeof(start->handles[0]));
	bootstrap_add_strings(bootstrap);
	int error = bootstrap_add_handles(bootstrap);

	start->size_bytes = (uint32_t)bootstrap->start_used;
	if (error != 0) {
		return error;
	}
	return bootstrap_load(bootstrap, BOOTSTRAP_START, BOOTSTRAP_START_BYTES,
		HEL_MAP_READ | HEL_MAP_WRITE, start, 0, bootstrap->start_used);
}

/* ---- all together */

static int bootstrap_run(struct bootstrap *bootstrap, const struct cpio_entry *file)
{
	struct thread_options options = {
		.universe = bootstrap->universe,
		.space = bootstrap->space,
		.sp = BOOTSTRAP_STACK + BOOTSTRAP_STACK_BYTES - 8,
		.argument = BOOTSTRAP_START,
	};
	struct thread *thread;
	int error = bootstrap_load_program(bootstrap, file, &options.ip);

	if (error == 0) {
		error = bootstrap_load(bootstrap, BOOTSTRAP_STACK, BOOTSTRAP_STACK_BYTES,
			HEL_MAP_READ | HEL_MAP_WRITE, NULL, 0, 0);
	}
	if (error == 0) {
		error = bootstrap_fill_start(bootstrap);
	}
	if (error == 0) {
		error = thread_create(&options, &thread);
	}
	if (error != 0) {
		return error;
	}
	error = thread_start(thread);
	object_unref(&thread->object);
	return error;
}

static int bootstrap_create(struct bootstrap *bootstrap)
{
	int error = universe_create(&bootstrap->universe);

	if (error == 0) {
		/* It has no descriptor, but will have a thread. */
		object_handle_ref(&bootstrap->universe->object);
		error = space_create(&bootstrap->space);
	}
	if (error != 0) {
		return error;
	}
	bootstrap->start = heap_allocate(BOOTSTRAP_START_BYTES);
	return bootstrap->start != NULL ? 0 : -ERR_NO_MEMORY;
}

static void bootstrap_find(const struct boot_info *boot, struct cpio_entry *out_file)
{
	const void *archive = arch_phys_to_virt(boot->initrd_phys);

	if (boot->initrd_size == 0 || !is_aligned(boot->initrd_phys, HEL_PAGE_SIZE)) {
		panic("start: no initial archive");
	}
	if (!cpio_find(archive, boot->initrd_size, BOOTSTRAP_PATH, out_file)) {
		panic("start: %s is not in the initial archive", BOOTSTRAP_PATH);
	}
}

void server_bootstrap(const struct boot_info *boot)
{
	struct bootstrap bootstrap = { .boot = boot };
	struct cpio_entry file;

	bootstrap_boot_info = boot;
	bootstrap_find(boot, &file);
	int error = bootstrap_create(&bootstrap);

	if (error == 0) {
		error = bootstrap_run(&bootstrap, &file);
	}
	if (error != 0) {
		panic("start: %s: %s", BOOTSTRAP_PATH, error_text(error));
	}
	heap_free(bootstrap.start);
	object_handle_unref_quietly(&bootstrap.universe->object);
	object_unref(&bootstrap.universe->object);
	object_unref((struct object *)bootstrap.space);
}

bool boot_owns_range(uint64_t phys, uint64_t size_bytes)
{
	const struct boot_info *boot = bootstrap_boot_info;

	for (uint32_t i = 0; i < boot->n_memory; i++) {
		const struct boot_memory *memory = &boot->memory[i];
		bool is_ours = memory->type == BOOT_MEMORY_FREE ||
			memory->type == BOOT_MEMORY_KERNEL || memory->type == BOOT_MEMORY_RECLAIM;

		if (is_ours && phys < memory->address + memory->size_bytes &&
			memory->address < phys + size_bytes) {
			return true;
		}
	}
	return false;
}

INIT_TASK(bootstrap, "bootstrap", .run = server_bootstrap, .needs = { "ready" });
