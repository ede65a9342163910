/* SPDX-License-Identifier: MIT */
/*
 * The shim: the half of the Linux ABI that lives in the program's own process.
 *
 * It is convenience, not a boundary: whatever it does the program could do itself, and posix trusts
 * nothing of it. It has no writable data of its own: all state is in the thread page (gs:0) and the
 * process page, so that two Linux processes can share one address space (vfork). It runs on the
 * thread's shim stack (32 KiB), uses no vector registers, and touches the program's memory only
 * through the functions under "user memory", whose faults become EFAULT.
 *
 * A handler is called with the six argument registers and the call number, and returns the result
 * as Linux does (-errno). Results between -LINUX_ERESTARTSYS and -LINUX_ERESTART_RESTARTBLOCK are
 * turned into EINTR or a restart at exit (signal.c).
 */
#ifndef POSIX_SHIM_SHIM_H
#define POSIX_SHIM_SHIM_H

#include <abi/linux/errno.h>
#include <base/types.h>
#include <protocols/posix/stub.h>
#include <protocols/posix/wire.h>

#include "offsets.h"

static_assert(offsetof(struct posix_thread_page, bounce.self) == TP_SELF);
static_assert(offsetof(struct posix_thread_page, bounce.stack) == TP_STACK);
static_assert(offsetof(struct posix_thread_page, bounce.user_sp) == TP_USER_SP);
static_assert(offsetof(struct posix_thread_page, bounce.user_ip) == TP_USER_IP);
static_assert(offsetof(struct posix_thread_page, bounce.user_flags) == TP_USER_FLAGS);
static_assert(offsetof(struct posix_thread_page, bounce.pending) == TP_PENDING);
static_assert(offsetof(struct posix_thread_page, bounce.calls_end) == TP_CALLS_END);
static_assert(offsetof(struct posix_thread_page, bounce.steps_to_skip) == TP_SKIP);
static_assert(offsetof(struct posix_thread_page, bounce.frame) == TP_FRAME);
static_assert(offsetof(struct posix_thread_page, shim_private) == TP_FULL_FRAME);
static_assert(offsetof(struct posix_thread_page, stub_entry) == POSIX_STUB_SLOT);
static_assert(offsetof(struct posix_thread_page, trace_flags) == TP_TRACE);
static_assert(offsetof(struct posix_thread_page, calls_allowed) == TP_ALLOWED);
static_assert(offsetof(struct posix_thread_page, is_restricted) == TP_RESTRICTED);
static_assert(SHIM_NUMBER_MAX <= 8 * sizeof(((struct posix_thread_page *)0)->calls_allowed));
static_assert(POSIX_CALLS_END == SHIM_NUMBER_MAX);
static_assert(sizeof(struct hel_registers) == R_SIZE);
static_assert(offsetof(struct hel_registers, r15) == R_R15);
static_assert(offsetof(struct hel_registers, rip) == R_RIP);
static_assert(offsetof(struct hel_registers, rflags) == R_RFLAGS);
static_assert(sizeof(struct posix_thread_page) <= HEL_PAGE_SIZE);
static_assert(sizeof(struct posix_process_page) <= HEL_PAGE_SIZE);

#define SHIM_ARGS \
	uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, \
		uint64_t number
#define SHIM_UNUSED (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5, (void)number

static inline struct posix_thread_page *shim_thread(void)
{
	struct posix_thread_page *page;

	__asm__("mov %%gs:0, %0" : "=r"(page));
	return page;
}

static inline struct posix_process_page *shim_process(void)
{
	return (struct posix_process_page *)shim_thread()->process_page;
}

/* ---- user memory: 0 or -LINUX_EFAULT --------------------------------------------------------- */

int shim_copy_bytes(void *to, const void *from, size_t size);
int64_t shim_string_size(const char *string, size_t limit);
int shim_store_u32(uint32_t *word, uint32_t value);
/* 0: done; 1: it was not *expected but is now; -LINUX_EFAULT */
int shim_compare_exchange(uint32_t *word, uint32_t *expected, uint32_t value);
int shim_compare_exchange_u64(uint64_t *word, uint64_t *expected, uint64_t value);
int shim_fpu_save(void *area, uint64_t mask);
int shim_fpu_load(const void *area, uint64_t mask);

/* The program's addresses end where the shim's region begins. */
static inline bool shim_is_user_range(uint64_t address, uint64_t size)
{
	return size <= POSIX_SHIM_REGION && address <= POSIX_SHIM_REGION - size;
}

/*
 * The same for long ones, from anywhere to the program's memory: how many bytes at the end could
 * not be copied, or cleared.
 */
size_t shim_copy_long(void *to, const void *from, size_t size);
size_t shim_copy_blocks(void *to, const void *from, size_t size);
size_t shim_clear_long(void *to, size_t size);

/* Where a program may run: its own memory, and the vDSO. */
static inline bool shim_is_program_ip(uint64_t ip)
{
	return ip < POSIX_SHIM_REGION || ip - POSIX_VDSO < HEL_PAGE_SIZE;
}

static inline int shim_get(void *to, uint64_t from, size_t size)
{
	if (!shim_is_user_range(from, size)) {
		return -LINUX_EFAULT;
	}
	return shim_copy_bytes(to, (const void *)from, size);
}

static inline int shim_put(uint64_t to, const void *from, size_t size)
{
	if (!shim_is_user_range(to, size)) {
		return -LINUX_EFAULT;
	}
	return shim_copy_bytes((void *)to, from, size);
}

/* Bytes of the string with its NUL; -LINUX_EFAULT, -LINUX_ENAMETOOLONG if longer than limit. */
static inline int64_t shim_user_string_size(uint64_t address, size_t limit)
{
	if (address >= POSIX_SHIM_REGION) {
		return -LINUX_EFAULT;
	}
	if (limit > POSIX_SHIM_REGION - address) {
		limit = POSIX_SHIM_REGION - address;
	}
	return shim_string_size((const char *)address, limit);
}

/* ---- requests to posix (request.c) ----------------------------------------------------------- */

/* One piece of payload or of output. */
struct shim_piece {
	uint64_t address;
	uint64_t size;
	bool is_user; /* the program's memory: copy with care */
	bool is_part; /* one of several that are not padded, but for the last */
	bool is_joined; /* and not the last */
};

struct shim_call {
	struct posix_request header;
	struct shim_piece in[24]; /* payload, each padded to 8 bytes on the wire */
	struct shim_piece out[6]; /* reply data, likewise */
	uint32_t n_in, n_out;
	uint64_t bulk_out_address, bulk_out_size; /* size 0: none */
};

void shim_queue_init(struct posix_thread_page *page);
void shim_call_init(struct shim_call *call, uint32_t number);
void shim_call_in(struct shim_call *call, const void *data, size_t size); /* shim memory */
void shim_call_in_user(struct shim_call *call, uint64_t address, size_t size);
/* One of several pieces of the program's that follow each other without padding: the last ones. */
void shim_call_in_part(struct shim_call *call, uint64_t address, size_t size);
void shim_call_out(struct shim_call *call, void *data, size_t size);
void shim_call_out_user(struct shim_call *call, uint64_t address, size_t size);
/*
 * Sends, waits for the one reply, delivers its data.  Result: posix's, or -LINUX_EFAULT and such.
 */
int64_t shim_call_run(struct shim_call *call);
/* The usual short form: numbers only. */
int64_t shim_request(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
	uint64_t a4, uint64_t a5);

/* ---- forwarding as the table says (forward.c) ------------------------------------------------ */

int64_t shim_forward(SHIM_ARGS);
/* The same for a row given by its number, from other handlers. */
int64_t shim_forward_as(uint32_t number, const uint64_t args[6]);
int64_t shim_unknown(SHIM_ARGS);
void shim_count_unimplemented(uint32_t number);

/* ---- what posix shows (view.c) --------------------------------------------------------------- */

constexpr int64_t SHIM_ASK = INT64_MIN; /* not answered: posix has to be asked */

/* Whether it is worth while to call one of the following: mostly not. */
static inline bool shim_has_view(uint64_t fd)
{
	const struct posix_views *views = (const struct posix_views *)shim_process()->views;

	return views &&
		posix_view_entry_is_of(
			atomic_load_explicit(&views->entries[posix_view_slot((uint32_t)fd)],
				memory_order_relaxed),
			(uint32_t)fd);
}

/* For descriptors with a view. Results are those of the calls, or SHIM_ASK. */
int64_t shim_view_read(uint64_t fd, uint64_t address, uint64_t size);
int64_t shim_view_pread(uint64_t fd, uint64_t address, uint64_t size, uint64_t offset);
int64_t shim_view_write(uint64_t fd, uint64_t address, uint64_t size);
int64_t shim_view_pwrite(uint64_t fd, uint64_t address, uint64_t size, uint64_t offset);
int64_t shim_view_lseek(uint64_t fd, int64_t offset, uint64_t whence);
int64_t shim_view_epoll_wait(uint64_t fd, uint64_t address, uint64_t n_max, uint64_t timeout_ns);
int64_t shim_view_fstat(uint64_t fd, uint64_t address);

/* ---- direct transfers (direct.c) ------------------------------------------------------------- */

/* What the view of a descriptor says; it is so if the entry is still there afterwards. */
struct shim_direct {
	const _Atomic uint64_t *place; /* of the entry */
	uint64_t entry;
	const struct posix_view *view;
	uint64_t fd;
};

/* Between the file and the program's memory; bytes, or SHIM_ASK. */
int64_t shim_direct_transfer(const struct shim_direct *direct, uint64_t address, uint64_t size,
	uint64_t offset, bool is_write);

/* ---- what may be mapped (memory-limits.c) ---------------------------------------------------- */

/* Whether the process' limits allow a new mapping, at an address that it replaces (0: nothing). */
bool shim_may_map(uint64_t address, uint64_t size, bool is_private_data);
/* Whether it may be locked, if it will be, because of the call or of mlockall. */
bool shim_may_lock_new(uint64_t size, bool is_locked);
/* Locks what was just mapped, or makes it present as far as there is memory, if that is wanted. */
void shim_settle_new(uint64_t address, uint64_t size, bool is_to_populate, bool is_locked);
/* Whether something of a range is locked. */
bool shim_has_locked(uint64_t start, uint64_t end);

/* ---- asynchronous I/O (aio-calls.c) ---------------------------------------------------------- */

/* Puts the polls that are over into their rings. */
void shim_collect_polls(void);

/* What is pending for this thread or its process, as posix says. */
static inline uint64_t shim_pending(void)
{
	const struct posix_thread_page *page = shim_thread();
	const struct posix_process_page *process = shim_process();

	return page->signals_pending | process->signals_pending[page->tid != process->pid];
}

/* ---- waiting without posix (wait.c) ---------------------------------------------------------- */

/* True if a signal that the mask lets through is pending: a wait of ours must end. */
bool shim_has_signal(void);
/* After ERR_KICKED: clears the latch, so that waiting again is possible. */
void shim_note_kick(void);
/* Makes the way back to the program look for signals and restarts. */
void shim_look_at_exit(void);
/* A moment of the wall clock moves when that is set; then who waits for it is kicked. */
struct shim_deadline {
	uint64_t ns; /* HEL_DEADLINE_NEVER: never */
	bool is_realtime;
};

/* The moment of the monotonic clock, as of now: to be asked again for each wait. */
uint64_t shim_deadline_ns(struct shim_deadline deadline);
/* Sleeps until the absolute time; 0, or -LINUX_EINTR when a signal is there. */
int shim_sleep_until(struct shim_deadline deadline);
uint64_t shim_clock_ns(void);
int64_t shim_realtime_offset_ns(void);

/* ---- locks of the process page (lock.c) ------------------------------------------------------ */
void shim_lock(void);
void shim_unlock(void);

/* ---- errors ---------------------------------------------------------------------------------- */
int shim_errno_of(int hel_error); /* a negative ERR_* to a negative errno */

#endif
