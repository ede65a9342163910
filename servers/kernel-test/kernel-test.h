/* SPDX-License-Identifier: MIT */
/*
 * Cases that try kernel objects from user mode, through nothing but hel calls.
 *
 *	static void event_raises(void)
 *	{
 *		CHECK_EQ(hel_event_create(0, &event), 0);
 *	}
 *	const struct ktest_case event_cases[] = { KTEST(event_raises), KTEST_END };
 *
 * A failed check ends its case; what the case has opened stays open, and the others still run.
 */
#ifndef KERNEL_TEST_H
#define KERNEL_TEST_H

#include <base/types.h>
#include <hel/queue-client.h>

struct ktest_case {
	const char *name;
	void (*run)(void);
};

#define KTEST(function_) { .name = #function_, .run = function_ }
#define KTEST_END	 { .name = NULL, .run = NULL }

extern const struct ktest_case descriptor_cases[];
extern const struct ktest_case event_cases[];
extern const struct ktest_case memory_cases[];
extern const struct ktest_case space_cases[];
extern const struct ktest_case stream_cases[];
extern const struct ktest_case thread_cases[];

/** ktest_fail() - note that the running case has failed, with the value that was wrong */
void ktest_fail(const char *file, int line, const char *text, int64_t value);

/** CHECK() - end the case as failed unless the condition holds */
#define CHECK(condition_) \
	do { \
		if (!(condition_)) { \
			ktest_fail(__FILE_NAME__, __LINE__, #condition_, 0); \
			return; \
		} \
	} while (0)

/** CHECK_EQ() - end the case as failed unless both integers are equal */
#define CHECK_EQ(value_, expected_) \
	do { \
		int64_t ktest_value_ = (int64_t)(value_); \
		if (ktest_value_ != (int64_t)(expected_)) { \
			ktest_fail(__FILE_NAME__, __LINE__, #value_ " == " #expected_, \
				ktest_value_); \
			return; \
		} \
	} while (0)

/* A time long enough for whatever must happen, and one long enough to see that it does not. */
constexpr uint64_t KTEST_LONG_NS = 5000000000;
constexpr uint64_t KTEST_SHORT_NS = 20000000;

/** ktest_now() - monotonic nanoseconds */
uint64_t ktest_now(void);

/** ktest_queue() - the queue that all cases share, empty at the start of each */
struct hel_queue_client *ktest_queue(void);

/**
 * ktest_queue_create() - make and map a queue
 * @out_client: ready for use
 *
 * Return: 0 or a negative error.
 */
MUST_USE int ktest_queue_create(
	const struct hel_queue_params *params, struct hel_queue_client *out_client);

/** ktest_queue_destroy() - unmap and close a queue */
void ktest_queue_destroy(struct hel_queue_client *client);

/**
 * ktest_wait() - wait for the next completion
 *
 * Return: the element, to be released; NULL if none comes within @timeout_ns.
 */
const struct hel_element *ktest_wait(struct hel_queue_client *client, uint64_t timeout_ns);

/**
 * ktest_submit() - copy a record into the ring and drive
 * @body: what follows the header
 *
 * Return: hel_drive()'s error.
 */
int ktest_submit(struct hel_queue_client *client, uint32_t opcode, uint64_t context,
	const void *body, uint32_t body_size);

/** ktest_exchange() - submit an exchange; see ktest_submit() */
int ktest_exchange(hel_handle lane, uint64_t context, const struct hel_action *actions,
	uint32_t n_actions);

/** ktest_map() - map @memory (HEL_NULL: fresh zeros) anywhere in our space; NULL if that fails */
void *ktest_map(hel_handle memory, uint64_t size_bytes, uint32_t flags);

/**
 * ktest_thread_create() - make a thread of this program, stopped, with a stack of its own
 * @run: ends with hel_thread_exit()
 *
 * Return: 0 or a negative error.
 */
MUST_USE int ktest_thread_create(void (*run)(void *), void *argument, hel_handle *out_thread);

#endif
