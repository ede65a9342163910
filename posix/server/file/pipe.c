/* SPDX-License-Identifier: MIT */
/* Pipes and FIFOs; see pipe.h. */
#include <abi/linux/errno.h>
#include <abi/linux/poll.h>
#include <abi/linux/termios.h>
#include <base/assert.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/byte-queue.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/pipe.h>
#include <posix/server/process/account.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/mount.h>

constexpr size_t PIPE_SIZE_USUAL = KIB(64);
constexpr size_t PIPE_SIZE_MIN = KIB(4);
/* Of pipes of users who have PIPE_USER_PAGES_SOFT and more in others, as Linux gives them. */
constexpr size_t PIPE_SIZE_POOR = KIB(8);
constexpr size_t PIPE_SIZE_MAX = MIB(1);
/* Writes from this size on are passed on without a copy, if they are a block of their own. */
constexpr size_t PIPE_BLOCK_MIN = KIB(4);

struct pipe {
	struct inode *inode; /* not referenced: it goes after its pipe */
	struct byte_queue queue;
	size_t size_max;     /* a power of two */
	struct account *account; /* of the user who made it; has its pages */
	bool is_anonymous;   /* from pipe(): opening it through /proc never waits */
	uint32_t n_readers, n_writers;
	uint64_t n_readers_ever, n_writers_ever; /* for the open of FIFOs */
	struct wait_queue changed;               /* data, room, or ends came or went */
	struct wait_queue opened;
};

static const struct file_ops pipe_file_ops;

static struct pipe *pipe_of(const struct file *file)
{
	return file->inode->pipe;
}

static size_t pipe_used(const struct pipe *pipe)
{
	return pipe->queue.n_bytes;
}

static size_t pipe_room(const struct pipe *pipe)
{
	return pipe->size_max - pipe_used(pipe);
}

static uint64_t pages_of(size_t size)
{
	return size / PIPE_PAGE_SIZE;
}

/* @maker: who is limited; NULL: nobody, it is posix itself */
static bool is_limited(const struct process *maker)
{
	return maker != NULL && !credentials_has(&maker->credentials, LINUX_CAP_SYS_RESOURCE) &&
		!credentials_has(&maker->credentials, LINUX_CAP_SYS_ADMIN);
}

static struct account *charge_pages(const struct process *maker, size_t *out_size)
{
	uint32_t uid = maker != NULL ? maker->credentials.uid : 0;
	uint64_t limit = is_limited(maker) ? PIPE_USER_PAGES_SOFT : UINT64_MAX;
	struct account *account = NULL;

	*out_size = PIPE_SIZE_USUAL;
	if (account_charge(uid, ACCOUNT_PIPE_PAGES, pages_of(*out_size), limit, &account) ==
		-LINUX_EDQUOT) {
		*out_size = PIPE_SIZE_POOR;
		(void)!account_charge(
			uid, ACCOUNT_PIPE_PAGES, pages_of(*out_size), UINT64_MAX, &account);
	}
	return account;
}

static struct pipe *pipe_create(const struct process *maker, struct inode *inode)
{
	struct pipe *pipe = helix_malloc(sizeof(*pipe));
	size_t size;
	struct account *account = pipe == NULL ? NULL : charge_pages(maker, &size);

	if (account == NULL) {
		helix_free(pipe);
		return NULL;
	}
	*pipe = (struct pipe){ .inode = inode, .size_max = size, .account = account };
	byte_queue_init(&pipe->queue);
	wait_queue_init(&pipe->changed);
	wait_queue_init(&pipe->opened);
	inode->pipe = pipe;
	return pipe;
}

static void pipe_free(struct pipe *pipe)
{
	pipe->inode->pipe = NULL;
	account_discharge(pipe->account, ACCOUNT_PIPE_PAGES, pages_of(pipe->size_max));
	byte_queue_deinit(&pipe->queue);
	helix_free(pipe);
}

/* ---- reading and writing ------------------------------------------------------------------- */

/* Whether a read has to wait: PARK, or an answer; 1 if there is something to read. */
static int64_t pipe_check_read(struct file *file, struct request *request)
{
	struct pipe *pipe = pipe_of(file);

	if (pipe_used(pipe) > 0) {
		return 1;
	}
	if (pipe->n_writers == 0) {
		return 0;
	}
	return file_wait(file, request, &pipe->changed);
}

static void pipe_was_read(struct file *file)
{
	wait_queue_wake(&pipe_of(file)->changed);
	inode_touch_accessed(file->inode);
}

static int64_t pipe_take(struct file *file, void *buffer, size_t size)
{
	size_t n_bytes = byte_queue_take(&pipe_of(file)->queue, buffer, size);

	pipe_was_read(file);
	return (int64_t)n_bytes;
}

static int64_t pipe_read(struct file *file, struct request *request, void *buffer, size_t size,
	UNUSED uint64_t *offset)
{
	if (size == 0) {
		return 0;
	}
	int64_t result = pipe_check_read(file, request);

	return result == 1 ? pipe_take(file, buffer, size) : result;
}

static int64_t pipe_read_bulk(
	struct file *file, struct request *request, size_t size, UNUSED uint64_t *offset)
{
	struct pipe *pipe = pipe_of(file);
	void *loan;

	if (size == 0) {
		return 0;
	}
	int64_t result = pipe_check_read(file, request);

	if (result != 1) {
		return result;
	}
	size = min_size(size, pipe_used(pipe));
	const void *bytes = byte_queue_borrow(&pipe->queue, size, &loan);

	if (bytes != NULL) {
		request_bulk(request, bytes, size, byte_queue_return, loan);
		pipe_was_read(file);
		return (int64_t)size;
	}
	void *buffer = request_bulk_buffer(request, size);

	return buffer == NULL ? -LINUX_ENOMEM : pipe_take(file, buffer, size);
}

static bool pipe_append(
	struct pipe *pipe, struct request *request, const uint8_t *bytes, size_t size)
{
	void *block = size < PIPE_BLOCK_MIN || request == NULL
		? NULL
		: request_take_block(request, bytes, size);

	if (block == NULL) {
		return byte_queue_append(&pipe->queue, bytes, size);
	}
	if (!byte_queue_append_block(&pipe->queue, block, size)) {
		helix_free(block);
		return false;
	}
	return true;
}

/* Appends what there is room for; nothing if that would split an atomic write. */
static int64_t pipe_put(
	struct pipe *pipe, struct request *request, const uint8_t *bytes, size_t size)
{
	size_t n_bytes = min_size(size, pipe_room(pipe));

	if (n_bytes == 0 || (n_bytes < size && size <= PIPE_BYTES_ATOMIC)) {
		return 0;
	}
	/* the block is taken only when nothing is left to write from it */
	if (!pipe_append(pipe, n_bytes == size ? request : NULL, bytes, n_bytes)) {
		return -LINUX_ENOMEM;
	}
	inode_touch_modified(pipe->inode);
	wait_queue_wake(&pipe->changed);
	return (int64_t)n_bytes;
}

/* state[1]: how many bytes earlier attempts of a blocking write have put into the pipe. */
static int64_t pipe_write(struct file *file, struct request *request, const void *buffer,
	size_t size, UNUSED uint64_t *offset)
{
	struct pipe *pipe = pipe_of(file);
	size_t done = request == NULL ? 0 : (size_t)request->state[1];

	if (size == 0) {
		return 0;
	}
	if (pipe->n_readers == 0) {
		return done > 0 ? (int64_t)done : -LINUX_EPIPE;
	}
	int64_t result = pipe_put(pipe, request, (const uint8_t *)buffer + done, size - done);

	if (result < 0) {
		return done > 0 ? (int64_t)done : result;
	}
	done += (size_t)result;
	if (done == size) {
		return (int64_t)done;
	}
	if (file_must_not_wait(file, request)) {
		return done > 0 ? (int64_t)done : -LINUX_EAGAIN;
	}
	request->state[1] = done;
	if (done > 0) {
		request->interrupted_result = (int64_t)done;
	}
	return file_wait(file, request, &pipe->changed);
}

static uint32_t pipe_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct pipe *pipe = pipe_of(file);
	uint32_t events = 0;

	if (queue_of != NULL) {
		queue_of(context, &pipe->changed);
	}
	if (file_is_readable(file)) {
		if (pipe_used(pipe) > 0) {
			events |= LINUX_POLLIN | LINUX_POLLRDNORM;
		}
		/* a FIFO hangs up only after a writer has been there since this open */
		if (pipe->n_writers == 0 &&
			(pipe->is_anonymous || file->offset != pipe->n_writers_ever)) {
			events |= LINUX_POLLHUP;
		}
	}
	if (file_is_writable(file)) {
		if (pipe_room(pipe) >= PIPE_BYTES_ATOMIC) {
			events |= LINUX_POLLOUT | LINUX_POLLWRNORM;
		}
		if (pipe->n_readers == 0) {
			events |= LINUX_POLLERR;
		}
	}
	return events;
}

static int64_t pipe_ioctl(struct file *file, UNUSED struct request *request, uint32_t command,
	UNUSED uint64_t value, void *buffer, size_t size)
{
	int32_t n_bytes = (int32_t)pipe_used(pipe_of(file));

	if (command != LINUX_FIONREAD || size < sizeof(n_bytes)) {
		return -LINUX_ENOTTY;
	}
	memcpy(buffer, &n_bytes, sizeof(n_bytes));
	return 0;
}

static void pipe_release(struct file *file)
{
	struct pipe *pipe = pipe_of(file);

	pipe->n_readers -= file_is_readable(file);
	pipe->n_writers -= file_is_writable(file);
	if (pipe->n_readers == 0 && pipe->n_writers == 0) {
		pipe_free(pipe);
	} else {
		wait_queue_wake(&pipe->changed);
	}
}

static const struct file_ops pipe_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "pipe",
	.announces_falls = true,
	.read = pipe_read,
	.read_bulk = pipe_read_bulk,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.release = pipe_release,
};

/* ---- for splice ---------------------------------------------------------------------------- */

bool file_is_pipe(const struct file *file)
{
	return file->ops == &pipe_file_ops;
}

static int64_t pipe_await(struct pipe *pipe, struct request *request, bool is_waiting)
{
	if (!is_waiting) {
		return -LINUX_EAGAIN;
	}
	int64_t error = request_wait_on(request, &pipe->changed);

	return error < 0 ? error : REQUEST_PARK;
}

int64_t pipe_await_bytes(struct file *file, struct request *request, bool is_waiting)
{
	struct pipe *pipe = pipe_of(file);

	if (pipe_used(pipe) > 0) {
		return 1;
	}
	return pipe->n_writers == 0 ? 0 : pipe_await(pipe, request, is_waiting);
}

int64_t pipe_await_room(struct file *file, struct request *request, bool is_waiting)
{
	struct pipe *pipe = pipe_of(file);

	if (pipe->n_readers == 0) {
		return -LINUX_EPIPE;
	}
	return pipe_room(pipe) > 0 ? 1 : pipe_await(pipe, request, is_waiting);
}

size_t pipe_n_bytes(const struct file *file)
{
	return pipe_used(pipe_of(file));
}

size_t pipe_n_room(const struct file *file)
{
	return pipe_room(pipe_of(file));
}

size_t pipe_peek(const struct file *file, void *buffer, size_t size)
{
	return byte_queue_peek(&pipe_of(file)->queue, buffer, size);
}

void pipe_drop(struct file *file, size_t size)
{
	byte_queue_drop(&pipe_of(file)->queue, size);
	pipe_was_read(file);
}

int64_t pipe_append_bytes(struct file *file, const void *bytes, size_t size)
{
	struct pipe *pipe = pipe_of(file);

	if (!byte_queue_append(&pipe->queue, bytes, size)) {
		return -LINUX_ENOMEM;
	}
	inode_touch_modified(pipe->inode);
	wait_queue_wake(&pipe->changed);
	return (int64_t)size;
}

/* ---- sizes --------------------------------------------------------------------------------- */

int64_t pipe_get_size(const struct file *file)
{
	return file->ops == &pipe_file_ops ? (int64_t)pipe_of(file)->size_max : -LINUX_EBADF;
}

/* Counts the pages of the new size; a larger one must be within the limit. */
static bool pipe_change_charge(const struct process *process, struct pipe *pipe, size_t size)
{
	uint64_t *n_pages = &pipe->account->n[ACCOUNT_PIPE_PAGES];
	uint64_t n_new = *n_pages - pages_of(pipe->size_max) + pages_of(size);

	if (size > pipe->size_max && n_new > PIPE_USER_PAGES_SOFT && is_limited(process)) {
		return false;
	}
	*n_pages = n_new;
	return true;
}

int64_t pipe_set_size(struct request *request, struct file *file, uint32_t size)
{
	size_t rounded = PIPE_SIZE_MIN;

	if (file->ops != &pipe_file_ops) {
		return -LINUX_EBADF;
	}
	if (size == 0 || size > INT32_MAX) {
		return -LINUX_EINVAL;
	}
	struct pipe *pipe = pipe_of(file);

	while (rounded < size) {
		rounded *= 2;
	}
	if (rounded > PIPE_SIZE_MAX &&
		!credentials_has(&request->process->credentials, LINUX_CAP_SYS_RESOURCE)) {
		return -LINUX_EPERM;
	}
	if (rounded > MIB(16)) {
		return -LINUX_ENOMEM;
	}
	if (rounded < pipe_used(pipe)) {
		return -LINUX_EBUSY;
	}
	if (!pipe_change_charge(request->process, pipe, rounded)) {
		return -LINUX_EPERM;
	}
	pipe->size_max = rounded;
	wait_queue_wake(&pipe->changed);
	return (int64_t)rounded;
}

/* ---- opening ------------------------------------------------------------------------------- */

/* Makes `file` an end of the pipe; file->offset is what a reader's open saw of writers. */
static void pipe_attach(struct pipe *pipe, struct file *file)
{
	file->ops = &pipe_file_ops;
	if (file_is_readable(file)) {
		pipe->n_readers++;
		pipe->n_readers_ever++;
	}
	if (file_is_writable(file)) {
		pipe->n_writers++;
		pipe->n_writers_ever++;
	}
	file->offset = pipe->n_writers > 0 ? UINT64_MAX : pipe->n_writers_ever;
	wait_queue_wake(&pipe->opened);
	wait_queue_wake(&pipe->changed);
}

/*
 * open(2) of a FIFO: waits for the other end. At the first attempt the file becomes an end, so that
 * the other side finds it; state[1] is then 1 + the number of peers there had ever been.
 */
int64_t pipe_inode_open(struct inode *inode, struct file *file, struct request *request)
{
	struct pipe *pipe = inode->pipe;
	bool is_reader = file_is_readable(file);
	bool is_writer = file_is_writable(file);
	bool is_first = request == NULL || request->state[1] == 0;

	if (!inode_is_type(inode, LINUX_S_IFIFO)) {
		return -LINUX_ENXIO;
	}
	if (!is_reader && !is_writer) {
		return -LINUX_EINVAL;
	}
	if (is_first) {
		if (!is_reader && (file->flags & LINUX_O_NONBLOCK) &&
			(pipe == NULL || (pipe->n_readers == 0 && !pipe->is_anonymous))) {
			return -LINUX_ENXIO;
		}
		if (pipe == NULL) {
			pipe = pipe_create(request == NULL ? NULL : request->process, inode);
		}
		if (pipe == NULL) {
			return -LINUX_ENOMEM;
		}
		pipe_attach(pipe, file);
	}
	if (pipe->is_anonymous || (is_reader && is_writer) ||
		(is_reader ? pipe->n_writers : pipe->n_readers) > 0) {
		return 0;
	}
	uint64_t n_peers_ever = is_reader ? pipe->n_writers_ever : pipe->n_readers_ever;

	if (file_must_not_wait(file, request)) {
		return 0;
	}
	if (is_first) {
		request->state[1] = 1 + n_peers_ever;
	} else if (request->state[1] != 1 + n_peers_ever) {
		return 0; /* one was here and has gone again */
	}
	int64_t error = request_wait_on(request, &pipe->opened);

	return error < 0 ? error : REQUEST_PARK;
}

static int64_t pipe_create_ends(const struct process *maker, uint32_t flags, struct file **out_ends)
{
	struct inode *inode = anonymous_inode_create(LINUX_S_IFIFO | 0600, NULL);
	struct pipe *pipe = inode == NULL ? NULL : pipe_create(maker, inode);
	int64_t error = pipe == NULL ? -LINUX_ENOMEM : 0;

	if (pipe != NULL) {
		pipe->is_anonymous = true;
	}
	for (unsigned i = 0; i < 2 && error == 0; i++) {
		uint32_t mode = i == 0 ? LINUX_O_RDONLY : LINUX_O_WRONLY;

		error = file_create(maker, &file_ops_default, inode, flags | mode, &out_ends[i]);
		if (error == 0) {
			pipe_attach(pipe, out_ends[i]);
		} else if (i == 1) {
			file_unref(out_ends[0]);
			pipe = NULL;
		}
	}
	if (error != 0 && pipe != NULL) {
		pipe_free(pipe);
	}
	inode_unref(inode);
	return error;
}

static int64_t pipe_install(struct request *request, struct file **ends, bool is_cloexec)
{
	int32_t fds[2];
	int64_t read_end = file_install(request, ends[0], is_cloexec);

	if (read_end < 0) {
		file_unref(ends[1]);
		return read_end;
	}
	int64_t write_end = file_install(request, ends[1], is_cloexec);
	void *out = write_end < 0 ? NULL : request_out(request, 0, NULL);

	if (out == NULL) {
		struct process *process = request->process;

		fd_table_close(process->files, (int)read_end, process);
		if (write_end >= 0) {
			fd_table_close(process->files, (int)write_end, process);
		}
		return write_end < 0 ? write_end : -LINUX_EFAULT;
	}
	fds[0] = (int32_t)read_end;
	fds[1] = (int32_t)write_end;
	memcpy(out, fds, sizeof(fds));
	return 0;
}

int64_t posix_pipe2(struct request *request)
{
	uint32_t flags = (uint32_t)request->args[1];
	struct file *ends[2];

	if (flags & ~(LINUX_O_CLOEXEC | LINUX_O_NONBLOCK | LINUX_O_DIRECT)) {
		return -LINUX_EINVAL;
	}
	if (flags & LINUX_O_DIRECT) {
		return -LINUX_EINVAL; /* packets: not done */
	}
	int64_t error = pipe_create_ends(request->process, flags & LINUX_O_NONBLOCK, ends);

	if (error < 0) {
		return error;
	}
	ends[0]->inode->uid = request->process->credentials.fsuid;
	ends[0]->inode->gid = request->process->credentials.fsgid;
	return pipe_install(request, ends, (flags & LINUX_O_CLOEXEC) != 0);
}
