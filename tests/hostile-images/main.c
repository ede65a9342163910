/* SPDX-License-Identifier: MIT */
/*
 * Hostile images, used by the library as a file server would: see hostile.h.
 *
 *	hostile-images [--only WORD] [--case NUMBER] [--write FILE SLOT]
 *
 * HATI_HOSTILE_IMAGES: how many (default 500), spread over all bases; HATI_HOSTILE_SEED: which.
 * The cases run in a child; one that crashes, hangs or leaves an assertion behind is told, with its
 * number, and the next child goes on behind it. --case runs one of them here. --write makes no use
 * of the images but writes them to a file, one each SLOT bytes, and says what each is.
 */
#include "hostile.h"

#include <base/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_MAX 60 /* of a case; the slowest takes a few hundred milliseconds */
#define TEXT_SIZE   512

/* What the child has done, seen by its parent. */
struct progress {
	uint64_t number; /* of the case that it is at */
	uint64_t n_mounted[HOSTILE_BASES_MAX], n_cases[HOSTILE_BASES_MAX];
	uint64_t n_nodes, n_changed, n_refused, n_complaints;
	char text[TEXT_SIZE];
};

struct run {
	uint64_t seed;
	uint64_t n_cases;
	struct base *chosen[HOSTILE_BASES_MAX];
	size_t n_chosen;
	uint64_t size; /* of the largest image */
	struct harness harness;
	struct progress *progress;
};

void assert_fail(const char *file, int line, const char *expression)
{
	printf("%s:%d: assertion failed: %s\n", file, line, expression);
	abort();
}

static uint64_t environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL && *text != 0 ? strtoull(text, NULL, 0) : otherwise;
}

static const struct base *base_of_case(const struct run *run, uint64_t number)
{
	return run->chosen[number % run->n_chosen];
}

/* The random numbers of a case depend on nothing that came before it. */
static void make_case(const struct run *run, uint64_t number, uint8_t *image, struct random *random,
	char *text, size_t size)
{
	const struct base *base = base_of_case(run, number);

	random_init(random, run->seed * 1000003 + number);
	memcpy(image, base->image, base->size);
	hostile_mutate(base, image, random, text, size);
}

static void run_case(struct run *run, uint64_t number)
{
	struct progress *progress = run->progress;
	struct harness *harness = &run->harness;
	const struct base *base = base_of_case(run, number);
	size_t index = (size_t)(base - hostile_bases);
	struct outcome outcome;
	struct random random;

	progress->number = number;
	memset(harness->fake.image, 0, run->size);
	make_case(run, number, harness->fake.image, &random, progress->text, TEXT_SIZE);
	harness->fake.device.size = base->size;
	harness->fake.delay_max_ns = random_chance(&random, 4) ? 100000 : 0;
	harness->now = 1700000000;
	harness->random = number;
	alarm(SECONDS_MAX);
	hostile_use(harness, base, &random, &outcome);
	alarm(0);
	progress->n_cases[index]++;
	progress->n_mounted[index] += outcome.was_mounted;
	progress->n_nodes += outcome.n_nodes;
	progress->n_changed += outcome.n_changed;
	progress->n_refused += outcome.n_refused;
}

static void run_cases(struct run *run, uint64_t first, uint64_t end)
{
	harness_init(&run->harness, 0);
	fake_device_init(&run->harness.fake, &run->harness.test_loop.loop, run->size, 1);
	run->harness.has_device = true;
	run->harness.is_quiet = true;
	for (uint64_t number = first; number < end; number++) {
		run_case(run, number);
	}
	run->progress->n_complaints += run->harness.n_complaints;
	harness_deinit(&run->harness);
	run->progress->number = end;
}

static void choose(struct run *run, const char *only)
{
	for (size_t i = 0; i < hostile_n_bases; i++) {
		struct base *base = &hostile_bases[i];

		if (only == NULL || strstr(base->name, only) != NULL) {
			run->chosen[run->n_chosen++] = base;
			run->size = max_size(run->size, base->size);
		}
	}
	if (run->n_chosen == 0) {
		printf("not ok bases: no name holds '%s'\n", only);
		exit(1);
	}
}

/* Where nothing was changed, a repair changes nothing: it computes what the good image has. */
static int check_repairs(struct run *run)
{
	uint8_t *image = malloc(run->size);
	int status = 0;

	for (size_t i = 0; i < run->n_chosen; i++) {
		const struct base *base = run->chosen[i];

		memcpy(image, base->image, base->size);
		for (size_t j = 0; j < base->n_structures && base->repair != NULL; j++) {
			const struct structure *structure = &base->structures[j];

			base->repair(base, image, structure);
			if (memcmp(image, base->image, base->size) != 0) {
				printf("not ok repairs: %s, kind %u at %#llx\n", base->name,
					structure->kind, (unsigned long long)structure->offset);
				memcpy(image, base->image, base->size);
				status = 1;
			}
		}
	}
	free(image);
	return status;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void show_progress(const struct run *run)
{
	const struct progress *progress = run->progress;

	for (size_t i = 0; i < hostile_n_bases; i++) {
		if (progress->n_cases[i] > 0) {
			printf("# %s: %llu of %llu mounted\n", hostile_bases[i].name,
				(unsigned long long)progress->n_mounted[i],
				(unsigned long long)progress->n_cases[i]);
		}
	}
	printf("# %llu nodes, %llu changes, %llu refused, %llu complaints\n",
		(unsigned long long)progress->n_nodes, (unsigned long long)progress->n_changed,
		(unsigned long long)progress->n_refused,
		(unsigned long long)progress->n_complaints);
}

static int run_all(struct run *run)
{
	uint64_t n_failed = 0;

	printf("# seed %llu, %llu cases\n", (unsigned long long)run->seed,
		(unsigned long long)run->n_cases);
	for (uint64_t next = 0; next < run->n_cases;) {
		int status;

		fflush(stdout);
		if (fork() == 0) {
			run_cases(run, next, run->n_cases);
			exit(0); /* where leaks are looked for */
		}
		wait(&status);
		next = run->progress->number;
		if (status != 0) {
			printf("not ok case %llu of seed %llu, %s: status %#x: %s\n",
				(unsigned long long)next, (unsigned long long)run->seed,
				next < run->n_cases ? base_of_case(run, next)->name : "the end",
				(unsigned)status, run->progress->text);
			n_failed++;
			next++;
		}
	}
	show_progress(run);
	if (n_failed == 0) {
		printf("ok hostile_images\n");
	}
	return n_failed > 0 ? 1 : 0;
}

/* ---- for the guest --------------------------------------------------------------------------- */

static const char *const type_names[] = { "ext4", "vfat", "iso9660", "table" };

static int write_images(struct run *run, const char *path, uint64_t slot)
{
	uint8_t *image = calloc(1, slot);
	FILE *file = fopen(path, "w");
	char text[TEXT_SIZE];
	struct random random;

	if (image == NULL || file == NULL || slot < run->size) {
		printf("not ok write: %s\n", path);
		return 1;
	}
	for (uint64_t i = 0; i < run->n_cases; i++) {
		memset(image, 0, slot);
		make_case(run, i, image, &random, text, sizeof(text));
		if (fwrite(image, 1, slot, file) != slot) {
			printf("not ok write: %s\n", path);
			break;
		}
		printf("%llu %s %s, %s\n", (unsigned long long)i,
			type_names[base_of_case(run, i)->type], base_of_case(run, i)->name, text);
	}
	free(image);
	return fclose(file) == 0 ? 0 : 1;
}

int main(int n_arguments, char **arguments)
{
	static struct run run;
	const char *only = NULL, *path = NULL;
	uint64_t slot = 0, number = UINT64_MAX;

	run.seed = environment("HATI_HOSTILE_SEED", 1);
	run.n_cases = environment("HATI_HOSTILE_IMAGES", 500);
	for (int i = 1; i + 1 < n_arguments; i += 2) {
		if (strcmp(arguments[i], "--only") == 0) {
			only = arguments[i + 1];
		} else if (strcmp(arguments[i], "--case") == 0) {
			number = strtoull(arguments[i + 1], NULL, 0);
		} else if (strcmp(arguments[i], "--write") == 0 && i + 2 < n_arguments) {
			path = arguments[i + 1];
			slot = strtoull(arguments[++i + 1], NULL, 0);
		}
	}
	run.progress = mmap(NULL, sizeof(*run.progress), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	hostile_bases_make();
	choose(&run, only);
	int status = 0;

	if (path != NULL) {
		status = write_images(&run, path, slot);
	} else if (number != UINT64_MAX) {
		run_cases(&run, number, number + 1);
		printf("# %s, %s\n", base_of_case(&run, number)->name, run.progress->text);
		show_progress(&run);
	} else {
		status = check_repairs(&run) | run_all(&run);
	}
	hostile_bases_free();
	return status;
}
