/* SPDX-License-Identifier: MIT */
/*
 * Tests of thor from user mode: a native program that makes every hel call, succeed and fail.
 *
 *	TEST(close_refuses_stale_handle)
 *	{
 *		CHECK_EQ(hel_close(HEL_THIS, handle), -ERR_BAD_HANDLE);
 *	}
 *
 * Results go to the kernel's log as `kernel-test: ok <name>` and `kernel-test: not ok <name>:
 * why`, and at the end `kernel-test: done, N passed, N failed`. A failed check leaves the
 * function it stands in. Cases run one after the other on the main thread, which has one queue
 * (`await` and friends); other threads are started with worker_start().
 */
#ifndef KERNEL_TEST_H
#define KERNEL_TEST_H

#include <base/string.h>
#include <tests/native/native.h>

struct test_case {
	const char *name;
	void (*run)(void);
};

#define TEST(name_) \
	static void test_##name_(void); \
	__attribute__((section("test_cases"), \
		used)) static const struct test_case test_case_##name_ = { #name_, test_##name_ }; \
	static void test_##name_(void)

bool test_check(bool is_true, const char *file, int line, const char *text);
bool test_check_equal(int64_t a, int64_t b, const char *file, int line, const char *text);

#define CHECK(condition) \
	do { \
		if (!test_check((condition), __FILE__, __LINE__, #condition)) { \
			return; \
		} \
	} while (0)

#define CHECK_EQ(a, b) \
	do { \
		if (!test_check_equal( \
			    (int64_t)(a), (int64_t)(b), __FILE__, __LINE__, #a " == " #b)) { \
			return; \
		} \
	} while (0)

extern const struct hel_start *test_start;
extern hel_handle test_authority; /* HEL_NULL: those cases are skipped */
extern hel_handle test_log;

uint64_t test_now(void);
uint64_t test_deadline_ms(uint64_t milliseconds);

/* ---- the main thread's queue */

constexpr size_t COMPLETION_DATA_MAX = 24 * 1024;

struct completion {
	uint32_t opcode;
	uint64_t context;
	int32_t error;
	uint32_t n_results;
	size_t size; /* of data */
	_Alignas(16) uint8_t data[COMPLETION_DATA_MAX];
};

extern struct hel_queue_client test_queue;

/** make_queue() - a queue with its memory mapped; false if a call failed */
bool make_queue(struct hel_queue_client *client, uint32_t n_chunks, uint32_t chunk_size,
	uint32_t submit_size);
void drop_queue(struct hel_queue_client *client);

/**
 * submit() - reserve a record in the main queue with a fresh context, which comes back in
 * header.context; commit() it
 */
void *submit(uint32_t opcode, uint32_t size);
void commit(void);

/** submit_exchange() - reserve and commit an exchange of @n_actions; its context */
uint64_t submit_exchange(hel_handle lane, const struct hel_action *actions, uint32_t n_actions);

/**
 * await() - drive until the operation with @context has completed, at most two seconds; false: it
 * has not
 */
bool await(uint64_t context, struct completion *out_completion);

/** is_complete() - drive once without waiting and look */
bool is_complete(uint64_t context);

/** result_of() - result @index of an exchange, NULL if there are not so many */
const struct hel_result *result_of(const struct completion *completion, uint32_t index);

#define DISMISS() ((struct hel_action){ .type = HEL_ACTION_DISMISS })
#define SEND(data_, size_) \
	((struct hel_action){ \
		.type = HEL_ACTION_SEND, .address = (uint64_t)(data_), .length = (size_) })
#define RECEIVE(data_, size_) \
	((struct hel_action){ \
		.type = HEL_ACTION_RECEIVE, .address = (uint64_t)(data_), .length = (size_) })
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

/* ---- other threads */

struct worker {
	hel_handle thread;
	void (*run)(struct worker *worker);
	void *argument;
	_Atomic uint32_t is_done;
	_Atomic uint32_t counter;
	uint64_t stack;
};

/** worker_start() - run @run on a thread of its own; false if it cannot be made */
bool worker_start(struct worker *worker, void (*run)(struct worker *worker), void *argument);

/** worker_create() - the same, not yet running: hel_thread_start(worker->thread) */
bool worker_create(struct worker *worker, void (*run)(struct worker *worker), void *argument);

/** worker_create_with() - the same with enum hel_thread_flags */
bool worker_create_with(
	struct worker *worker, void (*run)(struct worker *worker), void *argument, uint32_t flags);

/** worker_join() - wait for its end and release it; false: it did not end in two seconds */
bool worker_join(struct worker *worker);

/** worker_forget() - release what belongs to a worker that was killed */
void worker_forget(struct worker *worker);

/** wait_until() - yield until *@word is at least @value; false after two seconds */
bool wait_until(_Atomic uint32_t *word, uint32_t value);

/** map_pages() - fresh zeroed memory; 0 if there is none */
uint64_t map_pages(uint64_t size_bytes);
void unmap_pages(uint64_t address, uint64_t size_bytes);

/** observe() - submit an observation of @thread; its context */
uint64_t observe(hel_handle thread, uint64_t sequence);

/** await_observation() - wait for it; false with anything but a good result */
bool await_observation(uint64_t context, struct hel_observe_result *out_result);

#endif
