/* SPDX-License-Identifier: MIT */
/* Memory that is held by queues of sockets: who pays, and how much there may be. See memory.h. */
#include <abi/linux/errno.h>
#include <base/types.h>
#include <posix/server/socket/memory.h>
#include <posix/server/time/time.h>

/* Parts of the machine's memory: what all may hold, what one user may who is not root. */
constexpr uint64_t MACHINE_PART = 4, USER_PART = 16;
constexpr uint64_t MACHINE_MIN = MIB(8);

static uint64_t n_all;

static uint64_t machine_limit(void)
{
	static uint64_t limit;
	struct hel_kernel_stats stats;

	if (limit == 0) {
		uint64_t total = kernel_stats_get(&stats) == 0 ? stats.memory_total_bytes : 0;

		limit = max_u64(total / MACHINE_PART, MACHINE_MIN);
	}
	return limit;
}

int64_t socket_memory_init(struct socket_memory *memory, uint32_t uid)
{
	*memory = (struct socket_memory){ .account = account_get(uid) };
	return memory->account == NULL ? -LINUX_ENOMEM : 0;
}

void socket_memory_deinit(struct socket_memory *memory)
{
	socket_memory_set(memory, 0);
	account_unref(memory->account);
	memory->account = NULL;
}

void socket_memory_set(struct socket_memory *memory, uint64_t n_bytes)
{
	/* both may go down: the differences are right, whatever the order */
	n_all += n_bytes - memory->n_bytes;
	memory->account->n[ACCOUNT_SOCKET_BYTES] += n_bytes - memory->n_bytes;
	memory->n_bytes = n_bytes;
}

void socket_memory_move(struct socket_memory *memory, struct account *account)
{
	uint64_t n_bytes = memory->n_bytes;

	account_ref(account);
	socket_memory_deinit(memory);
	memory->account = account;
	socket_memory_set(memory, n_bytes);
}

static uint64_t room_below(uint64_t limit, uint64_t n)
{
	return n < limit ? limit - n : 0;
}

uint64_t socket_memory_room(const struct socket_memory *memory, bool is_sure)
{
	const struct account *account = memory->account;
	uint64_t limit = machine_limit();
	uint64_t room = room_below(limit, n_all);

	if (account->uid != 0) {
		room = min_u64(room,
			room_below(limit / (USER_PART / MACHINE_PART),
				account->n[ACCOUNT_SOCKET_BYTES]));
	}
	return is_sure ? max_u64(room, room_below(SOCKET_MEMORY_SURE, memory->n_bytes)) : room;
}

uint64_t socket_memory_total(void)
{
	return n_all;
}
