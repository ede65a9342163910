/* SPDX-License-Identifier: MIT */
/*
 * Memory that is held by queues of sockets.
 *
 * Each socket limits what lies in its own queue, but a user can have many sockets, and what has
 * been sent stays when the sender is gone. So what queues hold is counted for each user, by the
 * account of who pays, and for the machine. Beyond either limit a queue only grows while it holds
 * less than SOCKET_MEMORY_SURE, so every stream still gets through: its reader makes room.
 *
 * Who pays: AF_UNIX: who sends. AF_INET: who has the socket that receives. A connection that
 * nobody has accepted: who called, also for the connection itself, of which he can have more than
 * descriptors.
 */
#ifndef POSIX_SOCKET_MEMORY_H
#define POSIX_SOCKET_MEMORY_H

#include <posix/server/process/account.h>

/* What a socket with a descriptor may hold in any case. */
constexpr uint64_t SOCKET_MEMORY_SURE = 4096;
/* What a connection counts for that nobody has accepted. */
constexpr uint64_t SOCKET_MEMORY_CHILD = 1024;

struct socket_memory {
	struct account *account; /* referenced */
	uint64_t n_bytes;
};

/** socket_memory_init() - for a user; -LINUX_ENOMEM */
int64_t socket_memory_init(struct socket_memory *memory, uint32_t uid);
/** socket_memory_deinit() - nothing is held any more */
void socket_memory_deinit(struct socket_memory *memory);
/** socket_memory_set() - so much is held now */
void socket_memory_set(struct socket_memory *memory, uint64_t n_bytes);
/** socket_memory_move() - from now on @account pays */
void socket_memory_move(struct socket_memory *memory, struct account *account);
/**
 * socket_memory_room() - by how much it may grow
 * @is_sure: it has a descriptor, so it has SOCKET_MEMORY_SURE
 */
uint64_t socket_memory_room(const struct socket_memory *memory, bool is_sure);
/** socket_memory_total() - what all hold */
uint64_t socket_memory_total(void);

#endif
