/* SPDX-License-Identifier: MIT */
/* Bytes of sockets, to and from requests; waiting within a time. See family.h. */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/socket/family.h>

bool socket_append(struct byte_queue *queue, struct request *request, const uint8_t *bytes,
	size_t size, size_t size_whole)
{
	void *block = size < SOCKET_BLOCK_MIN || size < size_whole || request == NULL
		? NULL
		: request_take_block(request, bytes, size);

	if (block == NULL) {
		return byte_queue_append(queue, bytes, size);
	}
	if (!byte_queue_append_block(queue, block, size)) {
		helix_free(block);
		return false;
	}
	return true;
}

int64_t socket_take(struct byte_queue *queue, struct request *request,
	const struct socket_receive *receive, size_t n_bytes, size_t n_before)
{
	bool is_peek = (receive->flags & LINUX_MSG_PEEK) != 0;
	uint8_t *buffer = receive->buffer;
	const void *bytes;
	void *loan;

	if (n_bytes == 0) {
		return 0;
	}
	if (buffer == NULL && n_before == 0 && !is_peek && !(receive->flags & LINUX_MSG_WAITALL)) {
		bytes = byte_queue_borrow(queue, n_bytes, &loan);
		if (bytes != NULL) {
			request_bulk(request, bytes, n_bytes, byte_queue_return, loan);
			return (int64_t)n_bytes;
		}
	}
	if (buffer == NULL) {
		buffer = request_bulk_buffer(request, n_before + n_bytes);
	}
	if (buffer == NULL) {
		return -LINUX_ENOBUFS;
	}
	if (is_peek) {
		byte_queue_peek(queue, buffer + n_before, n_bytes);
	} else {
		byte_queue_take(queue, buffer + n_before, n_bytes);
	}
	if (receive->buffer == NULL) {
		request_bulk(request, buffer, n_before + n_bytes, NULL, NULL);
	}
	return (int64_t)n_bytes;
}

int64_t socket_give(struct request *request, const struct socket_receive *receive,
	const void *bytes, size_t n_bytes)
{
	void *buffer = receive->buffer;

	if (n_bytes == 0) {
		return 0;
	}
	if (buffer == NULL) {
		buffer = request_bulk_buffer(request, n_bytes);
	}
	if (buffer == NULL) {
		return -LINUX_ENOBUFS;
	}
	memcpy(buffer, bytes, n_bytes);
	if (receive->buffer == NULL) {
		request_bulk(request, buffer, n_bytes, NULL, NULL);
	}
	return (int64_t)n_bytes;
}

size_t socket_vector_size(const struct request *request)
{
	constexpr uint32_t NR_READ = 0;

	return request->number == NR_READ ? (size_t)request->args[3] : 0;
}

int64_t socket_wait(struct file *file, struct request *request, struct wait_queue *queue,
	uint32_t flags, uint64_t timeout_ns)
{
	if ((flags & LINUX_MSG_DONTWAIT) || file_must_not_wait(file, request) ||
		request->is_timed_out) {
		return -LINUX_EAGAIN;
	}
	if (timeout_ns != HEL_DEADLINE_NEVER && request->deadline_ns == HEL_DEADLINE_NEVER) {
		request->deadline_ns = clock_monotonic_ns() + timeout_ns;
		request->interrupted_result = -LINUX_EINTR;
	}
	int64_t error = request_wait_on(request, queue);

	return error < 0 ? error : REQUEST_PARK;
}
