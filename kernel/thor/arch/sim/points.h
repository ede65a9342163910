/* SPDX-License-Identifier: MIT */
/*
 * Included before everything else (-include) when thor is compiled for the simulated processor:
 * every atomic access of portable thor becomes a point where another virtual CPU may go on.
 */
#ifndef THOR_ARCH_SIM_POINTS_H
#define THOR_ARCH_SIM_POINTS_H

#ifndef __ASSEMBLER__

#include <stdatomic.h>

/** sim_atomic_point() - perhaps let another CPU go on; see processor.h */
void sim_atomic_point(void);

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and
#undef atomic_fetch_and_explicit

#define atomic_load_explicit(object, order) (sim_atomic_point(), __c11_atomic_load(object, order))
#define atomic_store_explicit(object, value, order) \
	(sim_atomic_point(), __c11_atomic_store(object, value, order))
#define atomic_exchange_explicit(object, value, order) \
	(sim_atomic_point(), __c11_atomic_exchange(object, value, order))
#define atomic_compare_exchange_strong_explicit(object, expected, value, yes, no) \
	(sim_atomic_point(), __c11_atomic_compare_exchange_strong(object, expected, value, yes, no))
#define atomic_compare_exchange_weak_explicit(object, expected, value, yes, no) \
	(sim_atomic_point(), __c11_atomic_compare_exchange_weak(object, expected, value, yes, no))
#define atomic_fetch_add_explicit(object, value, order) \
	(sim_atomic_point(), __c11_atomic_fetch_add(object, value, order))
#define atomic_fetch_sub_explicit(object, value, order) \
	(sim_atomic_point(), __c11_atomic_fetch_sub(object, value, order))
#define atomic_fetch_or_explicit(object, value, order) \
	(sim_atomic_point(), __c11_atomic_fetch_or(object, value, order))
#define atomic_fetch_and_explicit(object, value, order) \
	(sim_atomic_point(), __c11_atomic_fetch_and(object, value, order))

#define atomic_load(object)            atomic_load_explicit(object, memory_order_seq_cst)
#define atomic_store(object, value)    atomic_store_explicit(object, value, memory_order_seq_cst)
#define atomic_exchange(object, value) atomic_exchange_explicit(object, value, memory_order_seq_cst)
#define atomic_compare_exchange_strong(object, expected, value) \
	atomic_compare_exchange_strong_explicit( \
		object, expected, value, memory_order_seq_cst, memory_order_seq_cst)
#define atomic_compare_exchange_weak(object, expected, value) \
	atomic_compare_exchange_weak_explicit( \
		object, expected, value, memory_order_seq_cst, memory_order_seq_cst)
#define atomic_fetch_add(object, value) \
	atomic_fetch_add_explicit(object, value, memory_order_seq_cst)
#define atomic_fetch_sub(object, value) \
	atomic_fetch_sub_explicit(object, value, memory_order_seq_cst)
#define atomic_fetch_or(object, value) atomic_fetch_or_explicit(object, value, memory_order_seq_cst)
#define atomic_fetch_and(object, value) \
	atomic_fetch_and_explicit(object, value, memory_order_seq_cst)

#endif
#endif
