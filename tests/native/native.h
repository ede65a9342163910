/* SPDX-License-Identifier: MIT */
/*
 * What native test programs without libraries share: their start, their log, threads, memory.
 *
 * A program is given `log` and `authority` by its manifest and has a name, under which its numbers
 * stand in the kernel's command line and its lines in the log:
 *
 *	hati.test=swap swap.operations=20000
 *	swap: ok every_page_is_right
 *	swap: not ok every_page_is_right: 3 pages are wrong
 *	swap: done
 *
 * tests/system/guest.py reads those. A failed assertion is a line, too, and ends the thread.
 */
#ifndef TESTS_NATIVE_H
#define TESTS_NATIVE_H

#include <abi/hel/start.h>
#include <base/types.h>
#include <hel/hel-calls.h>
#include <hel/queue-client.h>

constexpr size_t NATIVE_STACK_BYTES = 32 * 1024;
constexpr uint64_t NATIVE_PAUSE_NS = 1'000'000; /* between two looks at something */

#define NATIVE_PROGRAM_RUNS "a program runs"

struct native_stack {
	_Alignas(16) uint8_t bytes[NATIVE_STACK_BYTES];
};

/* ---- defined by the program */

extern const char native_name[];

/** native_main() - the first thread; it ends when this returns */
void native_main(void);

/* ---- there when native_main() is called */

extern const struct hel_start *native_start;
extern hel_handle native_log; /* HEL_NULL: there is none, as of the next */
extern hel_handle native_authority;

/** native_find_handle() - what the manifest calls @name; HEL_NULL */
hel_handle native_find_handle(const char *name);

/** native_find_number() - what the command line says behind PROGRAM.@name=, if it is there */
void native_find_number(const char *name, uint64_t *number);

/* ---- the log */

/** native_print() - a line that begins with the program's name */
void native_print(const char *format, ...) PRINTF_LIKE(1, 2);

/** native_report() - a case: it is right if @n_wrong is 0, else it has so many of @what */
void native_report(const char *name, uint64_t n_wrong, const char *what);

/**
 * native_await_program() - wait until a Linux program runs, if PROGRAM.waits=1 says that there is
 * to be one: it writes NATIVE_PROGRAM_RUNS to /dev/kmsg
 */
void native_await_program(void);

/* ---- time */

uint64_t native_now_ns(void);
void native_pause(uint64_t duration_ns);

/* ---- threads, memory, queues: all in the caller's space */

/** native_make_thread() - one that is not started yet; ends the program if there is none */
hel_handle native_make_thread(
	hel_handle universe, void (*run)(void *context), void *context, struct native_stack *stack);

/** native_start_thread() - the same, running */
hel_handle native_start_thread(
	hel_handle universe, void (*run)(void *context), void *context, struct native_stack *stack);

/** native_map() - @flags besides read and write: enum hel_map_flags; false: it failed */
bool native_map(hel_handle memory, uint64_t size_bytes, uint32_t flags, void **out_pointer);

/** native_make_queue() - a small one, which forks of the space do not see; false: there is none */
bool native_make_queue(struct hel_queue_client *queue);

/** native_unmap_queue() - the descriptor of it stays */
void native_unmap_queue(const struct hel_queue_client *queue);
void native_drop_queue(const struct hel_queue_client *queue);

/**
 * native_await_fault() - for the first observation of @thread, until @deadline_ns
 * @queue: nothing else completes there
 *
 * Return: the reason of its fault; 0: it was no fault, or there was none.
 */
int native_await_fault(struct hel_queue_client *queue, hel_handle thread, uint64_t deadline_ns);

#endif
