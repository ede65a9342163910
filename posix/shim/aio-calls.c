/* SPDX-License-Identifier: MIT */
/*
 * Linux' asynchronous I/O: io_setup and its family.
 *
 * All files are in memory, and there Linux does the work in io_submit(), too; what is asynchronous
 * about it is that results lie in a ring until somebody takes them. The ring is the program's own
 * memory, at the address that is the context's number, as libraries look into it by themselves:
 *
 *	header | events: nr of them | ... | struct aio_tail
 *
 * `head` is where the next event is taken, `tail` where the next one is put; one place stays free.
 * `n_taken` counts the places whose requests are on their way. All is changed under shim_lock() but
 * what programs do themselves, and may be garbage, which is the program's own harm. A fork's child
 * has no context.
 *
 * Only polls are really on their way: posix waits for the files (file/aio-poll.c), raises `n_posts`
 * when a poll is over, and makes its submitter look when it leaves the shim. Whoever looks takes
 * all that are over and puts their events into the rings.
 */
#include <hel/hel-calls.h>

#include "calls.h"
#include "futex.h"
#include "signal.h"

constexpr uint32_t AIO_MAGIC = 0xa10a10a1;
constexpr uint32_t AIO_EVENTS_MAX = 65536; /* /proc/sys/fs/aio-max-nr */

struct aio_header {
	uint32_t id, nr, head, tail, magic, compatible, incompatible, size;
};

/* The first two are one futex, for who waits for events. */
struct aio_tail {
	uint16_t n_posts; /* posix': polls that are over and may be taken */
	uint16_t n_puts; /* ours: events that were put */
	uint32_t n_taken;
};

constexpr uint32_t AIO_HAS_POLLS = 1; /* of header.id, which nobody looks at */

struct aio_event {
	uint64_t data, object;
	int64_t result, result2;
};

enum aio_command : uint16_t {
	AIO_PREAD = 0,
	AIO_PWRITE = 1,
	AIO_FSYNC = 2,
	AIO_FDSYNC = 3,
	AIO_POLL = 5,
	AIO_PREADV = 7,
	AIO_PWRITEV = 8,
};

constexpr uint32_t AIO_HAS_EVENTFD = 1;
constexpr uint32_t AT_EMPTY_PATH = 0x1000;

struct aio_control { /* Linux' struct iocb */
	uint64_t data;
	uint32_t key, rw_flags;
	uint16_t command;
	int16_t priority;
	uint32_t fd;
	uint64_t buffer, size;
	int64_t offset;
	uint64_t reserved;
	uint32_t flags, eventfd;
};
static_assert(sizeof(struct aio_control) == 64 && sizeof(struct aio_header) == 32);

constexpr uint32_t NR_WRITE = 1, NR_PREAD64 = 17, NR_PWRITE64 = 18, NR_FSYNC = 74,
		   NR_FDATASYNC = 75, NR_NEWFSTATAT = 262, NR_PREADV2 = 327, NR_PWRITEV2 = 328;

/* ---- rings ----------------------------------------------------------------------------------- */

static uint64_t ring_size(uint32_t nr)
{
	uint64_t bytes = sizeof(struct aio_header) + (uint64_t)nr * sizeof(struct aio_event) +
		sizeof(struct aio_tail);

	return (bytes + HEL_PAGE_SIZE - 1) & ~(HEL_PAGE_SIZE - 1);
}

static uint64_t futex_address(uint64_t ring, uint32_t nr)
{
	return ring + ring_size(nr) - sizeof(struct aio_tail);
}

static uint64_t taken_address(uint64_t ring, uint32_t nr)
{
	return futex_address(ring, nr) + offsetof(struct aio_tail, n_taken);
}

/* -LINUX_EINVAL if there is no context of that number. */
static int ring_get(uint64_t ring, struct aio_header *out_header)
{
	if ((ring & (HEL_PAGE_SIZE - 1)) || shim_get(out_header, ring, sizeof(*out_header)) ||
		out_header->magic != AIO_MAGIC || out_header->size != sizeof(*out_header) ||
		out_header->nr < 2 || out_header->nr > AIO_EVENTS_MAX + 1 ||
		out_header->head >= out_header->nr || out_header->tail >= out_header->nr) {
		return -LINUX_EINVAL;
	}
	return 0;
}

static uint32_t ring_used(const struct aio_header *header)
{
	return (header->tail + header->nr - header->head) % header->nr;
}

static uint64_t event_address(uint64_t ring, uint32_t index)
{
	return ring + sizeof(struct aio_header) + (uint64_t)index * sizeof(struct aio_event);
}

static uint64_t head_address(uint64_t ring)
{
	return ring + offsetof(struct aio_header, head);
}

static uint64_t tail_address(uint64_t ring)
{
	return ring + offsetof(struct aio_header, tail);
}

/* Takes a place for an event, or (-1) gives one back: 0, -LINUX_EAGAIN, -LINUX_EINVAL. */
static int ring_take(uint64_t ring, int change)
{
	struct aio_header header;
	uint32_t n_taken = 0;
	int error = ring_get(ring, &header);

	if (!error && shim_get(&n_taken, taken_address(ring, header.nr), sizeof(n_taken))) {
		error = -LINUX_EINVAL;
	}
	if (!error && change > 0 && ring_used(&header) + n_taken >= header.nr - 1) {
		error = -LINUX_EAGAIN;
	}
	n_taken += (uint32_t)change;
	if (!error && shim_put(taken_address(ring, header.nr), &n_taken, sizeof(n_taken))) {
		error = -LINUX_EINVAL;
	}
	return error;
}

/* Puts an event into a place that was taken. A ring that is gone meanwhile gets none. */
static void ring_put(uint64_t ring, const struct aio_event *event)
{
	struct aio_header header;
	uint64_t futex = 0;

	shim_lock();
	if (!ring_take(ring, -1) && !ring_get(ring, &header) &&
		!shim_put(event_address(ring, header.tail), event, sizeof(*event))) {
		uint32_t tail = (header.tail + 1) % header.nr;
		uint64_t puts_address;
		uint16_t n_puts = 0;

		futex = futex_address(ring, header.nr);
		puts_address = futex + offsetof(struct aio_tail, n_puts);
		(void)shim_put(tail_address(ring), &tail, sizeof(tail));
		(void)shim_get(&n_puts, puts_address, sizeof(n_puts));
		n_puts++;
		(void)shim_put(puts_address, &n_puts, sizeof(n_puts));
	}
	shim_unlock();
	if (futex) {
		(void)hel_futex_wake((const uint32_t *)futex, ~0u, ~0u, nullptr);
	}
}

/* ---- contexts -------------------------------------------------------------------------------- */

int64_t shim_io_setup(SHIM_ARGS)
{
	struct aio_header header = {
		.nr = (uint32_t)a0 + 1,
		.magic = AIO_MAGIC,
		.compatible = 1,
		.size = sizeof(header),
	};
	struct hel_map_args args = {
		.space = HEL_THIS,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_DROP,
		.limit_low = shim_process()->mmap_low,
		.limit_high = shim_process()->mmap_high,
	};
	uint64_t ring;
	int error;

	SHIM_UNUSED;
	if (shim_get(&ring, a1, sizeof(ring))) {
		return -LINUX_EFAULT;
	}
	if (ring || (uint32_t)a0 == 0) {
		return -LINUX_EINVAL;
	}
	if ((uint32_t)a0 > AIO_EVENTS_MAX) {
		return -LINUX_EAGAIN;
	}
	args.size_bytes = ring_size(header.nr);
	if (!shim_may_map(0, args.size_bytes, true)) {
		return -LINUX_ENOMEM;
	}
	error = hel_space_map(&args, &ring);
	if (error) {
		return shim_errno_of(error);
	}
	if (shim_put(ring, &header, sizeof(header)) || shim_put(a1, &ring, sizeof(ring))) {
		(void)hel_space_unmap(HEL_THIS, ring, args.size_bytes);
		return -LINUX_EFAULT;
	}
	return 0;
}

int64_t shim_io_destroy(SHIM_ARGS)
{
	struct aio_header header;
	int error;

	SHIM_UNUSED;
	shim_lock();
	error = ring_get(a0, &header);
	if (!error) {
		if (header.id & AIO_HAS_POLLS) {
			(void)shim_request(POSIX_AIO_CANCEL, a0, 0, 0, 0, 0, 0);
		}
		(void)hel_futex_wake(
			(const uint32_t *)futex_address(a0, header.nr), ~0u, ~0u, nullptr);
		(void)hel_space_unmap(HEL_THIS, a0, ring_size(header.nr));
	}
	shim_unlock();
	return error;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Descriptors without a type are eventfds and their like; those refuse what is no eventfd's. */
static bool may_be_eventfd(uint64_t fd)
{
	struct {
		uint64_t dev, ino, nlink;
		uint32_t mode;
		uint8_t rest[144 - 28];
	} status;
	struct shim_call call;

	shim_call_init(&call, NR_NEWFSTATAT);
	call.header.args[0] = fd;
	call.header.args[1] = 1;
	call.header.args[2] = sizeof(status);
	call.header.args[3] = AT_EMPTY_PATH;
	shim_call_in(&call, "", 1);
	shim_call_out(&call, &status, sizeof(status));
	return shim_call_run(&call) == 0 && (status.mode & 0170000) == 0;
}

static void tell_eventfd(uint64_t fd)
{
	const uint64_t one = 1;
	struct shim_call call;

	shim_call_init(&call, NR_WRITE);
	call.header.args[0] = fd;
	call.header.args[2] = sizeof(one);
	shim_call_in(&call, &one, sizeof(one));
	(void)shim_call_run(&call);
}

static int64_t check_control(const struct aio_control *control)
{
	switch (control->command) {
	case AIO_PREAD:
	case AIO_PWRITE:
	case AIO_PREADV:
	case AIO_PWRITEV:
		if (control->offset < 0) {
			return -LINUX_EINVAL;
		}
		break;
	case AIO_FSYNC:
	case AIO_FDSYNC:
		if (control->buffer || control->offset || control->size || control->rw_flags) {
			return -LINUX_EINVAL;
		}
		break;
	case AIO_POLL:
		if ((uint16_t)control->buffer != control->buffer || control->offset ||
			control->size || control->rw_flags) {
			return -LINUX_EINVAL;
		}
		break;
	default: shim_count_unimplemented(209); return -LINUX_EINVAL;
	}
	if (control->reserved || (int64_t)control->size < 0 ||
		((control->flags & AIO_HAS_EVENTFD) && !may_be_eventfd(control->eventfd))) {
		return -LINUX_EINVAL;
	}
	return 0;
}

/* ---- polls ----------------------------------------------------------------------------------- */

void shim_collect_polls(void)
{
	struct posix_aio_done done[16];
	int64_t n;

	do {
		struct shim_call call;

		shim_call_init(&call, POSIX_AIO_TAKE);
		call.header.args[0] = sizeof(done) / sizeof(done[0]);
		shim_call_out(&call, done, sizeof(done));
		n = shim_call_run(&call);
		for (int64_t i = 0; i < n; i++) {
			const struct aio_event event = {
				.data = done[i].data,
				.object = done[i].object,
				.result = done[i].result,
			};

			ring_put(done[i].ring, &event);
		}
	} while (n == (int64_t)(sizeof(done) / sizeof(done[0])));
}

/* > 0: what is ready; 0: posix waits for it. */
static int64_t start_poll(uint64_t ring, uint64_t address, const struct aio_control *control)
{
	struct aio_header header;
	struct posix_aio_poll poll = {
		.fd = control->fd,
		.events = (uint32_t)control->buffer,
		.has_eventfd = control->flags & AIO_HAS_EVENTFD,
		.eventfd = control->eventfd,
	};
	struct shim_call call;

	if (ring_get(ring, &header)) {
		return -LINUX_EINVAL;
	}
	poll.answer = (struct posix_aio_done){
		.ring = ring,
		.data = control->data,
		.object = address,
		.posts = futex_address(ring, header.nr) + offsetof(struct aio_tail, n_posts),
	};
	header.id |= AIO_HAS_POLLS;
	if (shim_put(ring + offsetof(struct aio_header, id), &header.id, sizeof(header.id))) {
		return -LINUX_EFAULT;
	}
	shim_call_init(&call, POSIX_AIO_POLL);
	shim_call_in(&call, &poll, sizeof(poll));
	return shim_call_run(&call);
}

/* ---- submitting ------------------------------------------------------------------------------ */

static int64_t run_control(const struct aio_control *control)
{
	uint64_t fd = control->fd, offset = (uint64_t)control->offset;
	uint64_t sync[6] = { fd };

	switch (control->command) {
	case AIO_PREAD:
		return shim_pread64(fd, control->buffer, control->size, offset, 0, 0, NR_PREAD64);
	case AIO_PWRITE:
		return shim_pwrite64(fd, control->buffer, control->size, offset, 0, 0, NR_PWRITE64);
	case AIO_PREADV:
		return shim_preadv2(fd, control->buffer, control->size, offset, 0,
			control->rw_flags, NR_PREADV2);
	case AIO_PWRITEV:
		return shim_pwritev2(fd, control->buffer, control->size, offset, 0,
			control->rw_flags, NR_PWRITEV2);
	case AIO_FSYNC: return shim_forward_as(NR_FSYNC, sync);
	default: return shim_forward_as(NR_FDATASYNC, sync);
	}
}

/* What is wrong with the request itself is an error of io_submit(), and no event. */
static bool is_refusal(int64_t result)
{
	return result == -LINUX_EBADF || result == -LINUX_EINVAL || result == -LINUX_ESPIPE;
}

static int64_t submit(uint64_t ring, uint64_t address)
{
	static const uint32_t key = 0;
	struct aio_control control;
	struct aio_event event;
	int64_t result;

	if (shim_get(&control, address, sizeof(control)) ||
		shim_put(address + offsetof(struct aio_control, key), &key, sizeof(key))) {
		return -LINUX_EFAULT;
	}
	result = check_control(&control);
	if (result) {
		return result;
	}
	shim_lock();
	result = ring_take(ring, 1);
	shim_unlock();
	if (result) {
		return result;
	}
	result = control.command == AIO_POLL ? start_poll(ring, address, &control)
					     : run_control(&control);
	if (control.command == AIO_POLL && !result) {
		return 0;
	}
	if (is_refusal(result) || (control.command == AIO_POLL && result < 0)) {
		shim_lock();
		(void)ring_take(ring, -1);
		shim_unlock();
		return result;
	}
	if (result <= -LINUX_ERESTARTSYS) {
		result = -LINUX_EINTR;
	}
	event = (struct aio_event){ .data = control.data, .object = address, .result = result };
	ring_put(ring, &event);
	if (control.flags & AIO_HAS_EVENTFD) {
		tell_eventfd(control.eventfd);
	}
	return 0;
}

int64_t shim_io_submit(SHIM_ARGS)
{
	struct aio_header header;
	int64_t n_submitted = 0;
	int64_t error = (int64_t)a1 < 0 ? -LINUX_EINVAL : ring_get(a0, &header);

	SHIM_UNUSED;
	if (error) {
		return error;
	}
	while (n_submitted < (int64_t)a1 && n_submitted < (int64_t)header.nr - 1) {
		uint64_t address;

		error = shim_get(
			&address, a2 + (uint64_t)n_submitted * sizeof(address), sizeof(address));
		if (!error) {
			error = submit(a0, address);
		}
		if (error) {
			break;
		}
		n_submitted++;
	}
	return n_submitted ? n_submitted : error;
}

/* What was submitted is over already, but for polls. */
int64_t shim_io_cancel(SHIM_ARGS)
{
	struct aio_header header;
	uint32_t key;

	SHIM_UNUSED;
	if (shim_get(&key, a1 + offsetof(struct aio_control, key), sizeof(key))) {
		return -LINUX_EFAULT;
	}
	if (ring_get(a0, &header) || !(header.id & AIO_HAS_POLLS) || !a1) {
		return -LINUX_EINVAL;
	}
	return shim_request(POSIX_AIO_CANCEL, a0, a1, 0, 0, 0, 0);
}

/* ---- results --------------------------------------------------------------------------------- */

/* Takes up to @n_max events: how many, -LINUX_EINVAL, -LINUX_EFAULT. */
static int64_t take_events(uint64_t ring, int64_t n_max, uint64_t events)
{
	struct aio_header header;
	int64_t n = 0;
	int64_t error;

	shim_lock();
	error = ring_get(ring, &header);
	while (!error && n < n_max && header.head != header.tail) {
		struct aio_event event;

		if (shim_get(&event, event_address(ring, header.head), sizeof(event)) ||
			shim_put(events + (uint64_t)n * sizeof(event), &event, sizeof(event))) {
			error = -LINUX_EFAULT;
			break;
		}
		header.head = (header.head + 1) % header.nr;
		n++;
	}
	if (n) {
		(void)shim_put(head_address(ring), &header.head, sizeof(header.head));
	}
	shim_unlock();
	return n ? n : error;
}

/*
 * Where to wait for events, and the value that says that there are no more; polls that are over
 * are put into the ring. -LINUX_EINVAL.
 */
static int64_t prepare_wait(uint64_t ring, uint64_t *out_futex, uint32_t *out_value)
{
	struct aio_header header;

	if (ring_get(ring, &header)) {
		return -LINUX_EINVAL;
	}
	*out_futex = futex_address(ring, header.nr);
	if (shim_get(out_value, *out_futex, sizeof(*out_value))) {
		return -LINUX_EINVAL;
	}
	if (header.id & AIO_HAS_POLLS) {
		shim_collect_polls();
	}
	return 0;
}

static int64_t get_events(
	uint64_t ring, int64_t n_min, int64_t n_max, uint64_t events, uint64_t timeout_address)
{
	uint64_t timeout_ns, deadline_ns = HEL_DEADLINE_NEVER;
	int64_t n = 0, result;
	uint64_t futex;
	uint32_t value;

	if (timeout_address) {
		result = shim_get_timespec(timeout_address, &timeout_ns);
		if (result) {
			return result;
		}
		deadline_ns = shim_deadline_after(timeout_ns);
	}
	if (n_min < 0 || n_max < 0 || n_min > n_max) {
		return -LINUX_EINVAL;
	}
	for (;;) {
		result = prepare_wait(ring, &futex, &value);
		if (!result) {
			result = take_events(
				ring, n_max - n, events + (uint64_t)n * sizeof(struct aio_event));
		}
		n += result > 0 ? result : 0;
		if (result < 0 || n >= n_min) {
			return n ? n : result;
		}
		result = shim_futex_wait((const uint32_t *)futex, value,
			(struct shim_deadline){ .ns = deadline_ns }, ~0u, -LINUX_EINTR);
		if (result == -LINUX_ETIMEDOUT || result == -LINUX_EINTR) {
			return n || result == -LINUX_ETIMEDOUT ? n : result;
		}
	}
}

int64_t shim_io_getevents(SHIM_ARGS)
{
	SHIM_UNUSED;
	return get_events(a0, (int64_t)a1, (int64_t)a2, a3, a4);
}

int64_t shim_io_pgetevents(SHIM_ARGS)
{
	uint64_t mask[2] = {};
	int64_t result;
	int error = a5 ? shim_get(mask, a5, sizeof(mask)) : 0;

	(void)number;
	if (!error) {
		error = shim_set_temporary_mask(mask[0], mask[1]);
	}
	if (error) {
		return error;
	}
	result = get_events(a0, (int64_t)a1, (int64_t)a2, a3, a4);
	shim_end_temporary_mask(result);
	return result;
}
