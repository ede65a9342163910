/* SPDX-License-Identifier: MIT */
/*
 * AF_INET: urgent bytes of streams. What is sent with MSG_OOB goes into the stream like all else,
 * and its last byte is *urgent*: the receiver's owner (F_SETOWN) gets SIGURG, poll() says POLLPRI,
 * and MSG_OOB takes a copy. The place of the byte is the *mark*. Only the last one counts.
 *
 *	queue:  a b c d [U] e f        `n_before_urgent` is 4
 *
 * A read stops at the mark once it has taken something. One that begins there passes it: without
 * SO_OOBINLINE it does not see the byte, with it the byte is one like others. Behind the mark
 * nothing is urgent any more, whether the byte was taken by MSG_OOB or not.
 *
 * A peek at the mark takes the byte out of the queue, so that what is seen lies at its front
 * (`is_urgent_apart`); the mark is then before the first byte.
 */
#include <abi/linux/errno.h>
#include <abi/linux/signal.h>
#include <posix/server/socket/inet.h>

static bool is_inline(const struct inet_socket *socket)
{
	return socket->numbers[INET_OOB_INLINE] != 0;
}

/* Whether the first byte of the queue is the urgent one, which reads do not see. */
static bool is_hidden(const struct inet_socket *socket)
{
	return inet_is_at_mark(socket) && !socket->is_urgent_apart && !is_inline(socket);
}

void inet_urgent_mark(struct inet_socket *socket, uint8_t byte)
{
	/* of two that follow each other, reads see neither */
	if (is_hidden(socket)) {
		byte_queue_drop(&socket->bytes, 1);
	}
	socket->urgent = INET_URGENT_THERE;
	socket->is_urgent_apart = false;
	socket->urgent_byte = byte;
	socket->n_before_urgent = socket->bytes.n_bytes - 1;
	if (socket->file != NULL) {
		file_signal_owner(socket->file, LINUX_SIGURG);
	}
}

size_t inet_urgent_pass(struct inet_socket *socket, bool has_begun, bool is_peek)
{
	if (socket->urgent == INET_URGENT_NONE) {
		return socket->bytes.n_bytes;
	}
	if (socket->n_before_urgent > 0 || has_begun) {
		return socket->n_before_urgent;
	}
	if (is_hidden(socket)) {
		byte_queue_drop(&socket->bytes, 1);
		inet_memory_update(socket);
		socket->is_urgent_apart = true;
	}
	if (!is_peek) {
		socket->urgent = INET_URGENT_NONE;
	}
	return socket->bytes.n_bytes;
}

void inet_urgent_moved(struct inet_socket *socket, size_t n)
{
	if (socket->urgent != INET_URGENT_NONE) {
		socket->n_before_urgent -= n;
	}
}

size_t inet_urgent_readable(const struct inet_socket *socket)
{
	return socket->urgent == INET_URGENT_NONE || is_inline(socket) ? socket->bytes.n_bytes
								       : socket->n_before_urgent;
}

bool inet_urgent_is_readable(const struct inet_socket *socket)
{
	return socket->bytes.n_bytes > (is_hidden(socket) ? 1 : 0);
}

int64_t inet_urgent_receive(
	struct inet_socket *socket, struct request *request, struct socket_receive *receive)
{
	if (socket->urgent != INET_URGENT_THERE || is_inline(socket)) {
		return -LINUX_EINVAL;
	}
	int64_t result = receive->size == 0 || (receive->flags & LINUX_MSG_TRUNC)
		? (int64_t)min_size(receive->size, 1)
		: socket_give(request, receive, &socket->urgent_byte, 1);

	if (result < 0) {
		return result;
	}
	if (!(receive->flags & LINUX_MSG_PEEK)) {
		socket->urgent = INET_URGENT_READ;
	}
	if (receive->out != NULL) {
		receive->out->flags |= LINUX_MSG_OOB | (receive->size == 0 ? LINUX_MSG_TRUNC : 0);
	}
	return result;
}
