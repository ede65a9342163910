/* SPDX-License-Identifier: MIT */
/* File servers of tests with one volume; see block-server.h. */
#include <posix/server/tests/block-server.h>

#include <abi/linux/stat.h>
#include <base/errors.h>
#include <posix/server/tests/files.h>

struct block *block_server_add(const char *name, uint64_t size_bytes, uint32_t flags)
{
	const struct volume_info info = {
		.flags = flags,
		.size_bytes = size_bytes,
		.logical_block_bytes = 512,
		.physical_block_bytes = 4096,
		.optimal_bytes = 65536,
	};
	const struct block_found found = {
		.name = name,
		.disk = name,
		.object = 1,
		.lane = fake_memory_with("", 0),
		.info = &info,
	};
	struct block *block;

	ASSERT(block_add(&found, &block) == 0);
	return block;
}

int block_server_tell(struct bragi_call *call, uint64_t size_bytes, struct fs_open_reply *out_reply)
{
	out_reply->root = (struct fs_node){
		.id = 1,
		.number = 1,
		.attributes = { .mode = LINUX_S_IFBLK | 0600, .n_links = 1, .size = size_bytes },
	};
	return bragi_handles_add(&call->to_send, fake_memory_with("lane", 4)) ? 0 : -ERR_NO_MEMORY;
}

void block_server_answer(struct bragi_exchange *exchange, const struct fs_volume_ops *volume_ops,
	const struct fs_session_ops *session_ops)
{
	static uint8_t arena[4096];
	struct bragi_call call = {
		.request = exchange->buffer,
		.request_size = exchange->request_size,
		.received = exchange->to_send,
	};

	call.reply = bragi_exchange_reply(exchange, &call.reply_size_max);
	bragi_arena_init(&call.arena, arena, sizeof(arena));
	int error = volume_ops != NULL ? fs_volume_dispatch(volume_ops, &call)
				       : fs_session_dispatch(session_ops, &call);

	ASSERT(error == 0);
	exchange->reply_size = call.reply_size;
	exchange->received = call.to_send;
}

int block_server_forget(struct bragi_call *call UNUSED,
	const struct fs_forget_request *request UNUSED, struct fs_forget_reply *out_reply UNUSED)
{
	return 0;
}
