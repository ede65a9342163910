/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing.
 *
 * A read or write longer than POSIX_BULK_MAX goes in pieces, and so do reads into vectors; each
 * piece after the first must not wait (POSIX_REQUEST_NOWAIT), so that a pipe answers with what it
 * has, as one call would. Writes of vectors go as one if they fit into a request. Reads of packets
 * are as one, too: posix says -LINUX_EMSGSIZE if a vector's first part may not hold all of one.
 */
#include "calls.h"
#include "signal.h"

constexpr uint32_t NR_READ = 0, NR_WRITE = 1, NR_PREAD = 17, NR_PWRITE = 18, NR_GETDENTS64 = 217;
constexpr uint64_t IO_MAX = 0x7ffff000;
constexpr uint64_t IOV_MAX_COUNT = 1024;
constexpr int64_t O_NONBLOCK = 04000;

struct linux_iovec {
	uint64_t base;
	uint64_t size;
};

static bool is_write(uint32_t number)
{
	return number == NR_WRITE || number == NR_PWRITE;
}

/* What a piece may have of these bytes, which follow each other in the program's memory. */
static uint64_t piece_size(uint64_t size)
{
	return size < POSIX_BULK_MAX ? size : POSIX_BULK_MAX;
}

/* The first piece of so many bytes. */
static int64_t one_piece(uint32_t number, uint64_t fd, uint64_t address, uint64_t all,
	uint64_t offset, uint32_t flags)
{
	uint64_t size = piece_size(all);
	struct shim_call call;

	shim_call_init(&call, number);
	call.header.flags = flags;
	call.header.args[0] = fd;
	call.header.args[1] = size;
	call.header.args[2] = size;
	call.header.args[3] = offset;
	call.header.args[4] = all;
	call.header.args[5] = address;
	if (is_write(number)) {
		if (!shim_is_user_range(address, size)) {
			return -LINUX_EFAULT;
		}
		shim_call_in_user(&call, address, size);
	} else {
		call.bulk_out_address = address;
		call.bulk_out_size = size;
	}
	return shim_call_run(&call);
}

/* One call that goes in pieces. */
struct stream {
	uint32_t number; /* of the call for a piece */
	uint32_t flags; /* enum posix_request_flags, for all pieces */
	uint64_t fd;
	uint64_t offset; /* of the call's first byte, for calls that have one */
	uint64_t size_all; /* of a read into a vector; a packet is not cut to its first part */
	uint64_t done; /* bytes that have been transferred */
};

/* Returns how many bytes of these were transferred, or why none. */
static int64_t transfer(struct stream *stream, uint64_t address, uint64_t size)
{
	uint64_t n_before = stream->done;

	if (size > IO_MAX) {
		size = IO_MAX;
	}
	do {
		uint64_t left = size - (stream->done - n_before);
		uint32_t flags = stream->flags;
		int64_t result;

		/* A long write waits until all is written, unless a signal is there. */
		if (stream->done && (!is_write(stream->number) || shim_has_signal())) {
			flags |= POSIX_REQUEST_NOWAIT;
		}
		result = one_piece(stream->number, stream->fd, address, left,
			stream->number != NR_READ ? stream->offset + stream->done
				: stream->done    ? 0
						  : stream->size_all,
			flags);
		if (result < 0) {
			return stream->done > n_before ? (int64_t)(stream->done - n_before)
						       : result;
		}
		stream->done += (uint64_t)result;
		address += (uint64_t)result;
		if ((uint64_t)result < piece_size(left)) {
			break;
		}
	} while (stream->done - n_before < size);
	return (int64_t)(stream->done - n_before);
}

int64_t shim_read(SHIM_ARGS)
{
	struct stream stream = { .number = NR_READ, .fd = a0 };

	SHIM_UNUSED;
	if (shim_has_view(a0)) {
		int64_t result = shim_view_read(a0, a1, a2);

		if (result != SHIM_ASK) {
			return result;
		}
	}
	return transfer(&stream, a1, a2);
}

int64_t shim_write(SHIM_ARGS)
{
	struct stream stream = { .number = NR_WRITE, .fd = a0 };

	SHIM_UNUSED;
	if (shim_has_view(a0)) {
		int64_t result = shim_view_write(a0, a1, a2);

		if (result != SHIM_ASK) {
			return result;
		}
	}
	return transfer(&stream, a1, a2);
}

/* Past a view. */
int64_t shim_ask_pread(uint64_t fd, uint64_t address, uint64_t size, uint64_t offset)
{
	struct stream stream = { .number = NR_PREAD, .fd = fd, .offset = offset };

	return transfer(&stream, address, size);
}

int64_t shim_pread64(SHIM_ARGS)
{
	SHIM_UNUSED;
	if (shim_has_view(a0)) {
		int64_t result = shim_view_pread(a0, a1, a2, a3);

		if (result != SHIM_ASK) {
			return result;
		}
	}
	return shim_ask_pread(a0, a1, a2, a3);
}

int64_t shim_ask_pwrite(uint64_t fd, uint64_t address, uint64_t size, uint64_t offset)
{
	struct stream stream = { .number = NR_PWRITE, .fd = fd, .offset = offset };

	return transfer(&stream, address, size);
}

int64_t shim_pwrite64(SHIM_ARGS)
{
	SHIM_UNUSED;
	if (shim_has_view(a0)) {
		int64_t result = shim_view_pwrite(a0, a1, a2, a3);

		if (result != SHIM_ASK) {
			return result;
		}
	}
	return shim_ask_pwrite(a0, a1, a2, a3);
}

int64_t shim_getdents64(SHIM_ARGS)
{
	SHIM_UNUSED;
	return one_piece(NR_GETDENTS64, a0, a1, a2, 0, 0);
}

/* Short vectors are written as one piece, so that a pipe or terminal gets them as one. */
static int64_t write_gathered(
	const struct stream *stream, const struct linux_iovec *vector, uint64_t count)
{
	struct shim_call call;
	uint8_t bytes[POSIX_BULK_INLINE];
	uint64_t total = 0;

	for (uint64_t i = 0; i < count; i++) {
		if (shim_get(bytes + total, vector[i].base, vector[i].size)) {
			return -LINUX_EFAULT;
		}
		total += vector[i].size;
	}
	shim_call_init(&call, stream->number);
	call.header.flags = stream->flags;
	call.header.args[0] = stream->fd;
	call.header.args[1] = total;
	call.header.args[2] = total;
	call.header.args[3] = stream->offset;
	shim_call_in(&call, bytes, total);
	return shim_call_run(&call);
}

/* A vector that fits into a request, as one piece: what is written may be a packet or a record. */
static int64_t write_parts(const struct stream *stream, uint64_t address, uint64_t count,
	uint64_t total, uint64_t scratch)
{
	struct shim_call call;
	uint64_t done = 0;

	shim_call_init(&call, stream->number);
	call.header.flags = stream->flags;
	call.header.args[0] = stream->fd;
	call.header.args[1] = total;
	call.header.args[2] = total;
	call.header.args[3] = stream->offset;
	for (uint64_t i = 0; i < count; i++) {
		struct linux_iovec one;

		if (shim_get(&one, address + i * sizeof(one), sizeof(one)) ||
			!shim_is_user_range(one.base, one.size)) {
			return -LINUX_EFAULT;
		}
		if (one.size > total - done ||
			(scratch && shim_scratch_copy(scratch + done, one.base, one.size))) {
			return -LINUX_EFAULT;
		}
		done += one.size;
		if (!scratch && one.size > 0) {
			shim_call_in_part(&call, one.base, one.size);
		}
	}
	if (done != total) {
		return -LINUX_EFAULT; /* another thread has changed the vector */
	}
	if (scratch) {
		shim_call_in_user(&call, scratch, total);
	}
	return shim_call_run(&call);
}

/* The same; more parts than a request can have are copied to a mapping first. */
static int64_t write_as_one(
	const struct stream *stream, uint64_t address, uint64_t count, uint64_t total)
{
	if (count <= ARRAY_SIZE(((struct shim_call *)0)->in)) {
		return write_parts(stream, address, count, total, 0);
	}
	int64_t scratch = shim_scratch_map(total);

	if (scratch < 0) {
		return scratch;
	}
	int64_t result = write_parts(stream, address, count, total, (uint64_t)scratch);

	shim_scratch_unmap((uint64_t)scratch, total);
	return result;
}

/* All of a vector's pieces, one after the other, until one is cut short. */
static int64_t transfer_pieces(struct stream *stream, uint64_t address, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct linux_iovec one;
		int64_t result;

		if (shim_get(&one, address + i * sizeof(one), sizeof(one))) {
			return stream->done ? (int64_t)stream->done : -LINUX_EFAULT;
		}
		if (one.size == 0) {
			continue;
		}
		result = transfer(stream, one.base, one.size);
		if (result < 0) {
			return stream->done ? (int64_t)stream->done : result;
		}
		if ((uint64_t)result < one.size) {
			break;
		}
	}
	return (int64_t)stream->done;
}

/* A packet, of which a vector's first part may not hold all: by way of a mapping. */
static int64_t read_copied(
	const struct stream *stream, uint64_t address, uint64_t count, uint64_t total)
{
	uint64_t size = piece_size(total), done = 0;
	int64_t scratch = shim_scratch_map(size);

	if (scratch < 0) {
		return scratch;
	}
	int64_t result =
		one_piece(stream->number, stream->fd, (uint64_t)scratch, size, 0, stream->flags);

	for (uint64_t i = 0; i < count && result > 0 && done < (uint64_t)result; i++) {
		uint64_t left = (uint64_t)result - done;
		struct linux_iovec one;

		if (shim_get(&one, address + i * sizeof(one), sizeof(one)) ||
			shim_scratch_copy(one.base, (uint64_t)scratch + done,
				one.size < left ? one.size : left)) {
			result = -LINUX_EFAULT;
			break;
		}
		done += one.size < left ? one.size : left;
	}
	shim_scratch_unmap((uint64_t)scratch, size);
	return result;
}

static bool is_socket(uint64_t fd)
{
	constexpr uint32_t NR_GETSOCKOPT = 55;
	constexpr uint64_t SOL_SOCKET = 1, SO_TYPE = 3;
	uint8_t value[256];
	struct shim_call call;

	shim_call_init(&call, NR_GETSOCKOPT);
	call.header.args[0] = fd;
	call.header.args[1] = SOL_SOCKET;
	call.header.args[2] = SO_TYPE;
	call.header.args[3] = sizeof(value);
	shim_call_out(&call, value, sizeof(value));
	return shim_call_run(&call) >= 0;
}

static int64_t transfer_vector(struct stream *stream, uint64_t address, uint64_t count)
{
	struct linux_iovec vector[8];
	uint64_t total = 0;

	if (count > IOV_MAX_COUNT) {
		return -LINUX_EINVAL;
	}
	for (uint64_t i = 0; i < count; i++) {
		struct linux_iovec *at = &vector[i % ARRAY_SIZE(vector)];

		if (shim_get(at, address + i * sizeof(*at), sizeof(*at))) {
			return -LINUX_EFAULT;
		}
		if (at->size > INT64_MAX || total + at->size > INT64_MAX) {
			return -LINUX_EINVAL;
		}
		total += at->size;
	}
	if (total == 0) {
		return one_piece(stream->number, stream->fd, 0, 0, stream->offset, stream->flags);
	}
	if (is_write(stream->number) && count <= ARRAY_SIZE(vector) && total <= POSIX_BULK_INLINE) {
		return write_gathered(stream, vector, count);
	}
	if (is_write(stream->number) && count > 1 && total <= POSIX_BULK_MAX) {
		int64_t result = write_as_one(stream, address, count, total);

		/* of what lies partly nowhere, all but sockets take the beginning */
		if (result != -LINUX_EFAULT || is_socket(stream->fd)) {
			return result;
		}
	}
	stream->size_all = count > 1 && stream->number == NR_READ ? total : 0;
	int64_t result = transfer_pieces(stream, address, count);

	return result == -LINUX_EMSGSIZE && stream->size_all
		? read_copied(stream, address, count, total)
		: result;
}

int64_t shim_readv(SHIM_ARGS)
{
	struct stream stream = { .number = NR_READ, .fd = a0 };

	SHIM_UNUSED;
	return transfer_vector(&stream, a1, a2);
}

int64_t shim_writev(SHIM_ARGS)
{
	struct stream stream = { .number = NR_WRITE, .fd = a0 };

	SHIM_UNUSED;
	return transfer_vector(&stream, a1, a2);
}

/* The one buffer that a vector has, by a view. */
static int64_t view_one(int64_t (*transfer_one)(uint64_t, uint64_t, uint64_t, uint64_t),
	uint64_t fd, uint64_t vector, uint64_t offset)
{
	struct linux_iovec one;

	return shim_get(&one, vector, sizeof(one)) ? SHIM_ASK
						   : transfer_one(fd, one.base, one.size, offset);
}

int64_t shim_preadv(SHIM_ARGS)
{
	struct stream stream = { .number = NR_PREAD, .fd = a0, .offset = a3 };

	SHIM_UNUSED;
	if (shim_has_view(a0) && a2 == 1) {
		int64_t result = view_one(shim_view_pread, a0, a1, a3);

		if (result != SHIM_ASK) {
			return result;
		}
	}
	return transfer_vector(&stream, a1, a2);
}

int64_t shim_pwritev(SHIM_ARGS)
{
	struct stream stream = { .number = NR_PWRITE, .fd = a0, .offset = a3 };

	SHIM_UNUSED;
	if (shim_has_view(a0) && a2 == 1) {
		int64_t result = view_one(shim_view_pwrite, a0, a1, a3);

		if (result != SHIM_ASK) {
			return result;
		}
	}
	return transfer_vector(&stream, a1, a2);
}

/*
 * The flags of preadv2 and pwritev2. What is in memory is as durable as it gets (HIPRI, DSYNC,
 * SYNC); NOWAIT is refused, as files of Linux 6.1's tmpfs do.
 */
constexpr uint64_t RWF_DURABLE = 7;
constexpr uint64_t RWF_APPEND = 16;

/* Position -1 is the file's own. */
static int64_t transfer_with_flags(
	struct stream *stream, uint64_t address, uint64_t count, uint64_t flags)
{
	if ((uint32_t)flags & ~(uint32_t)(RWF_DURABLE | RWF_APPEND)) {
		return -LINUX_EOPNOTSUPP;
	}
	if (flags & RWF_APPEND) {
		stream->flags = POSIX_REQUEST_APPEND;
	}
	return transfer_vector(stream, address, count);
}

int64_t shim_preadv2(SHIM_ARGS)
{
	struct stream stream = {
		.number = a3 == UINT64_MAX ? NR_READ : NR_PREAD, .fd = a0, .offset = a3
	};

	SHIM_UNUSED;
	return transfer_with_flags(&stream, a1, a2, a5);
}

int64_t shim_pwritev2(SHIM_ARGS)
{
	struct stream stream = {
		.number = a3 == UINT64_MAX ? NR_WRITE : NR_PWRITE, .fd = a0, .offset = a3
	};

	SHIM_UNUSED;
	return transfer_with_flags(&stream, a1, a2, a5);
}

/* ---- vmsplice -------------------------------------------------------------------------------- */

/* Waits until a pipe has room; 0 or why not. */
static int64_t wait_for_room(uint64_t fd)
{
	struct {
		int32_t fd;
		uint16_t events, revents;
	} entry = { .fd = (int32_t)fd, .events = 4 /* POLLOUT */ };
	struct shim_call call;
	int64_t result;

	shim_call_init(&call, POSIX_POLL);
	call.header.args[0] = 1;
	call.header.args[1] = ~0ul;
	shim_call_in(&call, &entry, sizeof(entry));
	shim_call_out(&call, &entry, sizeof(entry));
	result = shim_call_run(&call);
	return result < 0 ? result : 0;
}

/*
 * To a pipe: as much as fits, and at least something, where writev would wait until all is in. From
 * a pipe: readv. Nobody can tell that the pages are copied and not given.
 */
int64_t shim_vmsplice(SHIM_ARGS)
{
	constexpr uint64_t F_GETFL = 3, F_GETPIPE_SZ = 1032, NONBLOCK = 2, FLAGS = 15;
	int64_t how = shim_request(POSIX_FCNTL, a0, F_GETFL, 0, 0, 0, 0);
	int64_t result;

	SHIM_UNUSED;
	if ((uint32_t)a3 & ~(uint32_t)FLAGS) {
		return -LINUX_EINVAL;
	}
	if (how < 0 || shim_request(POSIX_FCNTL, a0, F_GETPIPE_SZ, 0, 0, 0, 0) < 0) {
		return -LINUX_EBADF;
	}
	do {
		struct stream stream = {
			.number = how & 3 ? NR_WRITE : NR_READ,
			.flags = how & 3 || a3 & NONBLOCK ? POSIX_REQUEST_NOWAIT : 0,
			.fd = a0,
		};

		if (a2 == 0) {
			return 0;
		}
		result = transfer_vector(&stream, a1, a2);
		if (result != -LINUX_EAGAIN || !(how & 3) || a3 & NONBLOCK || how & O_NONBLOCK) {
			return result;
		}
		result = wait_for_room(a0);
	} while (result == 0);
	return result;
}
