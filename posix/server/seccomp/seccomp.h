/* SPDX-License-Identifier: MIT */
/*
 * seccomp: what a thread may call. docs/internals/seccomp.md tells the story.
 *
 * A thread that is not restricted has no struct seccomp. Filters never change, and a thread's only
 * get more: each refers to the one that was there before it, so that threads and children share
 * those that they have in common.
 *
 *	thread ---> filter 3 ---> filter 2 ---> filter 1
 *	thread ------------------------^
 *
 * A call passes in one of two ways. One that all filters allow whatever its arguments are is a bit
 * in the thread's page, and the shim makes it. For any other the shim asks (POSIX_FILTER_CALL), the
 * filters are run, and if they let the call pass it becomes the thread's grant, until it asks the
 * next time. Whatever arrives from a restricted thread must be what its filters always allow, or
 * what it has a grant for (admission.c).
 */
#ifndef POSIX_SECCOMP_H
#define POSIX_SECCOMP_H

#include <posix/server/process/process-internal.h>
#include <posix/server/seccomp/program.h>

constexpr uint32_t SECCOMP_NUMBERS = 512; /* that may have a bit */
constexpr uint32_t SECCOMP_WORDS = SECCOMP_NUMBERS / 64;

struct seccomp_listener;

struct seccomp_filter {
	uint32_t references; /* of threads, and of filters that came later */
	struct seccomp_filter *earlier; /* referenced; NULL: this is the first */
	struct account *account; /* referenced: of the user who made it */
	uint32_t n_filters, n_instructions; /* with the earlier ones, as Linux counts */
	/* by number: whether it is known if this and all earlier ones allow the call; if so */
	uint64_t is_known[SECCOMP_WORDS], allows[SECCOMP_WORDS];
	struct seccomp_listener *listener; /* referenced; NULL: nobody is notified */
	uint32_t n;
	struct linux_bpf program[];
};

struct seccomp {
	enum linux_seccomp_mode mode;
	struct seccomp_filter *filter; /* referenced; NULL: strict mode */
	bool has_grant;
	bool was_told; /* the tracer has seen the call that is asked about */
	bool was_sent_back; /* by the last request that was not admitted */
	struct linux_seccomp_data grant;
};

/* ---- filter.c -------------------------------------------------------------------------------- */

/** seccomp_always_allows() - whether the thread may make calls of that number, whatever else */
bool seccomp_always_allows(const struct seccomp *seccomp, uint32_t number);

/**
 * seccomp_run() - what the filters say: the strongest, of several the latest one's
 * @out_filter: which said it; NULL: they allow the call
 */
uint32_t seccomp_run(const struct seccomp *seccomp, const struct linux_seccomp_data *data,
	const struct seccomp_filter **out_filter);

/** seccomp_publish() - write what the thread's page says of it */
void seccomp_publish(const struct thread *thread);

/** seccomp_inherit() - @thread, which does not run yet, is restricted as @parent; -LINUX_ENOMEM */
int seccomp_inherit(const struct thread *parent, struct thread *thread);

/** seccomp_release() - of a thread that is gone, or was never restricted */
void seccomp_release(struct thread *thread);

/** seccomp_mode_of(), seccomp_filters_of() - for /proc */
enum linux_seccomp_mode seccomp_mode_of(const struct thread *thread);
uint32_t seccomp_filters_of(const struct thread *thread);

/**
 * seccomp_set() - seccomp(), and what prctl() makes of it
 * @address: in the process
 */
int64_t seccomp_set(struct request *request, uint64_t operation, uint64_t flags, uint64_t address);

/* ---- notify.c -------------------------------------------------------------------------------- */

/**
 * listener_create() - with a reference for the caller; NULL: no memory
 * @waits_for_answers: signals do not end a call that was received
 */
struct seccomp_listener *listener_create(bool waits_for_answers);
void listener_unref(struct seccomp_listener *listener);
/** listener_is_open() - whether somebody can be notified; of NULL: no */
bool listener_is_open(const struct seccomp_listener *listener);
/** listener_filter_gone() - nobody has the filter any more: takes its reference */
void listener_filter_gone(struct seccomp_listener *listener);
/** listener_open() - a file of it for the caller: a descriptor, or a negative errno */
int64_t listener_open(struct request *request, struct seccomp_listener *listener);

/**
 * seccomp_begin_notification() - tell of the call that @request asks about
 * @out_result: what the handler returns
 *
 * Return: false if nobody can be told.
 */
bool seccomp_begin_notification(struct request *request, struct seccomp_listener *listener,
	const struct linux_seccomp_data *call, int64_t *out_result);
/** seccomp_end_notification() - in a later attempt: whether there is an answer */
bool seccomp_end_notification(struct request *request, struct linux_seccomp_data *out_call,
	struct linux_seccomp_response *out_response);
/** seccomp_await_notification() - if there is not: what the handler returns */
int64_t seccomp_await_notification(struct request *request);

/* ---- admission.c ----------------------------------------------------------------------------- */

/**
 * seccomp_admits() - whether a request of a restricted thread may be served
 * @out_result: if not, the answer
 */
bool seccomp_admits(struct request *request, int64_t *out_result);

#endif
