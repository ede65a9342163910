/* SPDX-License-Identifier: MIT */
/*
 * Random changes of one file, as fsx makes them: writes through pages and past them, sizes, holes,
 * pages that are dropped; and all the time another task has the file stored. After each operation
 * that reads, and at the end, the file is what the model says.
 *
 * Pages are touched by hel_memory_read() and _write(), which wait for the server.
 */
#include "exerciser.h"

#include <base/errors.h>
#include <base/random.h>
#include <base/string.h>

#define SIZE_MAX_BYTES KIB(512)
#define CHUNK_BYTES    KIB(64) /* of an operation, at most */
#define BLOCK_BYTES    KIB(4)
#define S_IFREG        0100000u

struct exerciser {
	struct fs_client *session;
	struct fs_client syncer; /* the same session, with a buffer of its own */
	struct random random;
	uint64_t node;
	hel_handle pages;
	hel_handle direct;
	uint8_t *direct_bytes;
	uint8_t *model; /* SIZE_MAX_BYTES; zero behind the end */
	uint8_t *buffer;
	uint64_t size;
	uint32_t n_done;
	bool is_over;
	const char *doing;
	uint64_t offset, length;
};

/* What is wrong with the file, if something is. */
static bool fails(const struct exerciser *exerciser, const char *why, int64_t detail)
{
	helix_log(HEL_LOG_ERROR, "operation %u, %s of %llu bytes at %llu, size %llu: %s (%lld)",
		exerciser->n_done, exerciser->doing, (unsigned long long)exerciser->length,
		(unsigned long long)exerciser->offset, (unsigned long long)exerciser->size, why,
		(long long)detail);
	return false;
}

static bool compare(
	const struct exerciser *exerciser, const uint8_t *bytes, uint64_t offset, uint64_t length)
{
	for (uint64_t i = 0; i < length; i++) {
		if (bytes[i] != exerciser->model[offset + i]) {
			return fails(exerciser, "another byte", (int64_t)(offset + i));
		}
	}
	return true;
}

/* ---- operations ------------------------------------------------------------------------------ */

static void choose_range(struct exerciser *exerciser, uint64_t limit)
{
	exerciser->offset = random_below(&exerciser->random, limit);
	exerciser->length = random_between(
		&exerciser->random, 1, min_u64(CHUNK_BYTES, limit - exerciser->offset));
}

static void fill_random(struct exerciser *exerciser, uint8_t *bytes)
{
	uint8_t start = (uint8_t)random_below(&exerciser->random, 256);

	for (uint64_t i = 0; i < exerciser->length; i++) {
		bytes[i] = (uint8_t)(start + i * 3);
	}
	memcpy(exerciser->model + exerciser->offset, bytes, exerciser->length);
}

static bool do_write(struct task *task, struct exerciser *exerciser)
{
	choose_range(exerciser, SIZE_MAX_BYTES);
	uint64_t end = exerciser->offset + exerciser->length;
	int error = fs_reserve(task, exerciser->session, exerciser->node, exerciser->offset,
		exerciser->length, end > exerciser->size ? end : 0);

	if (error != 0) {
		return fails(exerciser, "not reserved", error);
	}
	exerciser->size = max_u64(exerciser->size, end);
	fill_random(exerciser, exerciser->buffer);
	error = hel_memory_write(
		exerciser->pages, exerciser->offset, exerciser->buffer, exerciser->length);
	return error == 0 || fails(exerciser, "not written", error);
}

static bool do_read(struct task *task UNUSED, struct exerciser *exerciser)
{
	if (exerciser->size == 0) {
		return true;
	}
	choose_range(exerciser, exerciser->size);
	int error = hel_memory_read(
		exerciser->pages, exerciser->offset, exerciser->buffer, exerciser->length);

	return error == 0
		? compare(exerciser, exerciser->buffer, exerciser->offset, exerciser->length)
		: fails(exerciser, "not read", error);
}

static bool do_cut(struct task *task, struct exerciser *exerciser)
{
	exerciser->offset = random_below(&exerciser->random, SIZE_MAX_BYTES);
	exerciser->length = 0;
	int error = fs_set_size(task, exerciser->session, exerciser->node, exerciser->offset);

	if (error != 0) {
		return fails(exerciser, "not cut", error);
	}
	exerciser->size = exerciser->offset;
	memset(exerciser->model + exerciser->size, 0, SIZE_MAX_BYTES - exerciser->size);
	return true;
}

static bool do_hole(struct task *task, struct exerciser *exerciser)
{
	bool keeps = random_chance(&exerciser->random, 2);

	choose_range(exerciser, keeps ? max_u64(exerciser->size, 1) : SIZE_MAX_BYTES);
	int error = fs_allocate(task, exerciser->session, exerciser->node,
		keeps ? FS_ALLOCATE_MODE_PUNCH_HOLE : FS_ALLOCATE_MODE_ZERO, exerciser->offset,
		exerciser->length);

	if (error != 0) {
		return fails(exerciser, "no hole", error);
	}
	memset(exerciser->model + exerciser->offset, 0, exerciser->length);
	if (!keeps) {
		exerciser->size = max_u64(exerciser->size, exerciser->offset + exerciser->length);
	}
	return true;
}

static bool do_direct(struct task *task, struct exerciser *exerciser)
{
	bool is_write = random_chance(&exerciser->random, 2);

	if (exerciser->size < BLOCK_BYTES) {
		return true;
	}
	choose_range(exerciser, align_down(exerciser->size, BLOCK_BYTES));
	exerciser->length = align_down(exerciser->length, BLOCK_BYTES);
	exerciser->offset = align_down(exerciser->offset, BLOCK_BYTES);
	if (exerciser->length == 0) {
		exerciser->length = BLOCK_BYTES;
	}
	if (is_write) {
		fill_random(exerciser, exerciser->direct_bytes);
	}
	int error = fs_transfer(task, exerciser->session, exerciser->node, is_write,
		exerciser->offset, exerciser->length, exerciser->direct);

	if (error != 0) {
		return fails(exerciser, is_write ? "not written" : "not read", error);
	}
	return compare(exerciser, exerciser->direct_bytes, exerciser->offset, exerciser->length);
}

static bool do_drop(struct task *task UNUSED, struct exerciser *exerciser)
{
	int error = hel_memory_advise(
		exerciser->pages, HEL_ADVICE_DONT_NEED, 0, align_up(SIZE_MAX_BYTES, HEL_PAGE_SIZE));

	return error == 0 || fails(exerciser, "not dropped", error);
}

static bool do_sync(struct task *task, struct exerciser *exerciser)
{
	int error = fs_sync_node(task, exerciser->session, exerciser->node);

	return error == 0 || fails(exerciser, "not stored", error);
}

static const struct {
	const char *name;
	bool (*run)(struct task *task, struct exerciser *exerciser);
} operations[] = {
	{ "a write", do_write },
	{ "a write", do_write },
	{ "a read", do_read },
	{ "a read", do_read },
	{ "a cut", do_cut },
	{ "a hole", do_hole },
	{ "a direct transfer", do_direct },
	{ "a drop", do_drop },
	{ "a sync", do_sync },
};

/* ---- the course of it ------------------------------------------------------------------------ */

static int sync_all_the_time(struct task *task, void *argument)
{
	struct exerciser *exerciser = argument;
	int error = 0;

	while (error == 0 && !exerciser->is_over) {
		error = fs_sync_node(task, &exerciser->syncer, exerciser->node);
	}
	return error;
}

static bool run_operations(struct task *task, struct exerciser *exerciser, uint32_t n_operations)
{
	for (; exerciser->n_done < n_operations; exerciser->n_done++) {
		size_t which = random_below(&exerciser->random, ARRAY_SIZE(operations));

		exerciser->doing = operations[which].name;
		if (!operations[which].run(task, exerciser)) {
			return false;
		}
	}
	exerciser->doing = "the end";
	exerciser->offset = 0;
	exerciser->length = exerciser->size;
	int error = exerciser->size == 0
		? 0
		: hel_memory_read(exerciser->pages, 0, exerciser->buffer, exerciser->size);

	return error == 0 ? compare(exerciser, exerciser->buffer, 0, exerciser->size)
			  : fails(exerciser, "not read", error);
}

static bool prepare(struct task *task, struct exerciser *exerciser, const char *name)
{
	struct fs_mapped mapped;
	struct fs_node node;
	void *address;

	if (fs_create(task, exerciser->session, exerciser->session->root.id, name, S_IFREG | 0600,
		    NULL, &node) != 0 ||
		fs_reserve(task, exerciser->session, node.id, 0, 1, 1) != 0 ||
		fs_map(task, exerciser->session, node.id, 1, true, &mapped) != 0) {
		return false;
	}
	helix_unmap(mapped.bytes, mapped.size);
	exerciser->node = node.id;
	exerciser->pages = mapped.memory;
	exerciser->size = 1;
	exerciser->model = helix_calloc(1, SIZE_MAX_BYTES);
	exerciser->buffer = helix_calloc(1, SIZE_MAX_BYTES);
	if (exerciser->model == NULL || exerciser->buffer == NULL ||
		hel_memory_allocate(CHUNK_BYTES, 0, &exerciser->direct) != 0 ||
		helix_map(exerciser->direct, 0, CHUNK_BYTES, HEL_MAP_READ | HEL_MAP_WRITE,
			&address) != 0) {
		return false;
	}
	exerciser->direct_bytes = address;
	return fs_client_init_again(&exerciser->syncer, exerciser->session) == 0;
}

bool exercise(struct task *task, struct fs_client *session, const char *name, uint64_t seed,
	uint32_t n_operations)
{
	static struct exerciser exerciser;
	struct scope scope;

	helix_log(HEL_LOG_INFO, "%s: seed %llu, %u operations", name, (unsigned long long)seed,
		n_operations);
	exerciser = (struct exerciser){ .session = session };
	random_init(&exerciser.random, seed);
	if (!prepare(task, &exerciser, name)) {
		return false;
	}
	scope_begin(task, &scope);
	scope_spawn(&scope, "sync", sync_all_the_time, &exerciser);
	bool is_good = run_operations(task, &exerciser, n_operations);

	exerciser.is_over = true;
	is_good = scope_join(&scope) == 0 && is_good;
	hel_close(HEL_THIS, exerciser.pages);
	helix_unmap(exerciser.direct_bytes, CHUNK_BYTES);
	hel_close(HEL_THIS, exerciser.direct);
	helix_free(exerciser.model);
	helix_free(exerciser.buffer);
	helix_free(exerciser.syncer.buffer);
	return fs_forget(task, session, exerciser.node, 1) == 0 && is_good;
}
