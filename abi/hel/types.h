/* SPDX-License-Identifier: MIT */
/*
 * Basic types of the hel ABI: handles, rights, descriptor types, limits.  CONTRACT.
 *
 * A handle is 64 bits: the low 32 are an index into the universe's table, the high 32 a generation,
 * so that a stale handle is an error and never another object. Handle 0 is never valid: HEL_NULL.
 * HEL_THIS means "the caller's own" universe, space or thread where a call says so.
 */
#ifndef ABI_HEL_TYPES_H
#define ABI_HEL_TYPES_H

#include <stdint.h>

typedef uint64_t hel_handle;

constexpr hel_handle HEL_NULL = 0;
constexpr hel_handle HEL_THIS = ~(hel_handle)0;

constexpr uint64_t HEL_PAGE_SIZE = 4096;
constexpr uint64_t HEL_DEADLINE_NEVER = ~(uint64_t)0;
/* hel_futex_lock(): the word of a lock is 0, or has the owner's number and perhaps this bit. */
constexpr uint32_t HEL_LOCK_OWNER = 0x3fffffff;
constexpr uint32_t HEL_LOCK_WAITERS = 1u << 31;
/* What hel_futex_wait_requeue() tells besides the number of an owner that has ended. */
constexpr uint32_t HEL_FUTEX_MOVED = 1u << 30; /* it waited for the lock in the end */
constexpr uint32_t HEL_FUTEX_ABANDONED = 1u << 31; /* the lock is as its owner left it */
constexpr uint32_t HEL_INLINE_MAX = 4096; /* bytes of one receive-inline */
constexpr uint32_t HEL_ACTIONS_MAX = 16; /* actions of one exchange */
constexpr uint32_t HEL_SG_MAX = 64;  /* segments of one scatter/gather list */
constexpr uint64_t HEL_ACTION_BYTES_MAX = (uint64_t)1 << 40; /* sent or received by one action */

enum hel_type : uint32_t {
	HEL_TYPE_NONE = 0,
	HEL_TYPE_UNIVERSE,
	HEL_TYPE_SPACE,
	HEL_TYPE_MEMORY,
	HEL_TYPE_THREAD,
	HEL_TYPE_QUEUE,
	HEL_TYPE_LANE,
	HEL_TYPE_EVENT,
	HEL_TYPE_IRQ,
	HEL_TYPE_IO,
	HEL_TYPE_TOKEN,
	/* held by svrctl: makes physical memory, io, irq descriptors, writes the log */
	HEL_TYPE_AUTHORITY,
	HEL_TYPE_GRANT, /* what was derived through it can be revoked */
	HEL_TYPE_DMA_SPACE, /* what a device may reach */
	HEL_TYPE_KERNLET, /* code that runs in interrupt context */
	HEL_TYPE_BOUND_KERNLET, /* with the memory and events that it works on */
	HEL_TYPE_COUNT,
};

/* Rights only ever shrink. */
enum hel_rights : uint32_t {
	HEL_RIGHT_READ = 1u << 0, /* read contents, registers, statistics */
	HEL_RIGHT_WRITE = 1u << 1, /* write contents, registers; irq: move */
	HEL_RIGHT_EXECUTE = 1u << 2, /* memory: may be mapped executable */
	HEL_RIGHT_MAP = 1u << 3, /* memory: may be mapped; space: may be mapped into */
	HEL_RIGHT_INVOKE = 1u << 4, /* lane: exchange; queue: drive */
	HEL_RIGHT_DERIVE = 1u << 5, /* may be transferred or duplicated, or views made of it */
	HEL_RIGHT_WAIT = 1u << 6, /* event, irq, thread: await */
	HEL_RIGHT_SIGNAL = 1u << 7, /* event: raise; thread: kick; authority: clock */
	/* thread: start, kill, bounce; space: fork, protect; irq: acknowledge; grant: revoke */
	HEL_RIGHT_MANAGE = 1u << 8,
	HEL_RIGHT_GRANT = 1u << 9, /* universe: put descriptors in; grant: put them under it */
	HEL_RIGHT_TAKE = 1u << 10, /* universe: take descriptors out, close them */
	HEL_RIGHT_PIN = 1u << 11, /* memory: lock pages and learn physical addresses (DMA) */
	HEL_RIGHTS_ALL = 0xfff,
};

#endif
