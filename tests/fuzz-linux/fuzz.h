/* SPDX-License-Identifier: MIT */
/*
 * fuzz-linux: random system calls from several processes and threads, as one user.
 *
 * A *keeper* has a few slots. In each a *worker* process makes its calls and ends, and is followed
 * by the next, until there were as many calls as asked for:
 *
 *	keeper ---- slot 0: worker 0, worker 4, ...     a worker consists of *lanes*: its first
 *	       ---- slot 1: worker 1, worker 6, ...     thread, threads and children that it makes
 *
 * What a lane does is drawn from the seed, the worker's number and how the lane came to be. Neither
 * results nor times have a part in it, so a worker can be repeated by its number: each lane makes
 * the same calls, though others may come in between. What the arguments refer to is the same, too:
 * a worker opens its descriptors at fixed numbers (world.c), its memory lies at fixed addresses.
 *
 * Each lane keeps a journal in memory that the keeper sees: what it is about to call, the last
 * calls, their results. The keeper looks at all of them every few milliseconds. A lane that has not
 * come on since is sent a signal, as many calls wait by right; one that goes on to stand still is
 * killed, and what it did is told. What cannot be killed is a failure of the system under test, and
 * so is a keeper that does not come on, which the *watcher* notices: the first process, which waits
 * for the keeper and looks at its count of turns.
 *
 * Lanes use no libc but for memory functions: what fs points to may be gone, threads have no TLS.
 */
#ifndef FUZZ_LINUX_FUZZ_H
#define FUZZ_LINUX_FUZZ_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGUMENTS       6
#define SLOTS_MAX       16
#define LANES           24 /* of one worker, over its life */
#define JOURNAL_ENTRIES 32
#define N_ELEMENTS(a_)  (sizeof(a_) / sizeof((a_)[0]))

/* ---- drawing ------------------------------------------------------------------------------- */

struct draw {
	uint64_t state;
};

static inline uint64_t draw_next(struct draw *draw)
{
	uint64_t value = draw->state += 0x9e3779b97f4a7c15;

	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
	value = (value ^ value >> 27) * 0x94d049bb133111eb;
	return value ^ value >> 31;
}

/* A number below `end`. */
static inline uint64_t draw_below(struct draw *draw, uint64_t end)
{
	return draw_next(draw) % end;
}

/* True once in n times. */
static inline bool draw_once_in(struct draw *draw, uint64_t n)
{
	return draw_below(draw, n) == 0;
}

/* ---- the table of calls (table.c) ---------------------------------------------------------- */

enum kind {
	KIND_ANY, /* what has no row: anything */
	KIND_NUMBER, /* small, or at some border */
	KIND_ONE_OF, /* of the row's values; seldom another */
	KIND_EXACTLY, /* of the row's values, and no other */
	KIND_FLAGS, /* some of the row's values */
	KIND_FD,
	KIND_DIRECTORY_FD,
	KIND_PATH,
	KIND_OWN_PATH, /* in the worker's folder: what is done to it harms nobody */
	KIND_NAME, /* of an attribute, a file system, a memfd */
	KIND_BUFFER, /* memory to write to or read from */
	KIND_SIZE,
	KIND_OFFSET,
	KIND_MODE,
	KIND_PID,
	KIND_PROCESS_ID, /* a pid that a signal or a change goes to: never a stranger's */
	KIND_OWNER, /* memory with such a pid, as FIOSETOWN takes it */
	KIND_OWNER_EX, /* as F_SETOWN_EX takes it */
	KIND_SIGNAL,
	KIND_RANGE, /* the start of pages */
	KIND_RANGE_SIZE,
	KIND_STRUCT, /* memory with a structure, of the row's enum shape */
	KIND_WAIT_MS,
	KIND_KEY, /* of System V IPC: few, so that few objects can be left behind */
	KIND_IPC_ID, /* of shared memory, semaphores or messages: of the row's number */
	KIND_QUEUE_NAME, /* of a POSIX message queue: few, too */
	KIND_FILE_SYSTEM,
};

enum ipc {
	IPC_SHARED_MEMORY,
	IPC_SEMAPHORES,
	IPC_MESSAGES,
	IPC_KINDS,
};

enum shape {
	SHAPE_TIMESPEC,
	SHAPE_LONG_TIMESPEC,
	SHAPE_ITIMERSPEC,
	SHAPE_SIGSET,
	SHAPE_SIGSET_AND_SIZE,
	SHAPE_SIGACTION,
	SHAPE_SIGINFO,
	SHAPE_STACK,
	SHAPE_IOVEC,
	SHAPE_MSGHDR,
	SHAPE_MMSGHDR,
	SHAPE_SOCKADDR,
	SHAPE_EPOLL_EVENT,
	SHAPE_POLLFD,
	SHAPE_FD_SET,
	SHAPE_FLOCK,
	SHAPE_RLIMIT,
	SHAPE_INTEGER,
	SHAPE_OFFSET,
	SHAPE_STRINGS,
	SHAPE_OPEN_HOW,
	SHAPE_CLONE_ARGS,
	SHAPE_SIGEVENT,
	SHAPE_FUTEX,
	SHAPE_ROBUST_LIST,
	SHAPE_SEMBUF,
	SHAPE_MESSAGE,
	SHAPE_QUEUE_ATTRIBUTES,
	SHAPE_FILTER,
};

struct argument {
	enum kind kind;
	uint8_t n_values; /* or an enum shape, or an enum ipc */
	const uint64_t *values;
};

enum weight {
	WEIGHT_USUAL = 32,
	WEIGHT_OFTEN = 64,
	WEIGHT_SELDOM = 6, /* costly, or may wait */
	WEIGHT_LETHAL = 1, /* may end the lane */
};

struct call {
	int32_t number;
	enum weight weight;
	bool is_for_world; /* changes what others have: only with --world */
	const char *name;
	struct argument arguments[ARGUMENTS];
};

extern const struct call table[];
extern const size_t table_size;

/** table_init() - leave out what this run must not call */
void table_init(bool has_world);
/** table_draw() - a row, by weight */
const struct call *table_draw(struct draw *draw);
/** table_name() - what a number is called, "?" */
const char *table_name(int64_t number);

/* ---- the journal --------------------------------------------------------------------------- */

struct entry {
	int64_t number;
	uint64_t arguments[ARGUMENTS];
	int64_t result;
	uint64_t is_done;
};

struct lane {
	_Atomic uint64_t n_begun; /* calls */
	_Atomic int32_t pid, tid; /* of the lane; tid 0: not in use, or ended */
	uint32_t index;
	struct entry ring[JOURNAL_ENTRIES];
};

struct slot {
	alignas(4096) _Atomic uint32_t n_lanes;
	_Atomic int32_t error; /* why the worker could not begin, an errno */
	_Atomic uint64_t n_calls; /* that all lanes have made */
	struct lane lanes[LANES];
};

/* ---- what the options say (main.c) --------------------------------------------------------- */

struct options {
	uint64_t seed;
	uint64_t n_calls;
	uint64_t n_calls_each; /* of a lane */
	uint32_t n_slots;
	uint32_t hel_per_mille; /* calls with bit 31 set */
	int64_t only_worker; /* -1: all */
	bool has_world;
	bool is_verbose;
	const char *user;
	const char *folder;
};

extern struct options options;

/*
 * What all processes share; a worker keeps no more than its slot. It may write anything there by
 * mistake, like a call whose registers a tracer has changed: the keeper believes nothing.
 */
struct shared {
	_Atomic uint64_t n_turns; /* that the keeper has made: it lives while this grows */
	struct slot slots[SLOTS_MAX];
};

extern struct shared *shared;

/* ---- a worker ------------------------------------------------------------------------------ */

#define ARENA       0x200000000000ul
#define ARENA_PAGES 64ul /* readable and writable, then one that is not there */
#define FDS_FIRST   3
#define FDS_END     48
#define NETLINK_FD  43
#define STACK_BYTES 65536ul

struct worker {
	struct draw draw;
	struct slot *slot;
	struct lane *lane;
	uint32_t depth; /* 0: the first process */
	uint32_t n_calls;
	bool is_thread;
	int32_t first_pid;
	uint32_t where; /* in the arena: this lane's part of it */
	void (*run)(struct worker *worker); /* what a child does */
};

/** worker_main() - all calls of worker @number; does not return */
__attribute__((noreturn)) void worker_main(uint64_t number, struct slot *slot);
/** worker_lane() - the calls of a lane */
void worker_lane(struct worker *worker);
/** worker_hide() - this process gets a journal of its own, for it may spoil what it has */
void worker_hide(struct worker *worker);
/** worker_lane_begin() - a place in the journal for a lane that comes; NULL: there are too many */
struct lane *worker_lane_begin(struct slot *slot);

/** perform() - draw a call and make it */
void perform(struct worker *worker);
/** call_begin() - write down what is about to be called; call_end(): what it gave */
struct entry *call_begin(struct worker *worker, int64_t number, const uint64_t *arguments);
void call_end(struct worker *worker, struct entry *entry, int64_t result);
/** call_make() - make one, and write it down; its result */
int64_t call_make(struct worker *worker, int64_t number, const uint64_t *arguments);

/** child_make() - by clone, with a lane and draws of its own; its number, or 0: there is none */
int64_t child_make(struct worker *worker, uint64_t flags, uint64_t parent_tid, uint64_t child_tid,
	void (*run)(struct worker *worker));
/** child_perform() - a child that makes calls like its parent */
void child_perform(struct worker *worker);
/** trace_perform() - a child, and some requests of its tracer (trace.c) */
void trace_perform(struct worker *worker);
/** program_perform() - a child that executes a file that is nearly a program (program.c) */
void program_perform(struct worker *worker);
/** spoil_perform() - a child that scribbles over what it shares with Hati (spoil.c) */
void spoil_perform(struct worker *worker);

/** world_open() - descriptors and files, in the current folder */
void world_open(void);
/** world_map() - the arena, afresh */
void world_map(void);
/** world_end() - what outlives all processes: System V IPC, message queues */
void world_end(void);
/** world_ipc_id() - number @index of an object of that kind */
uint64_t world_ipc_id(enum ipc kind, uint32_t index);
#define IPC_KEY  0x46555a00 /* and the next ones */
#define IPC_KEYS 4u
/** world_refresh() - handlers and masks as they were */
void world_refresh(void);

uint64_t value_draw(struct worker *worker, const struct argument *argument);
/** value_any() - a number, a descriptor, an address that is good or bad */
uint64_t value_any(struct worker *worker);
uint64_t value_fd(struct worker *worker);
uint64_t value_address(struct worker *worker);
uint64_t value_process_id(struct worker *worker);
/** value_place() - memory of this lane, @size bytes; now and then at the end of the arena */
uint8_t *value_place(struct worker *worker, size_t size);
uint64_t struct_draw(struct worker *worker, enum shape shape);

/* ---- the keeper (keeper.c) ----------------------------------------------------------------- */

/** keeper_run() - all workers; 0, or 1 if something could not be killed */
int keeper_run(void);
/** keeper_show_lane() - its last calls, on stdout */
void keeper_show_lane(const struct lane *lane);
/** process_status() - state and parent of a process as /proc has them; false: it is gone */
bool process_status(int32_t pid, char *out_state, int32_t *out_parent);
/** folder_empty() - remove all that a folder holds */
void folder_empty(int folder);

/* ---- the watcher (watcher.c) --------------------------------------------------------------- */

/** watcher_show_thread() - its state, how it is scheduled, and the call that it is in, on stdout */
void watcher_show_thread(int32_t pid, int32_t tid);
/** watcher_run() - wait for the keeper; its exit status, or 1 if it did not come on */
int watcher_run(int32_t keeper);

/* ---- calls --------------------------------------------------------------------------------- */

static inline int64_t raw_call(
	int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	int64_t result;

	/* A hel call gives back a second value in rdx. */
	__asm__ volatile("syscall"
		: "=a"(result), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
		: "a"(number), "D"(a), "S"(b)
		: "rcx", "r11", "memory");
	return result;
}

#define RAW(number_, a_, b_, c_) \
	raw_call((number_), (uint64_t)(a_), (uint64_t)(b_), (uint64_t)(c_), 0, 0, 0)

#endif
