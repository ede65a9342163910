/* SPDX-License-Identifier: MIT */
/* hel calls on the clock, randomness, ports, statistics and the log. */
#include <base/string.h>
#include <thor/cpu.h>
#include <thor/log.h>
#include <thor/memory/memory.h>
#include <thor/memory/page-cache.h>
#include <thor/object/io.h>
#include <thor/syscall/call.h>
#include <thor/time/clock-page.h>
#include <thor/time/random.h>

constexpr size_t RANDOM_MAX = 256;
constexpr size_t LOG_PIECE = 512;
constexpr char LOG_PREFIX[] = "[server] ";

/* ---- time and randomness */

int call_clock_get(struct call *call)
{
	call->value = arch_clock_ns();
	return 0;
}

int call_clock_page(struct call *call)
{
	return universe_attach(call->thread->universe, (struct object *)clock_page_memory(),
		HEL_RIGHT_READ | HEL_RIGHT_MAP | HEL_RIGHT_DERIVE, &call->value);
}

int call_clock_set_realtime(struct call *call)
{
	int error = call_check_authority(call, 0, HEL_RIGHT_SIGNAL);

	if (error == 0) {
		clock_page_set_realtime((int64_t)call_argument(call, 1));
	}
	return error;
}

int call_random(struct call *call)
{
	uint8_t bytes[RANDOM_MAX];
	uint64_t size = call_argument(call, 1);

	if (size > sizeof(bytes)) {
		return -ERR_ILLEGAL_ARGS;
	}
	random_bytes(bytes, size);
	return arch_copy_to_user(call_argument(call, 0), bytes, size);
}

/* ---- ports */

int call_io_create(struct call *call)
{
	struct io *io = NULL;
	struct grant *grant;
	int error = call_use_authority(call, 0, HEL_RIGHT_MANAGE, &grant);

	if (error != 0) {
		return error;
	}
	error = io_create(call_argument(call, 1), call_argument(call, 2), &io);
	return call_return_derived(
		call, error, error == 0 ? &io->object : NULL, HEL_RIGHTS_ALL, grant);
}

int call_io_read(struct call *call)
{
	struct object *object;
	uint32_t value = 0;
	int error = call_lookup(call, 0, HEL_TYPE_IO, HEL_RIGHT_READ, &object);

	if (error == 0) {
		error = io_read(
			io_of(object), call_argument(call, 1), call_argument(call, 2), &value);
		call->value = value;
		object_unref(object);
	}
	return error;
}

int call_io_write(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_IO, HEL_RIGHT_WRITE, &object);

	if (error == 0) {
		error = io_write(io_of(object), call_argument(call, 1), call_argument(call, 2),
			(uint32_t)call_argument(call, 3));
		object_unref(object);
	}
	return error;
}

/* ---- statistics */

static void stats_add_cpu(struct hel_kernel_stats *stats, const struct cpu *cpu)
{
	stats->n_switches += cpu->statistics.n_switches;
	stats->n_interrupts += cpu->statistics.n_interrupts;
	stats->n_faults += cpu->statistics.n_faults;
	stats->n_calls += cpu->n_calls;
	stats->n_space_loads += cpu->statistics.n_space_loads;
	stats->n_lock_waits += cpu->n_lock_waits;
	stats->irqs_off_max_ns = max_u64(stats->irqs_off_max_ns, cpu->statistics.irqs_off_max_ns);
	if (cpu->index < ARRAY_SIZE(stats->idle_ns)) {
		stats->idle_ns[cpu->index] = cpu->statistics.idle_ns;
	}
}

static void stats_add_cache(struct hel_kernel_stats *stats)
{
	struct page_cache_stats cache;

	page_cache_get_stats(&cache);
	stats->cache_bytes = cache.n_pages * HEL_PAGE_SIZE;
	stats->cache_unclean_bytes = cache.n_unclean * HEL_PAGE_SIZE;
	stats->cache_lost_bytes = cache.n_lost * HEL_PAGE_SIZE;
}

int call_kernel_stats(struct call *call)
{
	struct hel_kernel_stats stats = {};
	int error = call_check_authority(call, 0, HEL_RIGHT_READ);

	if (error != 0) {
		return error;
	}
	stats.memory_total_bytes = frame_total_bytes();
	stats.memory_free_bytes = frame_free_bytes();
	stats.kernel_bytes = heap_used_bytes();
	stats_add_cache(&stats);
	stats.n_cpus = cpu_count;
	stats.n_threads = thread_count();
	for (uint32_t i = 0; i < cpu_count; i++) {
		if (cpu_table[i] != NULL) {
			stats_add_cpu(&stats, cpu_table[i]);
		}
	}
	return arch_copy_to_user(call_argument(call, 1), &stats, sizeof(stats));
}

/* ---- log */

int call_log(struct call *call)
{
	static const char level_marks[] = { 'E', 'W', ' ', 'D' };
	char line[sizeof(LOG_PREFIX) + 2 + HEL_LOG_MAX];
	uint64_t level = call_argument(call, 1);
	size_t size = min_size(call_argument(call, 3), HEL_LOG_MAX);
	size_t start = sizeof(LOG_PREFIX) - 1;
	int error = call_check_authority(call, 0, HEL_RIGHT_WRITE);

	if (error != 0) {
		return error;
	}
	if (level > HEL_LOG_DEBUG) {
		return -ERR_ILLEGAL_ARGS;
	}
	memcpy(line, LOG_PREFIX, start);
	if (level_marks[level] != ' ') {
		line[start++] = level_marks[level];
		line[start++] = ' ';
	}
	error = arch_copy_from_user(line + start, call_argument(call, 2), size);
	if (error != 0) {
		return error;
	}
	/* One line of printable text, whatever came. */
	for (size_t i = start; i < start + size; i++) {
		uint8_t byte = (uint8_t)line[i];

		if (byte < ' ' || byte == 0x7f) {
			line[i] = ' ';
		}
	}
	log_write(line, start + size);
	return 0;
}

int call_log_read(struct call *call)
{
	char piece[LOG_PIECE];
	uint64_t position;
	uint64_t size = call_argument(call, 3);
	int error = call_check_authority(call, 0, HEL_RIGHT_READ);

	if (error != 0) {
		return error;
	}
	error = arch_copy_from_user(&position, call_argument(call, 1), sizeof(position));
	if (call_position(call) != 0) {
		position = call->thread->long_call.amount;
		call->value = call_position(call);
	}
	while (error == 0 && call->value < size) {
		size_t n_bytes =
			log_read(&position, piece, min_size(size - call->value, sizeof(piece)));

		if (n_bytes == 0) {
			break;
		}
		error = arch_copy_to_user(call_argument(call, 2) + call->value, piece, n_bytes);
		call->value += n_bytes;
		if (error == 0) {
			error = call_next_copy(call, call->value, size);
		}
	}
	if (error == CALL_RESTART) {
		call->thread->long_call.amount = position;
	}
	if (error == 0) {
		error = arch_copy_to_user(call_argument(call, 1), &position, sizeof(position));
	}
	return error;
}
