/* SPDX-License-Identifier: MIT */
/*
 * sendfile: from one file to another, through a buffer here.
 *
 * One call moves at most one buffer, which Linux allows; programs loop. What was read but could not
 * be written because the output would have to wait stays in the buffer while the request is parked.
 */
#include <abi/linux/errno.h>
#include <abi/linux/poll.h>
#include <abi/linux/signal.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/inotify.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/inode.h>

constexpr size_t TRANSFER_MAX = KIB(64);

/* In state[2] while the request is parked; state[1] is the writer's. */
struct transfer {
	struct file *in, *out;
	uint64_t *offset;       /* of the input: the file's or `own_offset` */
	uint64_t own_offset;
	size_t size;            /* bytes in the buffer, 0: not read yet */
	uint8_t buffer[TRANSFER_MAX];
};

static void transfer_free(struct transfer *transfer)
{
	file_unref(transfer->in);
	file_unref(transfer->out);
	helix_free(transfer);
}

static void transfer_release(struct request *request)
{
	struct transfer *transfer = (struct transfer *)request->state[2];

	/* interrupted: what the writer has taken so far is the result */
	*transfer->offset += request->state[1];
	transfer_free(transfer);
}

static void transfer_report_offset(struct request *request, uint64_t offset)
{
	void *out = request_out(request, 2, NULL);

	if (out != NULL) {
		memcpy(out, &offset, sizeof(offset));
	}
}

static int64_t transfer_begin(struct request *request, struct transfer **out_transfer)
{
	struct file *out = file_of_fd(request, request->args[0]);
	struct file *in = file_of_fd(request, request->args[1]);
	const void *offset = request_in(request, 2, NULL);

	if (in == NULL || out == NULL || !file_is_readable(in) || !file_is_writable(out)) {
		return -LINUX_EBADF;
	}
	if (offset != NULL && !file_can_seek(in)) {
		return -LINUX_ESPIPE;
	}
	if (!file_can_seek(in) || (out->flags & LINUX_O_APPEND) || inode_is_directory(in->inode)) {
		return -LINUX_EINVAL; /* from what has pages only */
	}
	struct transfer *transfer = helix_malloc(sizeof(*transfer));

	if (transfer == NULL) {
		return -LINUX_ENOMEM;
	}
	transfer->in = in;
	transfer->out = out;
	transfer->size = 0;
	transfer->offset = &in->offset;
	if (offset != NULL) {
		memcpy(&transfer->own_offset, offset, sizeof(transfer->own_offset));
		transfer->offset = &transfer->own_offset;
	}
	file_ref(in);
	file_ref(out);
	*out_transfer = transfer;
	if ((int64_t)*transfer->offset < 0) {
		transfer_free(transfer);
		return -LINUX_EINVAL;
	}
	return 0;
}

static int64_t transfer_run(struct request *request, struct transfer *transfer)
{
	uint64_t position = *transfer->offset;

	if (transfer->size == 0) {
		int64_t n_read = transfer->in->ops->read(transfer->in, request, transfer->buffer,
			min_size((size_t)request->args[3], TRANSFER_MAX), &position);

		if (n_read <= 0) {
			return n_read;
		}
		transfer->size = (size_t)n_read;
	}
	int64_t result = transfer->out->ops->write(
		transfer->out, request, transfer->buffer, transfer->size, &transfer->out->offset);

	if (result > 0) {
		*transfer->offset += (uint64_t)result;
		notify_file(transfer->in, LINUX_IN_ACCESS);
		notify_file(transfer->out, LINUX_IN_MODIFY);
	}
	return result;
}

int64_t posix_sendfile(struct request *request)
{
	struct transfer *transfer = (struct transfer *)request->state[2];

	if (transfer == NULL) {
		int64_t error = transfer_begin(request, &transfer);

		if (error < 0) {
			return error;
		}
	}
	int64_t result = transfer_run(request, transfer);

	if (result == REQUEST_PARK) {
		request->state[2] = (uintptr_t)transfer;
		request->release = transfer_release;
		transfer_report_offset(request, *transfer->offset + request->state[1]);
		return REQUEST_PARK;
	}
	request->state[1] = 0;
	transfer_report_offset(request, *transfer->offset);
	if (result == -LINUX_EPIPE) {
		signal_send_process(request->process,
			&(struct signal_info){ .signal = LINUX_SIGPIPE, .code = LINUX_SI_USER });
	}
	if (request->state[2] == 0) {
		transfer_free(transfer);
	}
	return result;
}
