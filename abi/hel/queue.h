/* SPDX-License-Identifier: MIT */
/*
 * The memory of a queue: how user mode submits operations and receives completions.  CONTRACT.
 *
 *   offset 0      struct hel_queue_header (512 bytes)
 *   offset 512    submission ring, params.submit_size bytes (a power of two, 512 … 65536)
 *   align_up(512 + submit_size, 4096)
 *                 n_chunks chunks of chunk_size bytes (a power of two, 128 … 65536), one after the
 *                 other; those of less than HEL_CHUNK_ALIGNED bytes begin at 512 + submit_size
 *
 * The queue's handle can be given to hel_space_map as memory. All counters run freely (modulo
 * 2^32).
 *
 * Completions. The kernel appends elements to the *current chunk*: writes the element, then adds
 * its size to chunk->progress (release), then increments header->n_completions (release). An
 * element never spans chunks: if the next one does not fit (each submission's largest result is
 * known beforehand) the kernel sets HEL_CHUNK_DONE in progress and takes the next chunk index from
 * the supply ring. User mode supplies chunk i by writing supply[supply_tail % HEL_SUPPLY_MAX] = i
 * and then supply_tail++ (release), after it reset progress to 0; it may do so when it has consumed
 * every element of a DONE chunk. At the start all chunks must be supplied by the user. With no
 * chunk supplied completions wait inside the kernel (nothing is lost) until a later hel_drive finds
 * one.
 *
 * Submissions. User mode writes 8-aligned records into the ring at submit_tail % submit_size and
 * then advances submit_tail (release); hel_drive consumes up to submit_tail and advances
 * submit_head. A record must not wrap: when it does not fit before the end, a record of opcode
 * HEL_SUBMIT_PAD covers the rest (at least 8 bytes). A record whose size or opcode is nonsense
 * stops consumption: hel_drive returns ERR_QUEUE_CORRUPT, and skips to submit_tail. Every record
 * but PAD and CANCEL yields exactly one completion that carries its context, also when it is
 * refused, fails or is cancelled; those that repeat yield others, marked HEL_ELEMENT_MORE, before
 * it, and HEL_EXCHANGE_QUIET and ALERT have none on success. CANCEL never completes; the cancelled
 * operation does (once, perhaps successfully).
 *
 * hel_drive(queue, flags, seen, deadline_ns): consumes all submissions; then, with HEL_DRIVE_WAIT,
 * if n_completions == seen, waits until it differs, the deadline (absolute monotonic ns,
 * HEL_DEADLINE_NEVER) passes (ERR_TIMED_OUT), the queue is alerted (ERR_ALERTED; one waiting
 * thread, or at once the next one that would wait), or the thread is kicked (ERR_KICKED; also at
 * once if its kick latch is set). Value: n_completions.
 */
#ifndef ABI_HEL_QUEUE_H
#define ABI_HEL_QUEUE_H

#include <abi/hel/operations.gen.h>
#include <abi/hel/types.h>

constexpr uint32_t HEL_SUPPLY_MAX = 64;
constexpr uint32_t HEL_CHUNK_DONE = 1u << 31;
constexpr uint32_t HEL_CHUNK_SIZE_MIN = 128;
constexpr uint32_t HEL_CHUNK_ALIGNED = 1024; /* chunks from this size on begin with a page */
constexpr uint32_t HEL_RECORD_MAX = 1024;

struct hel_queue_params {
	uint32_t n_chunks; /* 1 … 64 */
	uint32_t chunk_size; /* power of two, 128 … 65536 */
	uint32_t submit_size; /* power of two, 512 … 65536 */
	uint32_t reserved;
};

struct hel_queue_header {
	uint32_t n_completions; /* kernel writes */
	uint32_t submit_head; /* kernel writes */
	uint32_t reserved0[14];
	uint32_t submit_tail; /* user writes */
	uint32_t supply_tail; /* user writes */
	uint32_t reserved1[14];
	uint32_t supply[HEL_SUPPLY_MAX];
	uint32_t reserved2[32];
};

struct hel_chunk {
	uint32_t progress; /* bytes of elements, | HEL_CHUNK_DONE */
	uint32_t reserved;
	uint8_t elements[];
};

struct hel_record {
	/* bytes with this header, a multiple of 8, at most HEL_RECORD_MAX */
	uint32_t size;
	uint32_t opcode;
	/* the submitter's; also the tag by which the operation is cancelled */
	uint64_t context;
};

struct hel_cancel_record {
	/* context: that of the operation to cancel (all with that context) */
	struct hel_record header;
};

struct hel_await_event_record {
	struct hel_record header;
	hel_handle event; /* needs WAIT */
	uint64_t sequence; /* completes when the event's differs; 0 at the start */
};

struct hel_await_clock_record {
	struct hel_record header;
	uint64_t deadline_ns;
};

struct hel_observe_record {
	struct hel_record header;
	hel_handle thread; /* needs WAIT; one observer at a time, else ERR_BUSY */
	uint64_t sequence; /* 0 at first, then the one of the last observation */
};

struct hel_manage_record {
	struct hel_record header;
	hel_handle backing; /* needs MANAGE */
};

/*
 * Completes when every page of the range that is dirty now has been written back; with the error
 * of a write-back that failed since the last fence, or ERR_IO if the manager is gone.
 */
struct hel_fence_record {
	struct hel_record header;
	hel_handle frontal; /* managed memory; needs READ */
	uint64_t offset, length; /* multiples of the page size */
};

/*
 * Completes when all pages of the range are present and locked: they stay where they are until
 * hel_memory_unlock(), once for each lock, or until the object is cut off or gone.
 */
struct hel_lock_record {
	struct hel_record header;
	hel_handle memory; /* managed (frontal) or allocated; needs PIN */
	uint64_t offset, length; /* multiples of the page size; at most 4 MiB, not 0 */
	uint64_t flags; /* enum hel_lock_flags */
};

struct hel_alert_record {
	struct hel_record header;
	hel_handle queue; /* needs SIGNAL */
};

enum hel_action_flags : uint16_t {
	/*
	 * The action goes to the stream made by the last OFFER or ACCEPT of this exchange, not to
	 * the lane.
	 */
	HEL_ACTION_ANCILLARY = 1,
	/*
	 * OFFER, ACCEPT: keep our lane's handle (value). Without it the lane is closed when the
	 * exchange is complete.
	 */
	HEL_ACTION_WANT_LANE = 2,
};

struct hel_action {
	uint16_t type;
	uint16_t flags;
	uint32_t reserved;
	hel_handle handle;
	uint64_t address;
	uint64_t length;
};

struct hel_sg {
	uint64_t address;
	uint64_t length;
};

enum hel_exchange_flags : uint32_t {
	/*
	 * The descriptor `lane` is closed when the record is consumed, also if it is refused
	 * because of an action; the lane lives on until the exchange is complete. So the last
	 * word of a conversation needs no call to close it.
	 */
	HEL_EXCHANGE_CLOSE_LANE = 1,
	/*
	 * Submit it again each time that it is complete, so that one record serves all who come: a
	 * single RECEIVE_INLINE or PULL, or an ACCEPT with RECEIVE_INLINE, PULL,
	 * EXTRACT_CREDENTIALS and DISMISS behind it. Each round is an element with
	 * HEL_ELEMENT_MORE. The element without it is the last: the first action has ended for good
	 * (see the operation).
	 */
	HEL_EXCHANGE_REPEAT = 2,
	/*
	 * A single SEND of at most HEL_QUIET_BYTES_MAX, whose data are copied when the record is
	 * consumed: no completion if it succeeds.
	 */
	HEL_EXCHANGE_QUIET = 4,
};

constexpr uint64_t HEL_QUIET_BYTES_MAX = 96;

struct hel_exchange_record {
	struct hel_record header;
	hel_handle lane; /* needs INVOKE */
	uint32_t n_actions; /* 1 … HEL_ACTIONS_MAX */
	uint32_t flags; /* enum hel_exchange_flags */
	struct hel_action actions[];
};

/*
 * A completion.  8-aligned; `size` includes this header and everything after it, rounded up to 8.
 */
struct hel_element {
	uint32_t size;
	uint32_t opcode; /* of the submission */
	uint64_t context;
	int32_t error;  /* 0, or why the whole submission failed; then no results follow */
	uint16_t n_results; /* exchange: number of struct hel_result that follow */
	uint16_t flags; /* enum hel_element_flags */
};

enum hel_element_flags : uint16_t {
	HEL_ELEMENT_MORE = 1, /* the operation goes on, and will complete again */
};

/*
 * One per action, in order.  RECEIVE_INLINE and EXTRACT_CREDENTIALS data follow it, padded to 8
 * bytes.
 */
struct hel_result {
	int32_t error;  /* this action's own */
	uint32_t inline_size; /* bytes of data that follow (before padding) */
	uint64_t value;  /* bytes transferred, or a handle */
};

/* After struct hel_element for AWAIT_EVENT. */
struct hel_event_result {
	uint64_t sequence;
	uint32_t bits;
	uint32_t reserved;
};

/* After struct hel_element for OBSERVE. */
struct hel_observe_result {
	uint64_t sequence;
	uint32_t observation; /* enum hel_observation */
	uint32_t vector; /* FAULT: the processor's vector */
	uint64_t error_code;
	uint64_t address; /* FAULT: the faulting address */
	uint64_t ip;
	int32_t reason;  /* FAULT: as in struct hel_fault */
	uint32_t reserved;
};

/* After struct hel_element for MANAGE. It is answered by hel_memory_update(). */
enum hel_manage_kind : uint32_t {
	HEL_MANAGE_INITIALISE = 1, /* fill the pages through the backing */
	HEL_MANAGE_WRITE_BACK = 2, /* store what the backing has */
};

struct hel_manage_result {
	uint32_t kind; /* enum hel_manage_kind */
	uint32_t reserved;
	uint64_t offset, length; /* multiples of the page size; the same pages are asked for once */
};

enum hel_drive_flags : uint32_t { HEL_DRIVE_WAIT = 1 };

#endif
