/* SPDX-License-Identifier: MIT */
/*
 * Requests of two processes to posix: any bytes through the decoder and the handlers of files,
 * sockets, terminals and mounts, over a fake machine (posix/server/tests).
 *
 *	input: records of a head of 8 bytes - who, which call, flags, what is null, the size of
 *	the payload - and a byte for each argument, an index of values that make sense
 *	somewhere; then the payload
 *
 * In the end everything is given back.
 */
#include <posix/server/mqueue/mqueue.h>
#include <posix/server/request-internal.h>
#include <posix/server/tests/files.h>
#include <posix/server/vfs/call.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void assert_fail(const char *file, int line, const char *expression)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
	abort();
}

constexpr size_t HEAD = 8;
constexpr size_t PAYLOAD_MAX = 4096;
constexpr uint32_t USERS = 2;

/* Descriptors, small sizes and flags, borders. */
static const uint64_t values[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 24, 64, 100, 120, 256, 512,
	1024, 2048, 4096, 0x80000, 0x800, 0x40, 0x42, 0241, 0102, 01777, 0100644, 010644, 131072,
	262144, 0x7fffffff, 0xffffffff, (uint64_t)-100, ~0ull, 1ull << 40, 1ull << 63, 1000000 };

static uint32_t number_of(const uint8_t *head)
{
	uint32_t number = head[1] | (uint32_t)(head[2] & 1) << 8;

	return head[2] & 2 ? POSIX_CLONE + number % (POSIX_SYSCALL_COUNT - POSIX_CLONE) : number;
}

static void take(struct user *user, const uint8_t *head, const uint8_t *bytes, size_t size)
{
	alignas(8) static uint8_t payload[PAYLOAD_MAX];
	struct posix_request header = {
		.number = number_of(head),
		.flags = head[3] & 15,
		.null_mask = head[4] & 63,
	};
	const struct call_row *row = call_find(header.number);

	/* a handle is remembered for as long as its file lasts, and some outlast the case */
	if (row == NULL || row->handler == NULL || header.number == POSIX_NAME_TO_HANDLE_AT) {
		return;
	}
	memcpy(payload, bytes, size);
	for (unsigned i = 0; i < REQUEST_ARGUMENTS; i++) {
		header.args[i] = values[head[HEAD + i] % ARRAY_SIZE(values)];
	}
	if (!user->has_result && user->request_internal.phase != REQUEST_IDLE) {
		fake_run_loop();
		(void)request_interrupt(&user->request);
	}
	if (user->has_result || user->request_internal.phase == REQUEST_IDLE) {
		start_message(user, &header, payload, size);
	}
}

/* A message queue outlasts whoever made it. */
static void remove_queues(void)
{
	static const struct credentials all_powerful = { .capabilities.effective = ~0ull };
	struct mqueue_super *super = mqueue_super();
	struct path root_of_queues = { .mount = &super->mount, .dentry = super->super.root };

	while (super->names.n_entries > 0) {
		struct dentry *dentry =
			TREE_ENTRY(tree_first(&super->names.entries), struct dentry, order);

		dentry_ref(dentry);
		ASSERT(name_remove(&all_powerful, &root_of_queues, dentry) == 0);
		dentry_unref(dentry);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fake_program_limit = sizeof(fake_program);
	memset(fake_program, 0, sizeof(fake_program));
	begin();
	struct user *users[USERS] = { root, user_fork(root) };

	while (size >= HEAD + REQUEST_ARGUMENTS) {
		const uint8_t *head = data;
		size_t n_payload = head[5] | (size_t)(head[6] & 15) << 8;

		data += HEAD + REQUEST_ARGUMENTS;
		size -= HEAD + REQUEST_ARGUMENTS;
		n_payload = min_size(n_payload, size);
		take(users[head[0] % USERS], head, data, n_payload);
		data += n_payload;
		size -= n_payload;
	}
	fake_run_loop();
	for (uint32_t i = 0; i < USERS; i++) {
		(void)request_interrupt(&users[i]->request);
	}
	remove_queues();
	end_case();
	ASSERT(fake_n_blocks == n_blocks_before);
	ASSERT(fake_n_memories == n_memories_before);
	ASSERT(fake_n_mappings == n_mappings_before);
	return 0;
}
