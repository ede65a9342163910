/* SPDX-License-Identifier: MIT */
/* The steps of the power-cut test; see plan.h. */
#include "plan.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15) /* spreads numbers (splitmix64) */

static uint64_t mixed(uint64_t value)
{
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

/* A number in [0, bound). */
static uint32_t random_number(struct plan *plan, uint32_t bound)
{
	plan->chance += GOLDEN;
	return (uint32_t)(mixed(plan->chance) % bound);
}

void plan_init(struct plan *plan, uint64_t seed, uint32_t worker)
{
	*plan = (struct plan){ .worker = worker, .chance = mixed(seed + worker * GOLDEN) };
}

/* Mostly small, sometimes as large as files get. */
static uint32_t random_size(struct plan *plan)
{
	uint32_t bits = 4 + random_number(plan, 14);

	return 1 + random_number(plan, UINT32_C(1) << bits);
}

static struct plan_file new_file(struct plan *plan, uint32_t size)
{
	plan->last_id++;
	return (struct plan_file){ .id = plan->worker << 24 | plan->last_id, .size = size };
}

static struct plan_file append(struct plan *plan, struct plan_file file)
{
	uint32_t size = random_size(plan);

	if (file.id == 0) {
		return new_file(plan, size);
	}
	file.size = file.size + size <= PLAN_SIZE_MAX ? file.size + size : PLAN_SIZE_MAX;
	return file;
}

static enum plan_kind random_kind(struct plan *plan)
{
	static const enum plan_kind kinds[] = { PLAN_APPEND, PLAN_APPEND, PLAN_APPEND, PLAN_APPEND,
		PLAN_REPLACE, PLAN_REPLACE, PLAN_TRUNCATE, PLAN_UNLINK, PLAN_RENAME };

	return kinds[random_number(plan, sizeof(kinds) / sizeof(kinds[0]))];
}

struct plan_step plan_next(struct plan *plan)
{
	struct plan_step step = {
		.kind = random_kind(plan),
		.file = random_number(plan, PLAN_FILES),
	};
	struct plan_file *file = &plan->files[step.file];

	step.other = (step.file + 1 + random_number(plan, PLAN_FILES - 1)) % PLAN_FILES;
	plan->n_steps++;
	if (file->id == 0 && step.kind != PLAN_REPLACE) {
		step.kind = PLAN_APPEND;
	}
	switch (step.kind) {
	case PLAN_APPEND: step.after = append(plan, *file); break;
	case PLAN_REPLACE: step.after = new_file(plan, random_size(plan)); break;
	case PLAN_TRUNCATE:
		step.after = *file;
		step.after.size = random_number(plan, file->size + 1);
		break;
	case PLAN_UNLINK: step.after = (struct plan_file){ 0 }; break;
	case PLAN_RENAME:
		step.after = *file;
		*file = (struct plan_file){ 0 };
		file = &plan->files[step.other];
		break;
	}
	*file = step.after;
	return step;
}

void plan_fill(uint32_t id, uint64_t offset, uint8_t *out_bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint64_t word = mixed((uint64_t)id << 32 | (offset + i) / 8);

		/* never zero: holes and pages that nobody wrote show */
		out_bytes[i] = (uint8_t)(word >> (offset + i) % 8 * 8) | 1;
	}
}
