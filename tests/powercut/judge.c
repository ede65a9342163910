/* SPDX-License-Identifier: MIT */
/*
 * The judge of the power-cut test: what is left on an image must be what its workers may have left.
 *
 *	judge IMAGE SEED [--save REPLAYED] STEPS...
 *
 * Mounts the file system, as a file server would, which replays its journal; compares the directory
 * of each worker with the state after its STEPS (see plan.h), or after the step that was then under
 * way; unmounts, and saves what the image is now. One line says what is wrong, and the status is 1.
 */
#include "plan.h"

#include <base/assert.h>
#include <drivers/lib/blockfs/tests/harness.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct judge {
	struct harness harness;
	uint64_t seed;
	uint32_t n_workers;
	uint32_t n_steps[PLAN_WORKERS_MAX];
	bool is_guilty;
};

/* What a name may stand for. */
struct allowed {
	struct plan_file before, after;
};

__attribute__((format(printf, 2, 3))) static void accuse(
	struct judge *judge, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	printf("judge: ");
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
	judge->is_guilty = true;
}

/* Whether a file of this size and these contents is what stands there after some step. */
static bool has_contents(struct plan_file file, const uint8_t *bytes, size_t size)
{
	static uint8_t right[PLAN_SIZE_MAX];

	plan_fill(file.id, 0, right, size);
	return memcmp(bytes, right, size) == 0;
}

/* It was being cut: what is going is still there, or zero already. */
static bool is_being_cut(const struct allowed *allowed, const uint8_t *bytes, size_t size)
{
	static uint8_t right[PLAN_SIZE_MAX];
	const struct plan_file *before = &allowed->before, *after = &allowed->after;

	if (before->id != after->id || size != before->size || after->size >= size) {
		return false;
	}
	plan_fill(before->id, 0, right, size);
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != right[i] && (i < after->size || bytes[i] != 0)) {
			return false;
		}
	}
	return true;
}

static bool may_be(const struct allowed *allowed, const uint8_t *bytes, size_t size)
{
	const struct plan_file *before = &allowed->before, *after = &allowed->after;

	if (before->id != 0 && size == before->size && has_contents(*before, bytes, size)) {
		return true;
	}
	if (after->id == 0) {
		return false;
	}
	if (size == after->size && has_contents(*after, bytes, size)) {
		return true;
	}
	if (is_being_cut(allowed, bytes, size)) {
		return true;
	}
	/* it was growing; or it had just been made */
	uint32_t least = before->id == after->id ? before->size : 0;

	return size >= least && size < after->size && has_contents(*after, bytes, size);
}

static bool may_be_absent(const struct allowed *allowed)
{
	return allowed->before.id == 0 || allowed->after.id == 0;
}

static void judge_file(struct judge *judge, struct task *task, uint32_t worker, uint32_t number,
	const struct allowed *allowed)
{
	static uint8_t bytes[PLAN_SIZE_MAX];
	struct blockfs_attributes attributes;
	struct blockfs_node *node;
	char path[32];
	size_t size;

	snprintf(path, sizeof(path), "/w%u/f%u", worker, number);
	int error = path_find(task, judge->harness.fs, path, &node);

	if (error == -ERR_NOT_FOUND) {
		if (!may_be_absent(allowed)) {
			accuse(judge, "%s is gone", path);
		}
		return;
	}
	if (error != 0) {
		accuse(judge, "%s: %s", path, blockfs_error_name(error));
		return;
	}
	judge->harness.fs->ops->get_attributes(node, &attributes);
	error = attributes.size <= PLAN_SIZE_MAX
		? file_read(task, node, 0, bytes, (size_t)attributes.size, &size)
		: BLOCKFS_E_TOO_LARGE;
	if (error != 0 || size != attributes.size) {
		accuse(judge, "%s cannot be read: %s", path, blockfs_error_name(error));
	} else if (!may_be(allowed, bytes, size)) {
		accuse(judge, "%s has %zu bytes that it must not have; %x %u, then %x %u", path,
			size, allowed->before.id, allowed->before.size, allowed->after.id,
			allowed->after.size);
	}
	judge->harness.fs->ops->node_put(task, node);
}

static void judge_worker(struct judge *judge, struct task *task, uint32_t worker)
{
	struct allowed allowed[PLAN_FILES];
	struct plan plan;

	plan_init(&plan, judge->seed, worker);
	for (uint32_t i = 0; i < judge->n_steps[worker]; i++) {
		(void)plan_next(&plan);
	}
	for (uint32_t i = 0; i < PLAN_FILES; i++) {
		allowed[i].before = plan.files[i];
	}
	(void)plan_next(&plan);
	for (uint32_t i = 0; i < PLAN_FILES; i++) {
		allowed[i].after = plan.files[i];
		judge_file(judge, task, worker, i, &allowed[i]);
	}
}

static int judge_all(struct task *task, void *argument)
{
	struct judge *judge = argument;

	for (uint32_t i = 0; i < judge->n_workers; i++) {
		judge_worker(judge, task, i);
	}
	return 0;
}

static void judge_image(struct judge *judge, const char *image, const char *saved)
{
	harness_init(&judge->harness, 0);
	harness_load(&judge->harness, image);
	int error = harness_mount(&judge->harness, false);

	if (error != 0) {
		accuse(judge, "it cannot be mounted: %s", blockfs_error_name(error));
	} else {
		(void)harness_run(&judge->harness, judge_all, judge);
		error = harness_unmount(&judge->harness);
		if (error != 0) {
			accuse(judge, "unmounting: %s", blockfs_error_name(error));
		}
	}
	if (saved != NULL && !fake_device_save(&judge->harness.fake, saved)) {
		accuse(judge, "%s cannot be written", saved);
	}
	harness_deinit(&judge->harness);
}

void assert_fail(const char *file, int line, const char *expression)
{
	printf("judge: %s:%d: assertion failed: %s\n", file, line, expression);
	abort();
}

int main(int n_arguments, char **arguments)
{
	static struct judge judge;
	const char *saved = NULL;
	int next = 3;

	if (n_arguments > 4 && strcmp(arguments[3], "--save") == 0) {
		saved = arguments[4];
		next = 5;
	}
	if (n_arguments <= next || n_arguments - next > PLAN_WORKERS_MAX) {
		fprintf(stderr, "usage: judge IMAGE SEED [--save REPLAYED] STEPS...\n");
		return 2;
	}
	judge.seed = strtoull(arguments[2], NULL, 0);
	for (; next < n_arguments; next++) {
		judge.n_steps[judge.n_workers++] = (uint32_t)strtoul(arguments[next], NULL, 0);
	}
	judge_image(&judge, arguments[1], saved);
	return judge.is_guilty ? 1 : 0;
}
