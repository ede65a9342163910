/* SPDX-License-Identifier: MIT */
/*
 * What the tests of thor's objects, messages and threads share: a machine with user programs.
 *
 *	USER_TEST(close_refuses_stale_handle)
 *	{
 *		CHECK_EQ(hel_close(HEL_THIS, handle), -ERR_BAD_HANDLE);
 *	}
 *
 * is a case whose body is the user program of the first thread of a machine with one CPU; it may
 * start others (user_start()). When nothing can happen any more all threads have to be gone, and
 * all frames and heap objects have to be back.
 */
#ifndef THOR_TESTS_MACHINE_H
#define THOR_TESTS_MACHINE_H

#include "support.h"

#include <base/random.h>
#include <hel/hel-calls.h>
#include <hel/queue-client.h>
#include <thor/arch/sim/processor.h>

/* ---- machines -------------------------------------------------------------------------------- */

/** machine_begin() - boot @n_cpus; @seed decides who runs when */
void machine_begin(uint32_t n_cpus, uint64_t seed);

/** machine_begin_with() - the same with @n_mib MiB of memory instead of 32 */
void machine_begin_with(uint32_t n_cpus, uint64_t n_mib, uint64_t seed);

/**
 * machine_run() - a program in a universe and space of its own, until the machine is quiet; false:
 * it never is
 */
bool machine_run(void (*main)(void *context), void *context);

/** machine_settle() - run until the machine is quiet; false: it never is */
bool machine_settle(void);

/**
 * machine_is_clean() - no threads, frames or heap objects are left of what ran on the quiet machine
 */
bool machine_is_clean(void);

/** machine_end() - switch off; whether it was clean */
bool machine_end(void);

/** machine_authority() - the next first program finds an authority under this handle */
extern hel_handle machine_authority;

/** machine_n_retries - how often something was tried again for want of memory (sched/shortage.h) */
extern uint64_t machine_n_retries;

#define USER_TEST(name_) \
	static void user_##name_(void); \
	static void user_main_##name_(UNUSED void *context) \
	{ \
		user_##name_(); \
	} \
	TEST(name_) \
	{ \
		machine_begin(1, 1); \
		CHECK(machine_run(user_main_##name_, NULL)); \
		CHECK(machine_end()); \
	} \
	static void user_##name_(void)

/* ---- for programs: memory and threads -------------------------------------------------------- */

/** user_map() - fresh private memory; 0: there is none */
uint64_t user_map(uint64_t n_pages);

/** user_store_string() - write @text with its end */
void user_store_string(uint64_t address, const char *text);

/** user_has_string() - whether memory has @text with its end */
bool user_has_string(uint64_t address, const char *text);

/** user_create() - a stopped thread with a program in the caller's space and universe; an error */
int user_create(void (*main)(void *context), void *context, hel_handle *out_thread);

/** user_start() - the same, running; HEL_NULL on errors */
hel_handle user_start(void (*main)(void *context), void *context);

/* ---- for programs: queues -------------------------------------------------------------------- */

constexpr uint32_t USER_COMPLETIONS_MAX = 512;
constexpr uint32_t USER_DATA_MAX = 8192;

struct completion {
	uint32_t opcode;
	uint64_t context;
	int32_t error;
	uint32_t n_results;
	bool has_more; /* HEL_ELEMENT_MORE */
	uint32_t size; /* of data */
	struct hel_result results[HEL_ACTIONS_MAX];
	const uint8_t *inline_data[HEL_ACTIONS_MAX];
	_Alignas(8) uint8_t data[USER_DATA_MAX];
};

struct user_queue {
	struct hel_queue_client client;
	uint64_t address, size_bytes;
	uint64_t next_context;
	/* completions that were taken while another was waited for: the first words of each */
	struct completion *kept[USER_COMPLETIONS_MAX];
	uint32_t n_kept;
};

/** queue_open() - make a queue and map it; an error */
int queue_open(
	struct user_queue *queue, uint32_t n_chunks, uint32_t chunk_size, uint32_t submit_size);

/** queue_close() - give it up */
void queue_close(struct user_queue *queue);

/** queue_record() - reserve a record with a fresh context; NULL: the ring is full. Commit it. */
void *queue_record(struct user_queue *queue, uint32_t opcode, uint32_t size);

/** queue_drive() - enter the kernel without waiting; what hel_drive says */
int queue_drive(struct user_queue *queue);

/** queue_take() - the next completion that is there, into *out_completion; false: none */
bool queue_take(struct user_queue *queue, struct completion *out_completion);

/** queue_await() - drive until @context has completed; false: that was refused, or nothing comes */
bool queue_await(struct user_queue *queue, uint64_t context, struct completion *out_completion);

/** queue_is_quiet() - nothing has completed that nobody has taken */
bool queue_is_quiet(struct user_queue *queue);

uint64_t submit_nop(struct user_queue *queue);
uint64_t submit_exchange(struct user_queue *queue, hel_handle lane,
	const struct hel_action *actions, uint32_t n_actions);
/** submit_exchange_with() - the same with enum hel_exchange_flags */
uint64_t submit_exchange_with(struct user_queue *queue, hel_handle lane,
	const struct hel_action *actions, uint32_t n_actions, uint32_t flags);
uint64_t submit_event(struct user_queue *queue, hel_handle event, uint64_t sequence);
uint64_t submit_clock(struct user_queue *queue, uint64_t deadline_ns);
uint64_t submit_ends(struct user_queue *queue);
uint64_t submit_observe(struct user_queue *queue, hel_handle thread, uint64_t sequence);
uint64_t submit_manage(struct user_queue *queue, hel_handle backing);
uint64_t submit_fence(
	struct user_queue *queue, hel_handle frontal, uint64_t offset, uint64_t length);
uint64_t submit_lock(struct user_queue *queue, hel_handle memory, uint64_t offset, uint64_t length,
	uint64_t flags);
void submit_cancel(struct user_queue *queue, uint64_t context);

/** completion_event() - what follows a successful AWAIT_EVENT; completion_observation(): OBSERVE */
const struct hel_event_result *completion_event(const struct completion *completion);
const struct hel_observe_result *completion_observation(const struct completion *completion);

/** completion_request() - what follows a successful MANAGE */
const struct hel_manage_result *completion_request(const struct completion *completion);

/* ---- actions --------------------------------------------------------------------------------- */

#define DISMISS() ((struct hel_action){ .type = HEL_ACTION_DISMISS })
#define SEND(address_, size_) \
	((struct hel_action){ .type = HEL_ACTION_SEND, .address = (address_), .length = (size_) })
#define SEND_SG(address_, n_) \
	((struct hel_action){ .type = HEL_ACTION_SEND_SG, .address = (address_), .length = (n_) })
#define RECEIVE(address_, size_) \
	((struct hel_action){ \
		.type = HEL_ACTION_RECEIVE, .address = (address_), .length = (size_) })
#define RECEIVE_INLINE(size_) \
	((struct hel_action){ .type = HEL_ACTION_RECEIVE_INLINE, .length = (size_) })
#define PUSH(handle_)  ((struct hel_action){ .type = HEL_ACTION_PUSH, .handle = (handle_) })
#define PULL()         ((struct hel_action){ .type = HEL_ACTION_PULL })
#define OFFER(flags_)  ((struct hel_action){ .type = HEL_ACTION_OFFER, .flags = (flags_) })
#define ACCEPT(flags_) ((struct hel_action){ .type = HEL_ACTION_ACCEPT, .flags = (flags_) })
#define IMBUE(handle_) \
	((struct hel_action){ .type = HEL_ACTION_IMBUE_CREDENTIALS, .handle = (handle_) })
#define EXTRACT() ((struct hel_action){ .type = HEL_ACTION_EXTRACT_CREDENTIALS })

/** ancillary() - the same action, on the stream of the last OFFER or ACCEPT */
static inline struct hel_action ancillary(struct hel_action action)
{
	action.flags |= HEL_ACTION_ANCILLARY;
	return action;
}

#endif
