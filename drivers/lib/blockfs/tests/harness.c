/* SPDX-License-Identifier: MIT */
/* What the tests of file systems share: see harness.h. */
#include "harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARENA_SIZE MIB(4)

uint64_t harness_fail_allocation_one_in;
static struct random allocation_random = { .state = { 1, 2, 3, 4 } };

void *blockfs_allocate(size_t size)
{
	if (harness_fail_allocation_one_in != 0 &&
		random_chance(&allocation_random, harness_fail_allocation_one_in)) {
		return NULL;
	}
	return calloc(1, size != 0 ? size : 1);
}

void blockfs_free(void *block)
{
	free(block);
}

/* ---- the host -------------------------------------------------------------------------------- */

static struct harness *harness_of(struct blockfs_host *host)
{
	return container_of(host, struct harness, host);
}

static struct blockfs_time host_now(struct blockfs_host *host)
{
	struct harness *harness = harness_of(host);

	return (struct blockfs_time){ .seconds = harness->now++, .nanoseconds = 123456789 };
}

static void host_complain(struct blockfs_host *host, const char *text)
{
	struct harness *harness = harness_of(host);

	harness->n_complaints++;
	if (!harness->is_quiet) {
		printf("# complaint: %s\n", text);
	}
}

static uint64_t host_random(struct blockfs_host *host)
{
	struct harness *harness = harness_of(host);

	harness->random = harness->random * 6364136223846793005u + 1442695040888963407u;
	return harness->random;
}

/* ---- life ------------------------------------------------------------------------------------ */

void harness_init(struct harness *harness, uint64_t seed)
{
	*harness = (struct harness){
		.host = {
			.now = host_now,
			.complain = host_complain,
			.random = host_random,
		},
		.mount = blockfs_ext4_mount,
		.arena_size = ARENA_SIZE,
		.seed = seed,
		.now = 1700000000,
		.random = seed,
	};
	harness->arena = aligned_alloc(4096, ARENA_SIZE);
	test_loop_init(&harness->test_loop,
		&(struct test_loop_options){ .seed = seed, .n_tasks_max = 128 });
}

static void harness_unload(struct harness *harness)
{
	if (harness->has_device) {
		fake_device_deinit(&harness->fake);
		harness->has_device = false;
	}
}

void harness_deinit(struct harness *harness)
{
	harness_unload(harness);
	test_loop_deinit(&harness->test_loop);
	free(harness->arena);
}

void harness_load(struct harness *harness, const char *path)
{
	harness_unload(harness);
	if (!fake_device_load(&harness->fake, &harness->test_loop.loop, path, harness->seed + 1)) {
		perror(path);
		abort();
	}
	harness->has_device = true;
}

struct harness_job {
	struct job job;
	task_fn run;
	void *argument;
	int result;
	bool is_done;
};

static int harness_job_run(struct task *task, void *argument)
{
	struct harness_job *job = argument;

	job->result = job->run(task, job->argument);
	job->is_done = true;
	return 0;
}

int harness_run(struct harness *harness, task_fn run, void *argument)
{
	struct harness_job job = { .run = run, .argument = argument };

	job_init(&job.job, "test", harness_job_run, &job);
	job_submit(&harness->test_loop.loop, &job.job);
	test_loop_run(&harness->test_loop);
	if (!job.is_done) {
		printf("not ok: a task waits for ever\n");
		abort();
	}
	harness->error = job.result;
	return job.result;
}

struct mount_arguments {
	struct harness *harness;
	bool is_read_only;
};

static int mount_task(struct task *task, void *argument)
{
	struct mount_arguments *mount = argument;
	struct harness *harness = mount->harness;
	struct blockfs_mount_options options = {
		.loop = &harness->test_loop.loop,
		.device = &harness->fake.device,
		.host = &harness->host,
		.arena = { .address = harness->arena, .size = harness->arena_size },
		.is_read_only = mount->is_read_only,
		.data_mode = harness->data_mode,
		.ext_kind = harness->ext_kind,
	};

	if (harness->options != NULL) {
		options.text = name_of(harness->options);
	}
	return harness->mount(task, &options, &harness->fs);
}

int harness_mount(struct harness *harness, bool is_read_only)
{
	struct mount_arguments mount = { harness, is_read_only };

	return harness_run(harness, mount_task, &mount);
}

static int unmount_task(struct task *task, void *argument)
{
	struct harness *harness = argument;

	return harness->fs->ops->unmount(task, harness->fs);
}

int harness_unmount(struct harness *harness)
{
	return harness_run(harness, unmount_task, harness);
}

/* ---- commands -------------------------------------------------------------------------------- */

static char folder[64];

const char *harness_folder(void)
{
	if (folder[0] == 0) {
		strcpy(folder, "/tmp/hati-blockfs-XXXXXX");
		if (mkdtemp(folder) == NULL) {
			abort();
		}
		atexit(harness_remove_folder);
	}
	return folder;
}

void harness_remove_folder(void)
{
	char command[128];

	if (folder[0] != 0) {
		snprintf(command, sizeof(command), "rm -rf '%s'", folder);
		if (system(command) != 0) {
			printf("# %s is left\n", folder);
		}
		folder[0] = 0;
	}
}

const char *harness_path(const char *name)
{
	static char paths[6][256];
	static size_t next;
	char *path = paths[next++ % 6];

	snprintf(path, sizeof(paths[0]), "%s/%s", harness_folder(), name);
	return path;
}

static int run_command(const char *format, va_list arguments)
{
	static char command[4096];
	int n = snprintf(command, sizeof(command), "PATH=$PATH:/sbin:/usr/sbin; cd '%s' && { ",
		harness_folder());

	n += vsnprintf(command + n, sizeof(command) - (size_t)n, format, arguments);
	snprintf(command + n, sizeof(command) - (size_t)n, "\n} >log 2>&1 </dev/null");
	int status = system(command);

	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

int harness_command(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int status = run_command(format, arguments);

	va_end(arguments);
	return status;
}

static void print_log(void)
{
	char line[512];
	FILE *log = fopen(harness_path("log"), "r");

	while (log != NULL && fgets(line, sizeof(line), log) != NULL) {
		printf("# %s", line);
	}
	if (log != NULL) {
		fclose(log);
	}
}

void harness_must(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int status = run_command(format, arguments);

	va_end(arguments);
	if (status != 0) {
		printf("not ok: a command failed with %d: %s\n", status, format);
		print_log();
		exit(1);
	}
}

bool harness_fsck(const char *path)
{
	int status = harness_command("e2fsck -fn '%s'", path);

	if (status != 0) {
		print_log();
	}
	return status == 0;
}

bool harness_fsck_fat(const char *path)
{
	int status = harness_command("fsck.fat -n '%s'", path);

	if (status != 0) {
		print_log();
	}
	return status == 0;
}

/* ---- a small server -------------------------------------------------------------------------- */

struct blockfs_name name_of(const char *text)
{
	return (struct blockfs_name){ text, strlen(text) };
}

static uint32_t block_size_of(struct blockfs_node *node)
{
	struct blockfs_statistics statistics;

	node->fs->ops->statistics(node->fs, &statistics);
	return statistics.block_size;
}

int file_read(struct task *task, struct blockfs_node *node, uint64_t offset, void *out_data,
	size_t size, size_t *out_size)
{
	uint32_t block = block_size_of(node);
	struct blockfs_attributes attributes;

	node->fs->ops->get_attributes(node, &attributes);
	*out_size = offset < attributes.size ? min_size(size, attributes.size - offset) : 0;
	if (*out_size == 0) {
		return 0;
	}
	uint64_t first = align_down(offset, block);
	uint64_t end = align_up(offset + *out_size, block);
	uint8_t *copy = malloc(end - first);

	/* three buffers, as pages are scattered */
	uint64_t cut_1 = (end - first) / block / 3 * block,
		 cut_2 = (end - first) / block / 2 * block;
	struct device_buffer buffers[3] = {
		{ .address = copy, .length = cut_1 },
		{ .address = copy + cut_1, .length = cut_2 - cut_1 },
		{ .address = copy + cut_2, .length = end - first - cut_2 },
	};

	memset(copy, 0xee, end - first);
	int error = node->fs->ops->read(task, node, first, end - first, buffers, 3);

	if (error == 0) {
		memcpy(out_data, copy + (offset - first), *out_size);
	}
	free(copy);
	return error;
}

int file_write(struct task *task, struct blockfs_node *node, uint64_t offset, const void *data,
	size_t size)
{
	const struct blockfs_ops *ops = node->fs->ops;
	uint32_t block = block_size_of(node);
	uint64_t first = align_down(offset, block);
	uint64_t end = align_up(offset + size, block);
	uint8_t *copy = malloc(end - first);
	struct device_buffer buffer = { .address = copy, .length = end - first };
	int error = ops->read(task, node, first, end - first, &buffer, 1);

	if (error == 0) {
		memcpy(copy + (offset - first), data, size);
		error = ops->reserve(task, node, first, end - first);
	}
	if (error == 0) {
		error = ops->grow(task, node, offset + size);
	}
	if (error == 0) {
		error = ops->write(task, node, first, end - first, &buffer, 1);
	}
	free(copy);
	return error;
}

int file_resize(struct task *task, struct blockfs_node *node, uint64_t size)
{
	struct blockfs_attributes attributes = { .size = size };

	return node->fs->ops->set_attributes(task, node, BLOCKFS_SET_SIZE, &attributes);
}

int path_find(
	struct task *task, struct blockfs *fs, const char *path, struct blockfs_node **out_node)
{
	struct blockfs_node *node;
	int error = fs->ops->root(task, fs, &node);

	while (error == 0 && *path != 0) {
		size_t length = strcspn(path, "/");
		struct blockfs_node *child;

		if (length > 0) {
			error = fs->ops->lookup(
				task, node, (struct blockfs_name){ path, length }, &child);
			fs->ops->node_put(task, node);
			if (error != 0) {
				return error;
			}
			node = child;
		}
		path += length + (path[length] == '/' ? 1 : 0);
	}
	if (error == 0) {
		*out_node = node;
	}
	return error;
}
