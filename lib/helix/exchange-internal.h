/* SPDX-License-Identifier: MIT */
/* What an exchange and its rounds (listener.c) share. */
#ifndef HELIX_EXCHANGE_INTERNAL_H
#define HELIX_EXCHANGE_INTERNAL_H

#include <helix/exchange.h>

/** helix_exchange__submit() - reserve and fill in the record; false: no room */
MUST_USE bool helix_exchange__submit(const struct helix_exchange *exchange,
	struct hel_queue_client *queue, uint64_t context, uint32_t flags);

/** helix_exchange__take() - its results are in @element from now on; 0 or the first error */
MUST_USE int helix_exchange__take(
	struct helix_exchange *exchange, const struct hel_element *element);

#endif
