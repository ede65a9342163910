/* SPDX-License-Identifier: MIT */
/* The vocabulary of every other file: fixed-width types and a handful of small helpers. */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** MUST_USE - the caller has to look at the result */
#define MUST_USE           __attribute__((warn_unused_result))
/** NORETURN - the function never comes back */
#define NORETURN           __attribute__((noreturn))
/** UNUSED - the parameter or variable may stay unread (a hook that needs only some arguments) */
#define UNUSED             __attribute__((unused))
#define ALWAYS_INLINE      inline __attribute__((always_inline))
/** LINK_INLINE - the same for one that other files call, if the program is optimised as a whole */
#define LINK_INLINE        __attribute__((always_inline))
/** PACKED - the structure has exactly the bytes of its members, as hardware or a file defines it */
#define PACKED             __attribute__((packed))
/** ALIGNED() - raise the alignment of a type or object */
#define ALIGNED(alignment) __attribute__((aligned(alignment)))
/** PRINTF_LIKE() - let the compiler check a format string against its arguments */
#define PRINTF_LIKE(format_index, first_argument) \
	__attribute__((format(printf, format_index, first_argument)))

#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/**
 * container_of() - the object that embeds a member
 * @pointer: address of the member, not NULL
 * @type: type of the object
 * @member: name of the member in @type; its type is checked against @pointer
 */
#define container_of(pointer, type, member) \
	({ \
		const volatile __typeof__(((type *)0)->member) *member_pointer_ = (pointer); \
		(type *)((uintptr_t)member_pointer_ - offsetof(type, member)); \
	})

/** ARRAY_SIZE() - number of elements of a true array; a pointer does not compile */
#define ARRAY_SIZE(array) \
	(sizeof(array) / sizeof((array)[0]) + \
		0 * \
			sizeof(char[1 - \
				2 * \
					__builtin_types_compatible_p( \
						__typeof__(array), __typeof__(&(array)[0]))]))

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

/** is_power_of_two() - true for 1, 2, 4, ...; false for 0 */
static inline bool is_power_of_two(uint64_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}

/** align_down() - the largest multiple of @alignment (a power of two) not above @value */
static inline uint64_t align_down(uint64_t value, uint64_t alignment)
{
	return value & ~(alignment - 1);
}

/**
 * align_up() - the smallest multiple of @alignment (a power of two) not below @value; may wrap to 0
 */
static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
	return align_down(value + alignment - 1, alignment);
}

/** align_down_size() - align_down() for sizes in memory */
static inline size_t align_down_size(size_t value, size_t alignment)
{
	return value & ~(alignment - 1);
}

/** align_up_size() - align_up() for sizes in memory */
static inline size_t align_up_size(size_t value, size_t alignment)
{
	return align_down_size(value + alignment - 1, alignment);
}

/** is_aligned() - whether @value is a multiple of @alignment (a power of two) */
static inline bool is_aligned(uint64_t value, uint64_t alignment)
{
	return (value & (alignment - 1)) == 0;
}

/** div_round_up() - how many units of @unit (not 0) hold @value; never overflows */
static inline uint64_t div_round_up(uint64_t value, uint64_t unit)
{
	return value / unit + (value % unit != 0);
}

static inline size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif
