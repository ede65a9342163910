/* SPDX-License-Identifier: MIT */
/* The start of a volume, read to see what is on it. */
#include <base/errors.h>
#include <base/string.h>
#include <helix/helix.h>
#include <posix/server/fs/block-look.h>

constexpr size_t LOOK_BYTES = 1024; /* of a request and its reply */

static int session_open(
	struct task *task, struct volume *volume, hel_handle *out_lane, uint64_t *out_node)
{
	struct fs_open_request request;
	struct fs_open_reply reply;
	struct bragi_exchange exchange;
	uint8_t bytes[LOOK_BYTES];

	bragi_exchange_init(&exchange, bytes, sizeof(bytes));
	fs_open_request_init(&request);
	int error = fs_volume_open(task, &volume->client.client, &exchange, &request, &reply);

	*out_lane = error == 0 ? bragi_handles_take(&exchange.received, 0) : HEL_NULL;
	*out_node = reply.root.id;
	transport_close_handles(&exchange.received);
	return error == 0 && *out_lane == HEL_NULL ? -ERR_PROTOCOL : error;
}

static int session_read(struct task *task, struct transport_client *session, uint64_t node,
	hel_handle memory, uint64_t length)
{
	struct fs_transfer_request request;
	struct fs_transfer_reply reply;
	struct bragi_exchange exchange;
	uint8_t bytes[LOOK_BYTES];

	bragi_exchange_init(&exchange, bytes, sizeof(bytes));
	if (!bragi_handles_add(&exchange.to_send, memory)) {
		return -ERR_NO_MEMORY;
	}
	fs_transfer_request_init(&request);
	request.node = node;
	request.length = length;
	return fs_session_transfer(task, &session->client, &exchange, &request, &reply);
}

static void session_end(struct task *task, struct transport_client *session)
{
	struct fs_unmount_request request;
	struct fs_unmount_reply reply;
	struct bragi_exchange exchange;
	uint8_t bytes[LOOK_BYTES];

	bragi_exchange_init(&exchange, bytes, sizeof(bytes));
	fs_unmount_request_init(&request);
	/* its lane is closed next, which means the same */
	(void)!fs_session_unmount(task, &session->client, &exchange, &request, &reply);
}

/* Reads `length` bytes into a block that is the caller's. */
static int look_read(struct task *task, struct transport_client *session, uint64_t node,
	uint64_t length, uint8_t **out_data)
{
	uint8_t *data = helix_malloc(BLOCK_PROBE_BYTES);
	hel_handle memory;

	if (data == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = hel_memory_allocate(BLOCK_PROBE_BYTES, 0, &memory);

	if (error == 0) {
		error = session_read(task, session, node, memory, length);
		if (error == 0) {
			error = hel_memory_read(memory, 0, data, length);
		}
		hel_close(HEL_THIS, memory);
	}
	if (error != 0) {
		helix_free(data);
		return error;
	}
	*out_data = data;
	return 0;
}

int block_look(struct task *task, struct volume *volume, struct block_probe *out_probe)
{
	uint64_t length = align_down(min_u64(volume->info.size_bytes, BLOCK_PROBE_BYTES),
		volume->info.logical_block_bytes);
	struct transport_client session;
	hel_handle lane;
	uint8_t *data;
	uint64_t node;

	*out_probe = (struct block_probe){ 0 };
	if (length == 0) {
		return 0;
	}
	int error = session_open(task, volume, &lane, &node);

	if (error != 0) {
		return error;
	}
	transport_client_init(&session, lane, 0);
	error = look_read(task, &session, node, length, &data);
	if (error == 0) {
		block_probe(data, length, out_probe);
		helix_free(data);
	}
	session_end(task, &session);
	hel_close(HEL_THIS, lane);
	return error;
}
