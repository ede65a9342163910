/* SPDX-License-Identifier: MIT */
/*
 * kernletcc: compiles kernlets for drivers.
 *
 * Each client has a lane of its own and speaks protocols/kernletcc. The compiler is lib/kernlet;
 * this program gets the file out of the client's memory, in one copy that nobody else can change,
 * and puts the code there. The client makes the kernlet of it, and so pays for it: whose code it is
 * does not matter to the kernel, which checks it. This program has no authority and needs none.
 */
#include <base/errors.h>
#include <base/string.h>
#include <helix/helix.h>
#include <kernlet/kernlet.h>
#include <protocols/kernletcc/kernletcc.gen.h>
#include <protocols/svrctl/provide.h>
#include <protocols/transport/service.h>

#define CALLS_PER_CLIENT_MAX 1
#define MESSAGE_SIZE_MAX     2048
#define ARENA_SIZE           1024
#define TASKS_MAX            32

static struct helix_loop loop;
/* For one compilation at a time: none waits for anything. */
static struct kernlet_workspace workspace;
static uint8_t container[KERNLET_CONTAINER_MAX];

static_assert(KERNLET_CONTAINER_MAX <= KERNLETCC_LIMITS_CODE_MAX);

static int add_bindings(struct bragi_call *call, struct kernletcc_compile_reply *reply)
{
	const struct kernlet_program *program = &workspace.program;
	struct kernletcc_binding *bindings =
		bragi_arena_allocate(&call->arena, HEL_KERNLET_BINDINGS_MAX * sizeof(*bindings));

	if (bindings == NULL) {
		return -ERR_NO_MEMORY;
	}
	for (uint32_t i = 0; i < program->n_bindings; i++) {
		bindings[i] = (struct kernletcc_binding){
			.kind = program->slots[i].kind,
			.rights = program->slots[i].rights,
			.size_bytes = program->slots[i].size_bytes,
		};
	}
	reply->bindings =
		(struct kernletcc_binding_span){ .items = bindings, .count = program->n_bindings };
	return 0;
}

/* @file: ours alone. The code goes to @memory. */
static int compile(struct bragi_call *call, const uint8_t *file, size_t size, hel_handle memory,
	struct kernletcc_compile_reply *out_reply)
{
	char *message = bragi_arena_allocate(&call->arena, KERNLET_MESSAGE_MAX);
	size_t code_size;

	if (message == NULL) {
		return -ERR_NO_MEMORY;
	}
	if (kernlet_compile(file, size, &workspace, container, &code_size, message) != 0) {
		out_reply->is_refused = 1;
		out_reply->message = bragi_string_of(message);
		return 0;
	}
	int error = add_bindings(call, out_reply);

	if (error == 0) {
		error = hel_memory_write(memory, 0, container, code_size);
	}
	out_reply->code_size = (uint32_t)code_size;
	return error;
}

/* Any other memory may have pages for which somebody else lets us, and so all clients, wait. */
static int check_memory(hel_handle memory)
{
	struct hel_memory_info info;
	int error = hel_memory_info(memory, &info);

	return error == 0 && info.kind != HEL_MEMORY_ALLOCATED ? -ERR_ILLEGAL_ARGS : error;
}

static int serve_compile(struct bragi_call *call, const struct kernletcc_compile_request *request,
	struct kernletcc_compile_reply *out_reply)
{
	hel_handle memory = bragi_handles_take(&call->received, 0);
	size_t size = request->size_bytes;
	uint8_t *file = NULL;
	int error = memory == HEL_NULL || size == 0 || size > KERNLETCC_LIMITS_FILE_MAX
		? -ERR_ILLEGAL_ARGS
		: check_memory(memory);

	if (error == 0) {
		file = helix_malloc(size);
		error = file == NULL ? -ERR_NO_MEMORY : hel_memory_read(memory, 0, file, size);
	}
	if (error == 0) {
		error = compile(call, file, size, memory, out_reply);
	}
	helix_free(file);
	if (memory != HEL_NULL) {
		hel_close(HEL_THIS, memory);
	}
	return error;
}

static const struct kernletcc_compiler_ops compiler_ops = { .compile = serve_compile };

/* ---- clients --------------------------------------------------------------------------------- */

static void client_dispatch(struct bragi_call *call)
{
	/* a request without an answer: the client learns from the end of the conversation */
	(void)!kernletcc_compiler_dispatch(&compiler_ops, call);
}

static void client_connected(const char *name UNUSED, hel_handle lane)
{
	const struct transport_service_config config = {
		.loop = &loop.loop,
		.lane = lane,
		.name = "compile",
		.dispatch = client_dispatch,
		.n_calls_max = CALLS_PER_CLIENT_MAX,
		.request_size_max = MESSAGE_SIZE_MAX,
		.reply_size_max = MESSAGE_SIZE_MAX,
		.arena_size = ARENA_SIZE,
	};

	transport_serve(&config);
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	const struct helix_loop_config config = { .n_tasks_max = TASKS_MAX };

	return provide_run(&loop, &config, client_connected);
}
