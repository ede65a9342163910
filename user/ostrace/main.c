/* SPDX-License-Identifier: MIT */
/*
 * ostrace: switch the kernel's trace on and stream it out of the machine.
 *
 * The kernel's command line says what is traced:
 *	hati.trace=MASK           enum hel_trace_category, 0 or nothing: all
 *	hati.trace-events=N       events in each CPU's ring
 *	hati.trace-sample-us=N    microseconds between samples, if the mask has HEL_TRACE_SAMPLES
 * The trace goes to the character device org.hati.trace (protocols/char): the host keeps it in a
 * file, and tools/trace reads that. Every POLL_NS what is new in the rings is copied out, so
 * ostrace itself is hardly to be seen in what it shows.
 *
 * ostrace is told when the machine is about to be turned off (class `drain`, docs/protocols/hw.md):
 * then the trace is switched off, the rest is written, and ostrace ends.
 */
#include "stream.h"

#include <base/errors.h>
#include <base/string.h>
#include <helix/helix.h>
#include <protocols/char/char-client.h>
#include <protocols/mbus/mbus-client.h>
#include <protocols/svrctl/connect.h>

#define CPUS_MAX          64
#define EVENTS_DEFAULT    16384
#define SAMPLE_US_DEFAULT 1000
#define NS_PER_US         UINT64_C(1000)
#define POLL_NS           UINT64_C(20000000)

static struct helix_loop loop;
static hel_handle authority;
static struct transport_client port;
static struct stream_ring rings[CPUS_MAX];
static uint32_t n_rings;
static struct stream_buffer buffer;
static uint8_t *write_buffer;
static struct connect_listener listener;
static struct helix_exchange end_message;
static bool is_ending;

static uint32_t number_option(const char *name, uint32_t value_without)
{
	char text[24];
	uint32_t value = 0;

	if (!helix_command_line_option(name, text, sizeof(text))) {
		return value_without;
	}
	for (const char *digit = text; *digit >= '0' && *digit <= '9'; digit++) {
		value = value * 10 + (uint32_t)(*digit - '0');
	}
	return value != 0 ? value : value_without;
}

static int start_trace(void)
{
	uint32_t mask = number_option("hati.trace", HEL_TRACE_ALL);
	uint64_t sample_ns = 0;

	if ((mask & HEL_TRACE_SAMPLES) != 0) {
		sample_ns = number_option("hati.trace-sample-us", SAMPLE_US_DEFAULT) * NS_PER_US;
	}
	int error = hel_trace_control(
		authority, mask, number_option("hati.trace-events", EVENTS_DEFAULT), sample_ns);

	n_rings = helix_start()->n_cpus < CPUS_MAX ? helix_start()->n_cpus : CPUS_MAX;
	for (uint32_t cpu = 0; error == 0 && cpu < n_rings; cpu++) {
		error = stream_ring_open(&rings[cpu], authority, cpu);
	}
	return error;
}

static int open_port(struct task *task)
{
	hel_handle lane;
	int error = char_find(task, helix_start_handle("mbus"), "org.hati.trace", &lane);

	if (error != 0) {
		return error;
	}
	transport_client_init(&port, lane, 0);
	buffer.size_max = CHAR_DEVICE_LIMITS_TRANSFER_MAX;
	buffer.data = helix_malloc(buffer.size_max);
	write_buffer = helix_malloc(CHAR_BUFFER_SIZE);
	return buffer.data == NULL || write_buffer == NULL ? -ERR_NO_MEMORY : 0;
}

static int flush(struct task *task)
{
	int error = 0;

	if (buffer.size > 0) {
		error = char_write(task, &port, write_buffer, buffer.data, buffer.size);
	}
	buffer.size = 0;
	return error;
}

/* Write what is new in all rings. */
static int copy_out(struct task *task)
{
	int error = 0;

	for (uint32_t i = 0; error == 0 && i < n_rings; i++) {
		while (error == 0 && !stream_put_events(&buffer, &rings[i])) {
			error = flush(task);
		}
	}
	return error == 0 ? flush(task) : error;
}

static int finish(struct task *task)
{
	int error = hel_trace_control(authority, 0, 0, 0);

	if (error == 0) {
		error = copy_out(task);
	}
	stream_put_end(&buffer);
	return error == 0 ? flush(task) : error;
}

/* ---- the machine's end ----------------------------------------------------------------------- */

static void end_announced(struct op *op)
{
	is_ending = true;
	helix_exchange_release(helix_exchange_of(op));
}

/* hw is the only one who comes; its lane stays open until we have ended. */
static void connected(
	struct connect_listener *from UNUSED, const char *client UNUSED, hel_handle lane)
{
	static bool is_connected;

	if (is_connected) {
		hel_close(HEL_THIS, lane);
		return;
	}
	is_connected = true;
	helix_exchange_init(&end_message, lane);
	helix_exchange_add_receive_inline(&end_message, 1);
	helix_exchange_start(&end_message, &loop.loop, end_announced, NULL);
}

static void control_ended(struct connect_listener *from UNUSED)
{
}

static const struct connect_listener_ops listener_ops = {
	.connected = connected,
	.ended = control_ended,
};

static int wait_for_end(struct task *task)
{
	static const struct mbus_pair properties[] = { { "class", "drain" },
		{ "name", "ostrace" } };
	hel_handle control;
	int error = mbus_publish(task, helix_start_handle("mbus"), properties, 2, &control);

	if (error == 0) {
		connect_listen(&listener, &listener_ops, &loop.loop, control);
	}
	return error;
}

/* ---- the whole run --------------------------------------------------------------------------- */

static int run(struct task *task, void *argument UNUSED)
{
	int error = wait_for_end(task);

	if (error == 0) {
		error = open_port(task);
	}
	for (uint32_t i = 0; error == 0 && i < n_rings; i++) {
		stream_put_ring(&buffer, &rings[i]);
	}
	while (error == 0 && !is_ending) {
		error = copy_out(task);
		if (error == 0) {
			error = task_sleep_until(task, task_now_ns(task) + POLL_NS);
		}
	}
	if (error == 0) {
		error = finish(task);
	}
	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "the trace ends: %s", error_text(error));
	}
	helix_exit();
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	static struct job job;
	int error = helix_loop_init(&loop, NULL);

	authority = helix_start_handle("authority");
	if (error == 0) {
		error = start_trace();
	}
	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "there is no trace: %s", error_text(error));
		return error;
	}
	job_init(&job, "trace", run, NULL);
	job_submit(&loop.loop, &job);
	helix_loop_run(&loop);
	return 0;
}
