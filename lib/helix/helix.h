/* SPDX-License-Identifier: MIT */
/*
 * helix: the runtime of native programs.
 *
 *	start.h     arguments and handles          log.h        one line to the kernel's log
 *	memory.h    malloc, mapping                loop.h       lib/async's loop over a queue
 *	exchange.h  actions on a lane              await.h      events, interrupts, clock, threads
 *	call.h      request and reply as one expression
 */
#ifndef HELIX_HELIX_H
#define HELIX_HELIX_H

#include <helix/await.h>
#include <helix/call.h>
#include <helix/exchange.h>
#include <helix/listener.h>
#include <helix/log.h>
#include <helix/loop.h>
#include <helix/memory.h>
#include <helix/start.h>

#endif
