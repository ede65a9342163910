/* SPDX-License-Identifier: MIT */
/*
 * What is known about calls: a row for each, with the kinds of its arguments. Arguments that a row
 * does not name are anything. A new call is made from the day it has a row.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define ROWS_MAX 512

#include "table-values.h"

#define ANY     { KIND_ANY, 0, NULL }
#define NUM     { KIND_NUMBER, 0, NULL }
#define FD      { KIND_FD, 0, NULL }
#define DIRFD   { KIND_DIRECTORY_FD, 0, NULL }
#define PATH    { KIND_PATH, 0, NULL }
#define OWN     { KIND_OWN_PATH, 0, NULL }
#define NAME    { KIND_NAME, 0, NULL }
#define BUFFER  { KIND_BUFFER, 0, NULL }
#define SIZE    { KIND_SIZE, 0, NULL }
#define OFFSET  { KIND_OFFSET, 0, NULL }
#define MODE    { KIND_MODE, 0, NULL }
#define PID     { KIND_PID, 0, NULL }
#define OWN_PID { KIND_PROCESS_ID, 0, NULL }
#define SIGNAL  { KIND_SIGNAL, 0, NULL }
#define RANGE   { KIND_RANGE, 0, NULL }
#define LENGTH  { KIND_RANGE_SIZE, 0, NULL }
#define MS      { KIND_WAIT_MS, 0, NULL }
#define KEY     { KIND_KEY, 0, NULL }
#define OWNER   { KIND_OWNER, 0, NULL }

#define OWNER_EX    { KIND_OWNER_EX, 0, NULL }
#define QUEUE_NAME  { KIND_QUEUE_NAME, 0, NULL }
#define FILE_SYSTEM { KIND_FILE_SYSTEM, 0, NULL }
#define IPC(kind_)  { KIND_IPC_ID, IPC_##kind_, NULL }

#define STRUCT(shape_)   { KIND_STRUCT, SHAPE_##shape_, NULL }
#define FLAGS(values_)   { KIND_FLAGS, N_ELEMENTS(values_), values_ }
#define ONE_OF(values_)  { KIND_ONE_OF, N_ELEMENTS(values_), values_ }
#define EXACTLY(values_) { KIND_EXACTLY, N_ELEMENTS(values_), values_ }

#define CALL(name_, weight_, ...) \
	{ \
		SYS_##name_, WEIGHT_##weight_, false, #name_, \
		{ \
			__VA_ARGS__ \
		} \
	}
/* Changes what the whole machine has. */
#define WORLD(name_, weight_, ...) \
	{ \
		SYS_##name_, WEIGHT_##weight_, true, #name_, \
		{ \
			__VA_ARGS__ \
		} \
	}

/* clang-format off */
const struct call table[] = {
#include "table-rows.def"
};
/* clang-format on */

const size_t table_size = N_ELEMENTS(table);

static uint16_t weight_ends[ROWS_MAX]; /* sums of the weights up to each row */
_Static_assert(N_ELEMENTS(table) <= ROWS_MAX, "rows");

void table_init(bool has_world)
{
	uint16_t sum = 0;

	for (size_t i = 0; i < table_size; i++) {
		sum += table[i].is_for_world && !has_world ? 0 : table[i].weight;
		weight_ends[i] = sum;
	}
}

const struct call *table_draw(struct draw *draw)
{
	uint64_t at = draw_below(draw, weight_ends[table_size - 1]);
	size_t low = 0, high = table_size;

	/* the first row that ends behind `at` */
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (weight_ends[middle] <= at) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return &table[low];
}

const char *table_name(int64_t number)
{
	for (size_t i = 0; i < table_size; i++) {
		if (table[i].number == number) {
			return table[i].name;
		}
	}
	return "?";
}
