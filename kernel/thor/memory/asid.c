/* SPDX-License-Identifier: MIT */
/* Address-space identifiers: see asid.h. */
#include <thor/memory/asid.h>

constexpr unsigned ASID_FLUSH_BITS = 24;
constexpr uint64_t ASID_FLUSHES_END = (uint64_t)1 << (ASID_FLUSH_BITS - 1);

static _Atomic uint64_t asid_n_stamps; /* that were given out; 2^40 are not used up */

/* A number that no stamp has. */
static uint64_t asid_take_number(void)
{
	return 1 + atomic_fetch_add_explicit(&asid_n_stamps, 1, memory_order_relaxed);
}

void asid_begin(uint32_t *out_asid, _Atomic uint64_t *stamp)
{
	uint64_t number = asid_take_number();

	*out_asid = 1 + (uint32_t)(number % (ARCH_ASIDS - 1));
	atomic_init(stamp, number << ASID_FLUSH_BITS);
}

uint64_t asid_flush(_Atomic uint64_t *stamp)
{
	uint64_t mine = 1 + atomic_fetch_add_explicit(stamp, 1, memory_order_seq_cst);
	uint64_t current = mine;

	if (likely((mine & ASID_FLUSHES_END) == 0)) {
		return mine;
	}
	uint64_t renewed = asid_take_number() << ASID_FLUSH_BITS;

	while ((current & ASID_FLUSHES_END) != 0) {
		if (atomic_compare_exchange_strong_explicit(
			    stamp, &current, renewed, memory_order_seq_cst, memory_order_seq_cst)) {
			return renewed;
		}
	}
	/* Another CPU has renewed it. */
	return 1 + atomic_fetch_add_explicit(stamp, 1, memory_order_seq_cst);
}
