/* SPDX-License-Identifier: MIT */
/*
 * What the shim and posix say to each other and the memory they share.  CONTRACT.
 *
 * Each Linux thread has a stream of its own to posix, on which it sends, and a mailbox in its
 * thread page:
 *
 *   shim:   payload, or where it lies  -> mailbox
 *           a quiet SEND of struct posix_request, and waits for its queue
 *   posix:  listens (an exchange that repeats), takes the payload, answers
 *           data and result, then the request's sequence -> mailbox
 *           alerts the thread's queue
 *
 * Payload: the IN/PATH/INOUT data of the arguments in order, each padded to 8 bytes; a PATH is
 * preceded by nothing and ends with its NUL (its length is found by scanning; posix checks that
 * the NUL is inside the payload).  args[i] of an _N kind are the counts. For a pointer argument
 * args[i] holds the size of its data in bytes. A payload of at most POSIX_MAILBOX_DATA lies in the
 * mailbox. If POSIX_REQUEST_BULK_IN is set the mailbox has a list of pieces instead, in which posix
 * reads the payload in the process' memory.  BULK_IN data are payload like any other, args[k]
 * bytes, at most POSIX_BULK_MAX.  Reads and writes go in pieces of that; beside Linux' arguments
 * they may say where the piece is in the program's memory (args[5]), and how long all is that
 * begins there (args[4]).
 *
 * Reply data: the OUT/INOUT data of the arguments in order, each padded to 8 bytes, present only
 * when result >= 0 (or the call's row in posix says otherwise), sized as the request said (OUT_N:
 * at most that, posix says how much in out_size only if it is the last one).  They are put into the
 * mailbox, if they are more than POSIX_MAILBOX_DATA at out_address.  BULK_OUT: if args[k] <=
 * POSIX_BULK_INLINE the bytes are reply data, else POSIX_REQUEST_BULK_OUT is set and posix writes
 * them to bulk_address. What cannot be read or written there is EFAULT.
 *
 * Everything that comes from the shim may be garbage, and what lies in the page may change at any
 * time; posix checks all of it, in copies. A thread has one request outstanding: who sends another
 * one before the answer is no shim.  Signals: posix completes an interruptible parked request by
 * itself with -ERESTART*, so no cancel message exists.
 */
#ifndef PROTOCOLS_POSIX_WIRE_H
#define PROTOCOLS_POSIX_WIRE_H

#include <abi/hel/bounce.h>
#include <abi/hel/queue.h>
#include <protocols/posix/views.h>

constexpr uint32_t POSIX_PAYLOAD_MAX =
	262144; /* payload of one request (execve); more is refused with E2BIG */
constexpr uint32_t POSIX_REPLY_MAX = 4080; /* reply data, but for bulk */
constexpr uint32_t POSIX_BULK_INLINE = 1536;
constexpr uint32_t POSIX_BULK_MAX = 131072;
constexpr uint32_t POSIX_INLINE_MAX = 3584; /* data of an argument with a count, but for bulk */
constexpr uint32_t POSIX_PATH_MAX = 4096;
constexpr uint32_t POSIX_IOCTL_MAX = 512; /* what the structure of an ioctl may have */
constexpr uint64_t POSIX_MAKE_PRIVATE_MAX = 1 << 20;

enum posix_request_flags : uint32_t {
	POSIX_REQUEST_BULK_IN = 1,
	POSIX_REQUEST_BULK_OUT = 2,
	POSIX_REQUEST_NOWAIT =
		4, /* a further piece of one read or write: -EAGAIN instead of waiting */
	POSIX_REQUEST_APPEND = 8, /* pwrite: at the end of the file, wherever that is */
	/* the answer that did not fit: args[0]: it is EFAULT, for the pages cannot be had */
	POSIX_REQUEST_ANSWER = 16,
};

enum posix_poll_flags : uint32_t {
	POSIX_POLL_GOES_ON = 1, /* the set does, in the next request */
	POSIX_POLL_EXACT = 2,   /* POLLERR and POLLHUP count only where they are asked for */
};

struct posix_request {
	uint32_t number; /* Linux number, or enum posix_internal */
	uint16_t flags; /* enum posix_request_flags */
	uint16_t null_mask; /* arguments whose pointer is null */
	uint32_t sequence;
	uint32_t in_size; /* bytes of payload */
	uint64_t args[6];
};
static_assert(sizeof(struct posix_request) <= HEL_QUIET_BYTES_MAX);

constexpr uint32_t POSIX_MAILBOX_DATA = 1728;
constexpr uint32_t POSIX_PIECES_MAX = 48;

struct posix_mailbox {
	/* with the request */
	uint64_t out_address, bulk_address;
	uint64_t n_pieces; /* BULK_IN: struct hel_sg in `data` */
	/* with the reply; `sequence` is written last */
	int64_t result; /* >= 0 or -errno, also -ERESTART* below */
	uint32_t out_size; /* bytes of reply data */
	_Atomic uint32_t sequence;
	uint32_t reserved[6];
	alignas(8) uint8_t data[POSIX_MAILBOX_DATA];
};
static_assert(sizeof(struct posix_mailbox) == 64 + POSIX_MAILBOX_DATA);
static_assert(POSIX_BULK_INLINE <= POSIX_MAILBOX_DATA);
static_assert(POSIX_PIECES_MAX * sizeof(struct hel_sg) <= POSIX_MAILBOX_DATA);

/* No answer yet: make pages present, */
constexpr int64_t POSIX_TOUCH_PIECES = -600; /* the payload's, and send the request again */
constexpr int64_t POSIX_TOUCH_BULK = -601; /* at bulk_address, and ask for the answer */

/* As inside Linux; the shim turns them into EINTR or a restart. */
constexpr int64_t LINUX_ERESTARTSYS = 512;           /* restart if SA_RESTART or no handler */
constexpr int64_t LINUX_ERESTARTNOINTR = 513;        /* always restart */
constexpr int64_t LINUX_ERESTARTNOHAND = 514;        /* restart if no handler */
constexpr int64_t LINUX_ERESTART_RESTARTBLOCK = 516; /* restart_syscall if no handler, else EINTR */

/* Requests that are no Linux call.  args as commented; strings in payload. */
enum posix_internal : uint32_t {
	/*
	 * fork/vfork/clone: args: clone flags | exit signal, child stack (already in the
	 * registers), parent_tid ptr, child_tid ptr, tls, where the processor's state is (0:
	 * nowhere, POSIX_STATE_IN_MAILBOX, or an address: xsave_size bytes that are too many for
	 * that). The registers the child starts with (rax = 0) are in .start_registers of the
	 * caller's thread page; posix copies them to those of the child's, the state to the child's
	 * mailbox or the upper end of its stack, and args[3] to .clear_child_tid if
	 * CLONE_CHILD_CLEARTID. The child starts at the shim's entry_child. result: tid.
	 */
	POSIX_CLONE = 10000,
	/*
	 * execve: payload = path\0, then argc strings, then envc strings; args: dirfd, flags, argc,
	 * envc, and address and size of a mapping to drop from a space that is shared (vfork) when
	 * the exec succeeds, or 0; may come by the second SEND.  On success there is no reply: the
	 * thread is replaced.
	 */
	POSIX_EXECVE = 10001,
	/*
	 * args: status, or a signal that it is as if it ended it.  Last thread: the process ends.
	 * No reply.
	 */
	POSIX_EXIT_THREAD = 10002,
	POSIX_EXIT_GROUP =
		10003, /* args: status as of wait (code << 8, or signal | 0x80 core).  No reply. */
	/* args: fd, offset, size, prot, Linux flags, address hint; result: address */
	POSIX_MMAP_FILE = 10004,
	/*
	 * take the next deliverable signal under the thread page's mask; result: signal number or
	 * 0; out: struct posix_signal_info
	 */
	POSIX_SIGNAL_TAKE = 10005,
	/*
	 * default action of a fault signal or of an unhandled one: args: signal, si_code, address
	 */
	POSIX_SIGNAL_FAULT = 10006,
	POSIX_UNIMPLEMENTED = 10007, /* args: call number (0xffff0000 | x: other things); counted */
	POSIX_SIGACTION_CHANGED =
		10008, /* args: signal: now ignored or default: drop it if pending */
	POSIX_SIGTIMEDWAIT =
		/* args: set, timeout_ns (~0 never); result: signal; out: posix_signal_info */
	10009,
	POSIX_IOCTL = 10011, /* args: fd, request, value or size; in/out: POSIX_IOCTL_MAX bytes */
	POSIX_FCNTL =
		/* args: fd, cmd, value; struct flock (32 bytes) in and out for lock commands */
	10012,
	POSIX_POLL =
		/*
		 * args: nfds, timeout_ns (~0 never, 0 none), -, enum posix_poll_flags; INOUT
		 * pollfd[nfds], at most 448. A part of a set that goes on is looked at without
		 * waiting and kept for the next request; the one that ends the set waits for all of
		 * it, and answers 0 also when a part that was kept is ready: then all parts are to
		 * be sent again.
		 */
	10013,
	POSIX_MOUNT = 10014, /* payload: source\0 target\0 type\0 data\0; args: flags */
	POSIX_UTIMENSAT =
		/*
		 * args: dirfd, flags, has_path, has_times; payload: [path\0 padded] [two timespecs]
		 */
	10015,
	POSIX_PRCTL = 10016, /* args: option, values; PR_SET_NAME: payload 16 bytes */
	POSIX_GETCWD = 10017, /* result: length with NUL; out: the path */
	POSIX_EPOLL_WAIT =
		/*
		 * args: epfd, maxevents, timeout_ns, -, 1: more of the events that the last request
		 * began to tell of; out: events (12 bytes each)
		 */
	10018,
	POSIX_CPU_CLOCK = 10019, /* args: clock id; result: nanoseconds */
	/*
	 * args: fd, flags, sizes of data, name and control data, size of the whole message
	 * (of which a stream sends pieces); payload: name, control data, each padded, data
	 */
	POSIX_SOCKET_SEND = 10020,
	/*
	 * args: fd, flags, size of data, of all output, of control data, of data that come as
	 * BULK_OUT; out: struct posix_socket_received, control data padded, data unless BULK_OUT
	 */
	POSIX_SOCKET_RECEIVE = 10021,
	/*
	 * semctl, msgctl, shmctl: args: number of the call, id, semaphore, command, the argument as
	 * a number, size of what comes out; payload and output: the command's structure
	 */
	POSIX_IPC_CONTROL = 10022,
	/*
	 * args: address, size: what shows pages of a program file that all its users share, shows
	 * copies that are the process' own; at most POSIX_MAKE_PRIVATE_MAX bytes
	 */
	POSIX_MAKE_PRIVATE = 10023,
	/*
	 * ptrace but for what the shim makes of its result: args: request, tid, address, data,
	 * bytes of output; in and out: what the request has behind its pointers
	 */
	POSIX_PTRACE = 10024,
	/*
	 * A traced thread has come to a point where it may stop: args: enum posix_trace_point and
	 * what that says, at POSIX_TRACE_FAULT the signal, its code, the address, and what matched
	 * in the debug registers (DR6), 0: nothing; payload: struct posix_trace_context; out:
	 * struct posix_trace_answer; result: the signal to deliver, 0: none
	 */
	POSIX_TRACE_REPORT = 10025,
	/* args: dirfd, flags; payload: path; out: struct posix_file_handle */
	POSIX_NAME_TO_HANDLE_AT = 10026,
	/* args: mount's fd, flags of open(), the handle's type; payload: its bytes */
	POSIX_OPEN_BY_HANDLE_AT = 10027,
	/* result: settimeofday()'s time of day saving << 32 | its minutes west + 900 */
	POSIX_TIMEZONE = 10028,
	/* args: clock id, and what it is to say, in nanoseconds */
	POSIX_CPU_SLEEP = 10029,
	/*
	 * args: tid, tid, enum linux_kcmp_type, a descriptor of the first, one of the second; for
	 * LINUX_KCMP_EPOLL_TFD: that of the epoll | the one it watches << 32, which of these
	 */
	POSIX_KCMP = 10030,
	/*
	 * args: pid (0: the caller), enum posix_pages, n; payload: n addresses; out: for each a
	 * byte, HEL_PAGE_COVERED and HEL_PAGE_RESIDENT of enum hel_page_state
	 */
	POSIX_PAGES = 10031,
	POSIX_DEADLINE_YIELD = 10032, /* what is left of this period is given up */
	/* payload: struct posix_aio_poll; result: what is ready, 0: nothing, it is waited for */
	POSIX_AIO_POLL = 10033,
	/* args: n; out: up to n struct posix_aio_done; result: how many */
	POSIX_AIO_TAKE = 10034,
	/* args: ring, address of a struct iocb, which is over then, or 0: all that are forgotten */
	POSIX_AIO_CANCEL = 10035,
	/* args: tid; result: 1: there is such a thread, which may be about to go; 0: none */
	POSIX_HAS_THREAD = 10036,
	/*
	 * A call of a restricted thread that is not in calls_allowed: args: 1: the tracer has seen
	 * it at POSIX_TRACE_FILTERED; payload: struct posix_filtered_call; result: enum
	 * posix_verdict; out: what belongs to that, 8 bytes
	 */
	POSIX_FILTER_CALL = 10037,
	/* args: the tag of a mapping of a file: what was written through it is to be on the disk */
	POSIX_MSYNC = 10038,
	POSIX_SYSCALL_COUNT = 10039,
};

/* A poll of Linux' asynchronous I/O that is over. */
struct posix_aio_done {
	uint64_t ring; /* the context */
	uint64_t data, object; /* of the event */
	uint64_t
		posts; /* address of a counter of 16 bits in a futex, that posix raises and wakes */
	uint32_t result; /* POLL bits, 0: cancelled */
	uint32_t reserved;
};

struct posix_aio_poll {
	struct posix_aio_done answer; /* all but the result */
	uint32_t fd, events;
	uint32_t has_eventfd, eventfd;
};

/* What becomes of a call that POSIX_FILTER_CALL asks about; docs/internals/seccomp.md. */
enum posix_verdict : uint32_t {
	POSIX_VERDICT_MAKE, /* it is made */
	POSIX_VERDICT_SKIP, /* it is not; its result comes out */
	POSIX_VERDICT_STOP, /* for the tracer, who is told what comes out; then ask again */
	POSIX_VERDICT_END, /* the thread ends, as if by the signal that comes out */
};

struct posix_filtered_call {
	uint64_t number, instruction_pointer, arguments[6];
};

/* Of POSIX_PAGES: what needs CAP_SYS_NICE */
enum posix_pages : uint32_t {
	POSIX_PAGES_OF_ALL = 1, /* pages that others share, too */
	POSIX_PAGES_ELSEWHERE = 2, /* to nodes that are not the process' */
};

/* Of name_to_handle_at(): what Linux' struct file_handle says, and the id of the mount. */
constexpr uint32_t POSIX_FILE_HANDLE_MAX = 128;

struct posix_file_handle {
	uint32_t n_bytes;
	int32_t type;
	int32_t mount_id;
	uint32_t reserved;
	uint8_t bytes[POSIX_FILE_HANDLE_MAX];
};
static_assert(sizeof(struct posix_file_handle) == 144);

/* ---- tracing: docs/internals/ptrace.md ------------------------------------------------------- */

/* Where a traced thread reports. args[1] … of the request. */
enum posix_trace_point : uint32_t {
	POSIX_TRACE_SIGNALS, /* what POSIX_SIGNAL_TAKE does for others */
	POSIX_TRACE_FAULT, /* signal, si_code, address: the processor's or the shim's own */
	POSIX_TRACE_ENTRY, /* a system call begins */
	POSIX_TRACE_EXIT, /* a system call has ended */
	POSIX_TRACE_HANDLER, /* a handler is about to begin while the thread is stepped */
	POSIX_TRACE_CLONED, /* tid: a child or thread was made (POSIX_TRACE_DUE_CLONED) */
	POSIX_TRACE_EXECUTED, /* the first thing that a new program's thread does */
	POSIX_TRACE_LEAVING, /* status as of wait: the thread or its process is about to exit */
	POSIX_TRACE_FILTERED, /* data: a filter wants the tracer to see a call */
};

/* posix_thread_page.trace_flags */
enum posix_trace_flags : uint32_t {
	POSIX_TRACE_ON = 1, /* some thread traces this one: report */
	POSIX_TRACE_CALLS = 2, /* report the entry and the exit of system calls */
	POSIX_TRACE_STEP = 4, /* stop after one instruction */
	POSIX_TRACE_LEAVE = 8, /* report POSIX_TRACE_LEAVING */
};

/* posix_thread_page.trace_due: to be reported before the program runs on */
enum posix_trace_due : uint32_t {
	POSIX_TRACE_DUE_CLONED = 1,
	POSIX_TRACE_DUE_EXECUTED = 2,
	POSIX_TRACE_DUE_EXIT = 4,
	POSIX_TRACE_DUE_AIO = 8, /* no report: polls are over, POSIX_AIO_TAKE */
};

/* The program's state. The call's number is ~0 when it is in none. */
struct posix_trace_context {
	struct hel_registers registers;
	uint64_t number;
	uint64_t fpu_address; /* in the thread's space: an XSAVE area, 0: none */
};
static_assert(sizeof(struct posix_trace_context) == 176);

struct posix_trace_answer {
	struct posix_trace_context context; /* to go on with */
	uint8_t siginfo[128];
	uint64_t sets_debug; /* whether the thread is to load the debug registers */
	struct hel_debug_registers debug;
};
static_assert(sizeof(struct posix_trace_answer) == 360);

/* A command of semctl between shim and posix only: how many semaphores the set has. */
constexpr uint32_t POSIX_SEMAPHORES_COUNT = 0x10000;

/* A socket's name: a sockaddr of `size` bytes. */
struct posix_socket_address {
	uint32_t size, reserved;
	uint8_t bytes[112];
};
static_assert(sizeof(struct posix_socket_address) == 120);

struct posix_socket_received {
	uint32_t control_size;
	uint32_t flags; /* MSG_TRUNC and MSG_CTRUNC */
	struct posix_socket_address name; /* size 0: none */
};
static_assert(sizeof(struct posix_socket_received) % 8 == 0);

struct posix_signal_info {
	uint8_t siginfo[128]; /* Linux siginfo_t */
};

constexpr uint64_t POSIX_STATE_IN_MAILBOX = 1; /* POSIX_CLONE */
constexpr uint64_t POSIX_STATE_MAX = 4096; /* of the processor: a child gets no larger one */

/* ---- addresses ------------------------------------------------------------------------------- */
constexpr uint64_t POSIX_SHIM_REGION =
	0x7fff00000000; /* nothing of the program is at or above it */
/* What every process has, and the first slots, are under one page table. */
constexpr uint64_t POSIX_CLOCK_PAGE = 0x7fff00000000; /* struct hel_clock_page, read-only */
constexpr uint64_t POSIX_SHIM_IMAGE = 0x7fff00001000; /* shim text, read-only data */
constexpr uint64_t POSIX_VDSO = 0x7fff0003f000; /* a page of the image, as program text */
constexpr uint64_t POSIX_SLOTS =
	0x7fff00040000; /* thread slot i is at POSIX_SLOTS + i * POSIX_SLOT_SIZE */
constexpr uint64_t POSIX_SLOT_SIZE = 0x10000;
constexpr uint64_t POSIX_SLOT_STACK_LOW = 0x1000; /* page 0 is a guard; private memory */
constexpr uint64_t POSIX_SLOT_STACK_TOP = 0x9000;
/*
 * Shared with posix; only in the slot of a process' first thread. The page's upper end is struct
 * posix_process_page; below it is the upper end of that thread's stack, so that one that waits in
 * most calls needs no other page.
 */
constexpr uint64_t POSIX_SLOT_PROCESS_PAGE = 0x9000;
/*
 * A page: the queue's header, its ring, its one chunk, where only errors come, and the thread page.
 */
constexpr uint64_t POSIX_SLOT_QUEUE = 0xa000;
constexpr uint32_t POSIX_QUEUE_CHUNKS = 1;
constexpr uint32_t POSIX_QUEUE_CHUNK_SIZE = HEL_CHUNK_SIZE_MIN;
constexpr uint32_t POSIX_QUEUE_SUBMIT_SIZE = 512;
/* The thread page fills the queue's page, which posix sees, too. */
constexpr uint64_t POSIX_THREAD_PAGE_OFFSET = sizeof(struct hel_queue_header) +
	POSIX_QUEUE_SUBMIT_SIZE + POSIX_QUEUE_CHUNKS * POSIX_QUEUE_CHUNK_SIZE;
constexpr uint64_t POSIX_SLOT_THREAD_PAGE = POSIX_SLOT_QUEUE + POSIX_THREAD_PAGE_OFFSET;
/*
 * fork: slots are left out; posix makes the child's afresh at the address of the caller's. Views
 * and windows are left out, too.
 */

/* ---- signals that need no request ------------------------------------------------------------ */

/*
 * posix may leave the one signal that is due for a thread in its page, too: the shim takes it
 * without asking. state is a generation times 4 plus one of the values below. posix writes info and
 * then the state MADE of a new generation. The shim reads the state, copies info, clears the bit in
 * signals_pending, and changes MADE to TAKEN by a compare-and-exchange; if that fails, or the bit
 * of SIGSTOP is set, it asks. posix changes MADE to NONE likewise when it wants the signal back,
 * and finds out that it was taken before it looks at what is pending the next time.
 */
enum posix_offer_state : uint32_t {
	POSIX_OFFER_NONE = 0,
	POSIX_OFFER_MADE = 1,
	POSIX_OFFER_TAKEN = 2,
	POSIX_OFFER_STATE_MASK = 3,
	POSIX_OFFER_GENERATION = 4,
};

struct posix_signal_offer {
	_Atomic uint32_t state;
	uint32_t reserved;
	struct posix_signal_info info;
};

/* ---- thread page ----------------------------------------------------------------------------- */
/* What bounce.calls_end holds: calls from this number on go the long way in the shim. */
constexpr uint64_t POSIX_CALLS_END = 456;

constexpr uint32_t POSIX_EXIT_STATUS_SET = 0x10000;

struct posix_thread_page {
	struct hel_bounce_page bounce; /* 0 … 255 */
	/* set by posix before the thread starts */
	uint64_t process_page; /* 256: user address of struct posix_process_page */
	uint64_t queue_address; /* 264 */
	hel_handle queue; /* 272 */
	hel_handle lane; /* 280 */
	uint32_t tid; /* 288 */
	uint32_t slot; /* 292 */
	uint64_t
		/* 296: user address of an XSAVE area to start with, 0: the initial state */
		start_fpu;
	uint64_t stub_entry; /* 304: the shim's: where stubs of rewritten system calls jump to */
	uint64_t memory_policy; /* 312: the shim's: see protocols/posix/label.h */
	/*
	 * signals: posix writes signals_pending (bit n-1: signal n is pending for this thread;
	 * those of the process are in its page); the shim writes signal_mask; both with atomic
	 * operations
	 */
	_Atomic uint64_t signals_pending; /* 320 */
	_Atomic uint64_t signal_mask; /* 328 */
	/* the shim's own from here on */
	uint64_t saved_mask; /* 336 */
	uint64_t has_saved_mask; /* 344 */
	uint64_t altstack_sp, altstack_size; /* 352, 360 */
	uint32_t altstack_flags; /* 368 */
	/* 372: posix writes: enum posix_trace_flags; not 0: posix must see every signal first */
	_Atomic uint32_t trace_flags;
	uint64_t clear_child_tid; /* 376 */
	uint64_t robust_list; /* 384 */
	uint64_t robust_list_size; /* 392 */
	uint64_t restart_deadline_ns; /* 400 */
	uint64_t restart_kind; /* 408 */
	uint32_t request_sequence; /* 416 */
	uint32_t submit_tail; /* 420: of the queue */
	uint64_t reserved_queue[2]; /* 424 */
	/* 440: posix writes: sched_yield() is POSIX_DEADLINE_YIELD */
	_Atomic uint32_t yields_to_posix;
	uint32_t reserved_yield;
	uint64_t is_full_return; /* 448: leave by restoring all registers from full_frame */
	uint64_t restart_args[4]; /* 456 */
	uint64_t shim_private[32]; /* 488 … 743 */
	struct hel_registers
		start_registers; /* 744 … 903: exec: all zero but rip, rsp, rflags = 0x202 */
	struct posix_signal_offer offer; /* 904 … 1039 */
	_Atomic uint32_t trace_due; /* 1040: enum posix_trace_due; posix adds, the shim takes */
	/* 1044: the shim says what the thread exits with before it wakes who waits for that */
	uint32_t exit_status; /* as of wait, and POSIX_EXIT_STATUS_SET */
	/*
	 * posix writes, of a thread that is restricted by seccomp: calls that need not be asked
	 * about, by number; calls_end is 0 then
	 */
	_Atomic uint64_t calls_allowed[8]; /* 1048 … 1111 */
	_Atomic uint32_t is_restricted; /* 1112 */
	alignas(128) struct posix_mailbox mailbox; /* 1152 … 2943 */
};
static_assert(POSIX_THREAD_PAGE_OFFSET + sizeof(struct posix_thread_page) == HEL_PAGE_SIZE);

/* ---- process page ---------------------------------------------------------------------------- */
struct posix_sigaction { /* the kernel's struct sigaction of Linux x86-64 */
	uint64_t handler; /* 0 SIG_DFL, 1 SIG_IGN */
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

/* mlock: which mappings are locked their labels say */
enum posix_locks : uint32_t {
	POSIX_LOCKS_FUTURE = 1, /* mlockall(MCL_FUTURE): what is mapped is locked */
	POSIX_LOCKS_ON_FAULT = 2, /* and not made present for that */
	POSIX_LOCKS_EVER = 4, /* something may be locked */
};

struct posix_process_page {
	/* posix writes */
	uint32_t pid, ppid;
	uint32_t uid, euid, gid, egid;
	uint32_t is_secure, n_cpus;
	/*
	 * bit n-1: signal n is pending for the process; as the main thread sees it, and the others;
	 * the shim clears bits that it has taken, with atomic operations
	 */
	_Atomic uint64_t signals_pending[2];
	uint64_t stack_top;
	uint64_t brk_start;
	uint64_t
		/* the break may not pass this (RLIMIT_DATA is posix's when it changes) */
		brk_limit;
	uint64_t mmap_low, mmap_high; /* where unhinted mappings go */
	uint64_t xsave_size, xsave_mask; /* processor state that signal frames carry */
	uint64_t limit_address_space, limit_data; /* RLIMIT_AS and RLIMIT_DATA in bytes */
	uint64_t limit_locked; /* RLIMIT_MEMLOCK; ~0 for who need not care */
	uint64_t views; /* user address of struct posix_views, 0: none */
	/* the shim writes */
	uint64_t brk_now; /* guarded by lock */
	_Atomic uint32_t lock; /* futex lock for the shim's own tables; see shim/lock.c */
	uint32_t personality;
	_Atomic uint32_t locks; /* enum posix_locks */
	uint32_t barriers; /* membarrier: commands that the process has registered for */
	struct posix_sigaction actions[64];
	_Atomic uint64_t view_positions[POSIX_VIEWS_MAX]; /* posix, too */
	_Atomic uint8_t view_was_used[POSIX_VIEWS_MAX]; /* posix clears it; a hint */
	_Atomic uint8_t view_is_written[POSIX_VIEWS_MAX]; /* the shim's: some thread does */
	alignas(64) struct posix_view_times view_times[POSIX_VIEWS_MAX]; /* posix, too */
};

constexpr uint64_t POSIX_PROCESS_PAGE_OFFSET = HEL_PAGE_SIZE - sizeof(struct posix_process_page);
static_assert(POSIX_PROCESS_PAGE_OFFSET % 64 == 0); /* where a stack ends */

/* clone flags etc. are in abi/linux */

#endif
