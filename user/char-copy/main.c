/* SPDX-License-Identifier: MIT */
/*
 * char-copy: copy bytes from one character device to another until the first one is closed.
 *
 *	char-copy FROM TO
 *
 * The names are those on mbus. N_WRITERS writes are under way at a time, each with the next bytes;
 * reading waits for a free one.
 */
#include <async/sync.h>
#include <base/errors.h>
#include <helix/helix.h>
#include <protocols/char/char-client.h>

#define N_WRITERS 3

/* A piece that is being written. */
struct writer {
	struct job job;
	uint8_t *read_buffer; /* holds the bytes */
	uint8_t *write_buffer;
	const uint8_t *data;
	size_t size;
};

static struct helix_loop loop;
static struct transport_client from, to;
static struct writer writers[N_WRITERS];
static struct semaphore idle_writers;
static const char *from_name, *to_name;

static int write_piece(struct task *task, void *argument)
{
	struct writer *writer = argument;
	int error = char_write(task, &to, writer->write_buffer, writer->data, writer->size);

	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "%s: %zu bytes lost: %s", to_name, writer->size,
			error_text(error));
	}
	semaphore_up(&idle_writers);
	return 0;
}

static int open_devices(struct task *task)
{
	hel_handle mbus = helix_start_handle("mbus");
	hel_handle lane;
	int error = char_find(task, mbus, from_name, &lane);

	if (error == 0) {
		transport_client_init(&from, lane, 0);
		error = char_find(task, mbus, to_name, &lane);
	}
	if (error == 0) {
		transport_client_init(&to, lane, 0);
	}
	for (size_t i = 0; error == 0 && i < N_WRITERS; i++) {
		writers[i].read_buffer = helix_malloc(CHAR_BUFFER_SIZE);
		writers[i].write_buffer = helix_malloc(CHAR_BUFFER_SIZE);
		if (writers[i].read_buffer == NULL || writers[i].write_buffer == NULL) {
			error = -ERR_NO_MEMORY;
		}
	}
	return error;
}

static int copy(struct task *task, void *argument UNUSED)
{
	uint64_t n_bytes = 0;
	uint64_t started_ns;
	int error = open_devices(task);

	started_ns = task_now_ns(task);
	/* writers are taken in turn, and finish in turn */
	for (size_t i = 0; error == 0; i = (i + 1) % N_WRITERS) {
		struct writer *writer = &writers[i];

		error = semaphore_down(task, &idle_writers);
		if (error == 0) {
			error = char_read(
				task, &from, writer->read_buffer, &writer->data, &writer->size);
		}
		if (error != 0 || writer->size == 0) {
			break;
		}
		n_bytes += writer->size;
		job_init(&writer->job, "write", write_piece, writer);
		job_submit(&loop.loop, &writer->job);
	}
	helix_log(HEL_LOG_INFO, "%llu bytes in %llu ms: %s", (unsigned long long)n_bytes,
		(unsigned long long)(task_now_ns(task) - started_ns) / 1000000, error_text(error));
	return 0;
}

int main(int n_arguments, char **arguments)
{
	static struct job job;
	int error = helix_loop_init(&loop, NULL);

	if (error != 0 || n_arguments != 3) {
		return 1;
	}
	from_name = arguments[1];
	to_name = arguments[2];
	semaphore_init(&idle_writers, N_WRITERS);
	job_init(&job, "copy", copy, NULL);
	job_submit(&loop.loop, &job);
	helix_loop_run(&loop);
	return 0;
}
