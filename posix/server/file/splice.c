/* SPDX-License-Identifier: MIT */
/*
 * splice and tee: between a pipe and a file, or two pipes.
 *
 * Bytes leave the input pipe only after the output has taken them: what an output that has to wait
 * has taken so far is in state[1], as for write(), and leaves the pipe when the call ends, in
 * whatever way.
 */
#include <abi/linux/errno.h>
#include <abi/linux/signal.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/inotify.h>
#include <posix/server/file/pipe.h>
#include <posix/server/process/process.h>

constexpr size_t SPLICE_MAX = KIB(64);

enum linux_splice_flags : uint32_t {
	LINUX_SPLICE_F_MOVE = 1,
	LINUX_SPLICE_F_NONBLOCK = 2,
	LINUX_SPLICE_F_MORE = 4,
	LINUX_SPLICE_F_GIFT = 8,
	LINUX_SPLICE_F_ALL = 15,
};

/* In state[2] while the request is parked. */
struct splicing {
	struct file *in, *out; /* referenced */
	bool is_waiting;       /* may wait for the pipe */
	size_t size;
	uint64_t *offset; /* of the side that is no pipe: the file's or `own_offset` */
	uint64_t own_offset;
};

static void splicing_free(struct splicing *splicing)
{
	file_unref(splicing->in);
	file_unref(splicing->out);
	helix_free(splicing);
}

static void splicing_release(struct request *request)
{
	struct splicing *splicing = (struct splicing *)request->state[2];

	if (request->state[1] != 0) {
		pipe_drop(splicing->in, (size_t)request->state[1]);
	}
	splicing_free(splicing);
}

/* ---- the three ways ------------------------------------------------------------------------ */

/* The pipes are both ready: moves or copies what there is and fits. */
static int64_t splice_pipes(struct request *request, struct splicing *splicing, bool is_kept)
{
	int64_t result = pipe_await_bytes(splicing->in, request, splicing->is_waiting);

	if (result == 1) {
		result = pipe_await_room(splicing->out, request, splicing->is_waiting);
	}
	if (result != 1) {
		return result;
	}
	size_t size = min_size(splicing->size, SPLICE_MAX);
	uint8_t *buffer = helix_malloc(min_size(size, pipe_n_bytes(splicing->in)));

	if (buffer == NULL) {
		return -LINUX_ENOMEM;
	}
	size = pipe_peek(splicing->in, buffer, min_size(size, pipe_n_room(splicing->out)));
	result = pipe_append_bytes(splicing->out, buffer, size);
	helix_free(buffer);
	if (result > 0 && !is_kept) {
		pipe_drop(splicing->in, (size_t)result);
	}
	return result;
}

static int64_t splice_from_pipe(struct request *request, struct splicing *splicing)
{
	int64_t result = pipe_await_bytes(splicing->in, request, splicing->is_waiting);

	if (result != 1) {
		return result;
	}
	size_t size = min_size(min_size(splicing->size, SPLICE_MAX), pipe_n_bytes(splicing->in));
	uint8_t *buffer = helix_malloc(size);

	if (buffer == NULL) {
		return -LINUX_ENOMEM;
	}
	size = pipe_peek(splicing->in, buffer, size);
	result = splicing->out->ops->write(splicing->out, request, buffer, size, splicing->offset);
	helix_free(buffer);
	if (result > 0) {
		request->state[1] = 0;
		pipe_drop(splicing->in, (size_t)result);
	}
	return result;
}

static int64_t splice_to_pipe(struct request *request, struct splicing *splicing)
{
	uint64_t position = *splicing->offset;
	int64_t result = pipe_await_room(splicing->out, request, splicing->is_waiting);

	if (result != 1) {
		return result;
	}
	size_t size = min_size(min_size(splicing->size, SPLICE_MAX), pipe_n_room(splicing->out));
	uint8_t *buffer = helix_malloc(size);

	if (buffer == NULL) {
		return -LINUX_ENOMEM;
	}
	result = splicing->in->ops->read(splicing->in, request, buffer, size, &position);
	if (result > 0) {
		result = pipe_append_bytes(splicing->out, buffer, (size_t)result);
	}
	helix_free(buffer);
	if (result > 0) {
		*splicing->offset = position;
	}
	return result;
}

/* ---- the calls ----------------------------------------------------------------------------- */

static int64_t splice_check(struct request *request, const struct file *in, const struct file *out)
{
	bool has_in_offset = request_in(request, 1, NULL) != NULL;
	bool has_out_offset = request_in(request, 3, NULL) != NULL;

	if (!file_is_readable(in) || !file_is_writable(out)) {
		return -LINUX_EBADF;
	}
	if (file_is_pipe(in) && file_is_pipe(out)) {
		if (has_in_offset || has_out_offset) {
			return -LINUX_ESPIPE;
		}
		return in->inode == out->inode ? -LINUX_EINVAL : 0;
	}
	if (file_is_pipe(in)) {
		if (has_in_offset) {
			return -LINUX_ESPIPE;
		}
		return (has_out_offset && !file_can_seek(out)) || (out->flags & LINUX_O_APPEND)
			? -LINUX_EINVAL
			: 0;
	}
	if (file_is_pipe(out)) {
		if (has_out_offset) {
			return -LINUX_ESPIPE;
		}
		return has_in_offset && !file_can_seek(in) ? -LINUX_EINVAL : 0;
	}
	return -LINUX_EINVAL;
}

static int64_t splicing_create(struct file *in, struct file *out, size_t size, uint32_t flags,
	struct splicing **out_splicing)
{
	struct splicing *splicing = helix_malloc(sizeof(*splicing));
	bool is_told_not_to = (flags & LINUX_SPLICE_F_NONBLOCK) ||
		(file_is_pipe(in) && (in->flags & LINUX_O_NONBLOCK)) ||
		(file_is_pipe(out) && (out->flags & LINUX_O_NONBLOCK));

	if (splicing == NULL) {
		return -LINUX_ENOMEM;
	}
	*splicing = (struct splicing){
		.in = in,
		.out = out,
		.is_waiting = !is_told_not_to,
		.size = size,
		.offset = file_is_pipe(in) ? &out->offset : &in->offset,
	};
	file_ref(in);
	file_ref(out);
	*out_splicing = splicing;
	return 0;
}

static int64_t splice_begin(struct request *request, struct splicing **out_splicing)
{
	struct file *in = file_of_fd(request, request->args[0]);
	struct file *out = file_of_fd(request, request->args[2]);
	int64_t error = in == NULL || out == NULL ? -LINUX_EBADF : splice_check(request, in, out);

	if (error == 0) {
		error = splicing_create(in, out, (size_t)request->args[4],
			(uint32_t)request->args[5], out_splicing);
	}
	if (error < 0) {
		return error;
	}
	struct splicing *splicing = *out_splicing;
	const void *given = request_in(request, file_is_pipe(in) ? 3 : 1, NULL);

	if (given != NULL) {
		memcpy(&splicing->own_offset, given, sizeof(splicing->own_offset));
		splicing->offset = &splicing->own_offset;
	}
	bool has_position = !file_is_pipe(in) || !file_is_pipe(out);

	if (has_position && (int64_t)*splicing->offset < 0) {
		splicing_free(splicing);
		return -LINUX_EINVAL;
	}
	return 0;
}

/* Parks with what is to be remembered, or ends the call. */
static int64_t splice_end(struct request *request, struct splicing *splicing, int64_t result)
{
	if (result == REQUEST_PARK) {
		request->state[2] = (uintptr_t)splicing;
		request->release = splicing_release;
		return result;
	}
	if (result > 0) {
		notify_file(splicing->in, LINUX_IN_ACCESS);
		notify_file(splicing->out, LINUX_IN_MODIFY);
	} else if (result == -LINUX_EPIPE) {
		signal_send_process(request->process,
			&(struct signal_info){ .signal = LINUX_SIGPIPE, .code = LINUX_SI_USER });
	}
	request->state[1] = 0;
	if (request->state[2] == 0) {
		splicing_free(splicing);
	}
	return result;
}

static void splice_report_offset(struct request *request, const struct splicing *splicing)
{
	void *out = request_out(request, file_is_pipe(splicing->in) ? 3 : 1, NULL);

	if (out != NULL) {
		memcpy(out, splicing->offset, sizeof(*splicing->offset));
	}
}

int64_t posix_splice(struct request *request)
{
	struct splicing *splicing = (struct splicing *)request->state[2];
	int64_t result;

	if (request->args[4] == 0) {
		return 0;
	}
	if ((uint32_t)request->args[5] & ~LINUX_SPLICE_F_ALL) {
		return -LINUX_EINVAL;
	}
	if (splicing == NULL) {
		result = splice_begin(request, &splicing);
		if (result < 0) {
			return result;
		}
	}
	if (file_is_pipe(splicing->in) && file_is_pipe(splicing->out)) {
		result = splice_pipes(request, splicing, false);
	} else if (file_is_pipe(splicing->in)) {
		result = splice_from_pipe(request, splicing);
	} else {
		result = splice_to_pipe(request, splicing);
	}
	if (result >= 0) {
		splice_report_offset(request, splicing);
	}
	return splice_end(request, splicing, result);
}

int64_t posix_tee(struct request *request)
{
	struct splicing *splicing = (struct splicing *)request->state[2];
	uint32_t flags = (uint32_t)request->args[3];

	if (flags & ~LINUX_SPLICE_F_ALL) {
		return -LINUX_EINVAL;
	}
	if (request->args[2] == 0) {
		return 0;
	}
	if (splicing == NULL) {
		struct file *in = file_of_fd(request, request->args[0]);
		struct file *out = file_of_fd(request, request->args[1]);

		if (in == NULL || out == NULL || !file_is_readable(in) || !file_is_writable(out)) {
			return -LINUX_EBADF;
		}
		if (!file_is_pipe(in) || !file_is_pipe(out) || in->inode == out->inode) {
			return -LINUX_EINVAL;
		}
		int64_t error =
			splicing_create(in, out, (size_t)request->args[2], flags, &splicing);

		if (error < 0) {
			return error;
		}
	}
	return splice_end(request, splicing, splice_pipes(request, splicing, true));
}
