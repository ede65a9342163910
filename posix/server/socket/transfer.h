/* SPDX-License-Identifier: MIT */
/* Sending and receiving, with what goes beside the bytes. */
#ifndef POSIX_SOCKET_TRANSFER_H
#define POSIX_SOCKET_TRANSFER_H

#include <posix/server/socket/family.h>
#include <posix/server/socket/unix.h>

/* One receive: where the bytes go, and what came with them. */
struct unix_receive {
	void *buffer; /* NULL: answered through request_bulk*() */
	size_t size, size_all; /* see struct socket_receive */
	uint32_t flags; /* enum linux_message_flags */
	bool wants_rights; /* else they are thrown away, MSG_CTRUNC */

	uint32_t out_flags;
	struct unix_name *from; /* referenced, or NULL */
	struct linux_ucred credentials;
	struct unix_rights *rights; /* the receiver's */
};

/** unix_has_room() - whether a send would not wait */
bool unix_has_room(const struct unix_socket *socket);

/** unix_receive() - bytes, 0 at the end, a negative errno, or REQUEST_PARK */
int64_t unix_receive(struct file *file, struct request *request, struct unix_receive *receive);

/** unix_send() - the same; for streams as much as there is room for, waiting for the rest */
int64_t unix_send(struct file *file, struct request *request, struct unix_send *send);

/* ---- hooks of the family, see family.h ------------------------------------------------------- */

int64_t unix_call_send(
	struct request *request, struct file *file, const struct socket_message *message);
int64_t unix_call_receive(struct request *request, struct file *file, struct socket_receive *asked);
int64_t unix_set_option(
	struct request *request, struct file *file, const struct socket_option *option);
int64_t unix_get_option(struct file *file, const struct socket_option *option);

int64_t unix_read(
	struct file *file, struct request *request, void *buffer, size_t size, uint64_t *offset);
int64_t unix_read_bulk(struct file *file, struct request *request, size_t size, uint64_t *offset);
int64_t unix_write(struct file *file, struct request *request, const void *buffer, size_t size,
	uint64_t *offset);

#endif
