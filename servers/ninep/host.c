/* SPDX-License-Identifier: MIT */
/* Messages to the host: see host.h. */
#include "host.h"

#include <base/errors.h>
#include <base/string.h>

static void put_name(struct channel_call *call, const struct wire_text *name)
{
	wire_put_text(&call->out, name->text, name->length);
}

/* Send it; of the reply nothing is of interest. */
static int run_and_end(struct task *task, struct channel_call *call)
{
	int error = call_run(task, call);

	call_end(call);
	return error;
}

/* ---- beginning ------------------------------------------------------------------------------- */

static int agree(struct task *task, struct channel *channel, uint32_t message_bytes)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_VERSION);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, message_bytes);
	wire_put_text(&call.out, "9P2000.L", 8);
	error = call_run(task, &call);
	error = error != 0 ? error : wire_read_version(&call.in, &channel->message_bytes);
	if (error == 0 && channel->message_bytes > message_bytes) {
		error = -ERR_PROTOCOL;
	}
	call_end(&call);
	return error;
}

int host_attach(struct task *task, struct channel *channel, uint32_t fid, const char *tree,
	uint32_t message_bytes)
{
	struct channel_call call;
	int error = agree(task, channel, message_bytes);

	error = error != 0 ? error : call_begin(task, channel, &call, WIRE_ATTACH);
	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, fid);
	wire_put_u32(&call.out, CHANNEL_NO_FID);
	wire_put_text(&call.out, "root", 4);
	wire_put_text(&call.out, tree, strlen(tree));
	wire_put_u32(&call.out, 0); /* for which user */
	return run_and_end(task, &call);
}

/* ---- fids ------------------------------------------------------------------------------------ */

/* All of the way, or it is an error. */
static int walk(struct task *task, struct channel *channel, uint32_t fid, uint32_t new_fid,
	const struct wire_text *name)
{
	uint16_t n_names = name != NULL ? 1 : 0;
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_WALK);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, fid);
	wire_put_u32(&call.out, new_fid);
	wire_put_u16(&call.out, n_names);
	if (name != NULL) {
		put_name(&call, name);
	}
	error = call_run(task, &call);
	if (error == 0 && (wire_get_u16(&call.in) != n_names || call.in.is_short)) {
		error = -ERR_PROTOCOL;
	}
	call_end(&call);
	return error;
}

int host_walk(struct task *task, struct channel *channel, uint32_t fid,
	const struct wire_text *name, uint32_t *out_fid)
{
	uint32_t new_fid = channel_fid(channel);
	int error =
		new_fid == CHANNEL_NO_FID ? -ERR_NO_SPACE : walk(task, channel, fid, new_fid, name);

	if (error == 0) {
		*out_fid = new_fid;
	} else if (new_fid != CHANNEL_NO_FID) {
		channel_give_fid(channel, new_fid);
	}
	return error;
}

int host_finish(struct task *task, struct channel *channel, uint32_t fid)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_CLUNK);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, fid);
	error = run_and_end(task, &call);
	channel_give_fid(channel, fid); /* it is gone also if the end failed */
	return error;
}

void host_clunk(struct task *task, struct channel *channel, uint32_t fid)
{
	if (fid != CHANNEL_NO_FID) {
		(void)host_finish(task, channel, fid); /* it was only looked at */
	}
}

int host_open(struct task *task, struct channel *channel, uint32_t fid, uint32_t flags)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_LOPEN);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, fid);
	wire_put_u32(&call.out, flags | WIRE_LARGEFILE);
	return run_and_end(task, &call);
}

/* ---- attributes ------------------------------------------------------------------------------ */

int host_get_attributes(struct task *task, struct channel *channel, uint32_t fid,
	struct wire_attributes *out_attributes)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_GETATTR);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, fid);
	wire_put_u64(&call.out, WIRE_GETATTR_BASIC);
	error = call_run(task, &call);
	error = error != 0 ? error : wire_read_attributes(&call.in, out_attributes);
	call_end(&call);
	return error;
}

int host_set_attributes(
	struct task *task, struct channel *channel, uint32_t fid, const struct host_change *change)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_SETATTR);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, fid);
	wire_put_u32(&call.out, change->what);
	wire_put_u32(&call.out, change->mode);
	wire_put_u32(&call.out, change->uid);
	wire_put_u32(&call.out, change->gid);
	wire_put_u64(&call.out, change->size);
	wire_put_u64(&call.out, change->atime.seconds);
	wire_put_u64(&call.out, change->atime.nanoseconds);
	wire_put_u64(&call.out, change->mtime.seconds);
	wire_put_u64(&call.out, change->mtime.nanoseconds);
	return run_and_end(task, &call);
}

/* ---- names ----------------------------------------------------------------------------------- */

int host_create(struct task *task, struct channel *channel, const struct host_new *new,
	struct wire_qid *out_qid)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_LCREATE);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, new->directory);
	put_name(&call, &new->name);
	wire_put_u32(&call.out, WIRE_RDWR | WIRE_CREAT | WIRE_EXCL | WIRE_LARGEFILE);
	wire_put_u32(&call.out, new->mode);
	wire_put_u32(&call.out, new->gid);
	error = call_run(task, &call);
	if (error == 0) {
		*out_qid = wire_get_qid(&call.in);
		error = call.in.is_short ? -ERR_PROTOCOL : 0;
	}
	call_end(&call);
	return error;
}

int host_make_directory(struct task *task, struct channel *channel, const struct host_new *new)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_MKDIR);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, new->directory);
	put_name(&call, &new->name);
	wire_put_u32(&call.out, new->mode);
	wire_put_u32(&call.out, new->gid);
	return run_and_end(task, &call);
}

int host_make_link(struct task *task, struct channel *channel, const struct host_new *new)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_SYMLINK);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, new->directory);
	put_name(&call, &new->name);
	put_name(&call, &new->target);
	wire_put_u32(&call.out, new->gid);
	return run_and_end(task, &call);
}

int host_make_special(struct task *task, struct channel *channel, const struct host_new *new)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_MKNOD);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, new->directory);
	put_name(&call, &new->name);
	wire_put_u32(&call.out, new->mode);
	wire_put_u32(&call.out, new->major);
	wire_put_u32(&call.out, new->minor);
	wire_put_u32(&call.out, new->gid);
	return run_and_end(task, &call);
}

int host_link(struct task *task, struct channel *channel, uint32_t directory, uint32_t fid,
	const struct wire_text *name)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_LINK);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, directory);
	wire_put_u32(&call.out, fid);
	put_name(&call, name);
	return run_and_end(task, &call);
}

int host_unlink(struct task *task, struct channel *channel, uint32_t directory,
	const struct wire_text *name, bool is_directory)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_UNLINKAT);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, directory);
	put_name(&call, name);
	wire_put_u32(&call.out, is_directory ? WIRE_REMOVEDIR : 0);
	return run_and_end(task, &call);
}

int host_rename(struct task *task, struct channel *channel, const struct host_place *from,
	const struct host_place *to)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_RENAMEAT);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, from->directory);
	put_name(&call, &from->name);
	wire_put_u32(&call.out, to->directory);
	put_name(&call, &to->name);
	return run_and_end(task, &call);
}

int host_read_link(struct task *task, struct channel *channel, uint32_t fid, char *target,
	size_t size, size_t *out_length)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_READLINK);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, fid);
	error = call_run(task, &call);
	if (error == 0) {
		struct wire_text text = wire_get_text(&call.in);

		if (call.in.is_short || text.length > size ||
			memchr(text.text, '\0', text.length) != NULL) {
			error = -ERR_PROTOCOL;
		} else {
			memcpy(target, text.text, text.length);
			*out_length = text.length;
		}
	}
	call_end(&call);
	return error;
}

/* ---- the rest -------------------------------------------------------------------------------- */

int host_sync(struct task *task, struct channel *channel, uint32_t fid, bool data_only)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_FSYNC);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, fid);
	wire_put_u32(&call.out, data_only ? 1 : 0);
	return run_and_end(task, &call);
}

int host_statistics(struct task *task, struct channel *channel, uint32_t fid,
	struct wire_statistics *out_statistics)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_STATFS);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, fid);
	error = call_run(task, &call);
	error = error != 0 ? error : wire_read_statistics(&call.in, out_statistics);
	call_end(&call);
	return error;
}

static int walk_xattr(struct task *task, struct channel *channel, uint32_t fid, uint32_t new_fid,
	const struct wire_text *name, uint64_t *out_size)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_XATTRWALK);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, fid);
	wire_put_u32(&call.out, new_fid);
	put_name(&call, name);
	error = call_run(task, &call);
	if (error == 0) {
		*out_size = wire_get_u64(&call.in);
		error = call.in.is_short ? -ERR_PROTOCOL : 0;
	}
	call_end(&call);
	return error;
}

int host_walk_xattr(struct task *task, struct channel *channel, uint32_t fid,
	const struct wire_text *name, uint32_t *out_fid, uint64_t *out_size)
{
	uint32_t new_fid = channel_fid(channel);
	int error = new_fid == CHANNEL_NO_FID
		? -ERR_NO_SPACE
		: walk_xattr(task, channel, fid, new_fid, name, out_size);

	if (error == 0) {
		*out_fid = new_fid;
	} else if (new_fid != CHANNEL_NO_FID) {
		channel_give_fid(channel, new_fid);
	}
	return error;
}

int host_create_xattr(struct task *task, struct channel *channel, uint32_t fid,
	const struct wire_text *name, uint64_t size, uint32_t flags)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, WIRE_XATTRCREATE);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, fid);
	put_name(&call, name);
	wire_put_u64(&call.out, size);
	wire_put_u32(&call.out, flags);
	return run_and_end(task, &call);
}
