/* SPDX-License-Identifier: MIT */
/* What players give to their calls: see player.h. */
#include "player-internal.h"

#include <base/string.h>

/*
 * What the arguments of a call are, a letter for each. Handles: u universe, s space, m memory, t
 * thread, q queue, l lane, e event, i irq, o io, d dma-space, g grant, k kernlet, K bound kernlet,
 * A authority, h any. Numbers: a address in the arena, b buffer there, p whole pages, P a power of
 * two of them, n bytes, z small, D deadline. Structures (player__draw_record()): r, and R, where
 * two handles come back.
 */
#define SHAPE(name_, shape_) [HEL_CALL_##name_ & ~HEL_CALL_BASE] = (shape_)
static const char *const shapes[] = {
	SHAPE(log, "Azbn"),
	SHAPE(close, "uh"),
	SHAPE(transfer, "uhuz"),
	SHAPE(descriptor_info, "uhr"),
	SHAPE(memory_allocate, "pz"),
	SHAPE(memory_physical, "A*pz"),
	SHAPE(memory_copy_on_write, "mpp"),
	SHAPE(memory_resize, "mp"),
	SHAPE(memory_info, "mr"),
	SHAPE(memory_read, "mnbn"),
	SHAPE(memory_write, "mnbn"),
	SHAPE(memory_pin, "mpp"),
	SHAPE(space_map, "r"),
	SHAPE(space_unmap, "sap"),
	SHAPE(space_protect, "sapz"),
	SHAPE(space_create, "u"),
	SHAPE(space_fork, "su"),
	SHAPE(space_read, "sbbn"),
	SHAPE(space_write, "sbbn"),
	SHAPE(space_query, "sar"),
	SHAPE(space_discard, "sap"),
	SHAPE(space_move, "sapap"),
	SHAPE(thread_create, "r"),
	SHAPE(thread_start, "t"),
	SHAPE(thread_kill, "t"),
	SHAPE(thread_kick, "t"),
	SHAPE(thread_resume, "t"),
	SHAPE(thread_interrupt, "t"),
	SHAPE(thread_read_registers, "tzbn"),
	SHAPE(thread_write_registers, "tzbn"),
	SHAPE(thread_stats, "tr"),
	SHAPE(thread_set_priority, "tz"),
	SHAPE(thread_set_affinity, "tz"),
	SHAPE(thread_set_weight, "tz"),
	SHAPE(queue_create, "r"),
	SHAPE(drive, "qzzD"),
	SHAPE(queue_alert, "q"),
	SHAPE(stream_create, "R"),
	SHAPE(lane_shutdown, "l"),
	SHAPE(event_create, "z"),
	SHAPE(event_raise, "ez"),
	SHAPE(irq_create_msi, "Ar"),
	SHAPE(irq_acknowledge, "izz"),
	SHAPE(irq_create_line, "Azz"),
	SHAPE(irq_set_affinity, "izr"),
	SHAPE(irq_settle, "i"),
	SHAPE(irq_info, "ir"),
	SHAPE(memory_create_managed, "pzR"),
	SHAPE(memory_update, "mzppz"),
	SHAPE(memory_invalidate, "mpp"),
	SHAPE(memory_advise, "mzpp"),
	SHAPE(dma_map, "r"),
	SHAPE(dma_unmap, "dap"),
	SHAPE(dma_space_info, "dr"),
	SHAPE(dma_space_event, "d"),
	SHAPE(dma_space_attach, "Adz"),
	SHAPE(dma_space_detach, "Adz"),
	SHAPE(futex_wait, "bzDz"),
	SHAPE(futex_wake, "bzz"),
	SHAPE(futex_requeue, "bbzzz"),
	SHAPE(random, "bn"),
	SHAPE(clock_set_realtime, "A*"),
	SHAPE(io_create, "Azz"),
	SHAPE(io_read, "ozz"),
	SHAPE(io_write, "ozzz"),
	SHAPE(kernel_stats, "Ar"),
	SHAPE(log_read, "Arbn"),
	SHAPE(memory_unlock, "mppz"),
	SHAPE(memory_slice, "mpp"),
	SHAPE(memory_indirect_create, "zPzz"),
	SHAPE(memory_indirect_set, "mzmpp"),
	SHAPE(space_populate, "sapz"),
	SHAPE(space_lend, "sap"),
	SHAPE(universe_set_limits, "ur"),
	SHAPE(universe_account, "ur"),
	SHAPE(grant_create, "ghzzR"),
	SHAPE(grant_revoke, "g"),
	SHAPE(kernlet_create, "rn"),
	SHAPE(kernlet_bind, "krn"),
	SHAPE(irq_attach_kernlet, "iK"),
	SHAPE(irq_detach_kernlet, "K"),
	SHAPE(trace_control, "Azzz"),
	SHAPE(trace_ring, "Az"),
	SHAPE(thread_step, "t"),
};
#undef SHAPE

const char *player__shape_of(uint32_t number)
{
	uint32_t index = number & ~HEL_CALL_BASE;

	return index < ARRAY_SIZE(shapes) && shapes[index] != NULL ? shapes[index] : "";
}

/* ---- what it draws --------------------------------------------------------------------------- */

/* A number below @bound, at most 256. */
uint32_t player__draw(struct player *player, uint32_t bound)
{
	return player->draw(player->source) % bound;
}

hel_handle player__pick(struct player *player, uint32_t type)
{
	return player->pool[type][player__draw(player, PLAYER_SLOTS)];
}

static bool is_queue_of(const struct player *player, hel_handle handle)
{
	return player != NULL && (uint32_t)handle == (uint32_t)player->queue.handle;
}

/* Not a queue that somebody plays with: what was submitted could not be counted. */
static hel_handle handle_if_allowed(const struct player *player, hel_handle handle)
{
	bool is_allowed = !is_queue_of(player, handle);

	for (uint32_t i = 0; i < PLAYER_PEERS_MAX; i++) {
		is_allowed = is_allowed && !is_queue_of(player->peers[i], handle);
	}
	return is_allowed ? handle : HEL_NULL;
}

static hel_handle draw_handle(struct player *player, uint32_t type)
{
	hel_handle handle = player__pick(player, type);

	switch (player__draw(player, 32)) {
	case 0: return handle_if_allowed(player, handle + ((uint64_t)1 << 32)); /* stale, to come */
	case 1: return handle_if_allowed(player, handle + 1);
	case 2: return HEL_NULL;
	case 3: return player__pick(player, player__draw(player, PLAYER_TYPES));
	case 4: return HEL_THIS;
	default: break;
	}
	/* Most of what happens to universes and spaces should happen to the player's. */
	bool is_own = (type == HEL_TYPE_UNIVERSE || type == HEL_TYPE_SPACE) &&
		player__draw(player, 2) == 0;

	return is_own ? HEL_THIS : handle;
}

uint64_t player__draw_pages(struct player *player)
{
	switch (player__draw(player, 16)) {
	case 0: return 0;
	case 1: return player__draw(player, 256); /* not whole */
	case 2: return (uint64_t)1 << 47;
	case 3: return ~(uint64_t)0 - player__draw(player, 2) * (HEL_PAGE_SIZE - 1);
	default: return player__draw(player, 64) * HEL_PAGE_SIZE;
	}
}

uint64_t player__draw_bytes(struct player *player)
{
	switch (player__draw(player, 8)) {
	case 0: return player__draw_pages(player);
	case 1: return player__draw(player, 16) * HEL_PAGE_SIZE + player__draw(player, 256);
	case 2: return sizeof(struct hel_registers);
	default: return player__draw(player, 256);
	}
}

static uint64_t draw_address(struct player *player)
{
	switch (player__draw(player, 16)) {
	case 0: return 0;
	case 1: return 0xffff'8000'0000'0000 + player__draw(player, 256) * HEL_PAGE_SIZE;
	case 2: return ~(uint64_t)0 - player__draw(player, 256);
	case 3: return ((uint64_t)1 << 47) - player__draw(player, 3) * HEL_PAGE_SIZE;
	case 4: return (uint64_t)1 << 63;
	default: return player->arena + player__draw(player, 128) * HEL_PAGE_SIZE;
	}
}

/* Often over the edge of a page. */
uint64_t player__draw_buffer(struct player *player)
{
	uint64_t address = draw_address(player);

	return player__draw(player, 2) == 0 ? address + player__draw(player, 16) * 8
					    : address - player__draw(player, 16);
}

uint64_t player__draw_small(struct player *player)
{
	uint32_t byte = player__draw(player, 256);

	switch (player__draw(player, 8)) {
	case 0: return ~(uint64_t)byte;
	case 1: return (uint64_t)byte << 4;
	case 2: return (uint64_t)1 << byte % 64;
	default: return byte % 16;
	}
}

uint64_t player__now_ns(void)
{
	uint64_t time_ns = 0;

	(void)hel_clock_get(&time_ns);
	return time_ns;
}

uint64_t player__draw_deadline(struct player *player)
{
	return player__draw(player, 2) == 0 ? player__draw(player, 2)
					    : player__now_ns() + player__draw(player, 256) * 100;
}

static uint64_t draw_anything(struct player *player)
{
	switch (player__draw(player, 8)) {
	case 0:
	case 1:
	case 2: return draw_handle(player, player__draw(player, PLAYER_TYPES));
	case 3: return draw_address(player);
	case 4: return player__draw_buffer(player);
	case 5: return player__draw_pages(player);
	default: return player__draw_small(player);
	}
}

uint64_t player__draw_kind(struct player *player, char kind)
{
	if (player__draw(player, 32) == 0) {
		return draw_anything(player);
	}
	switch (kind) {
	case 'u': return draw_handle(player, HEL_TYPE_UNIVERSE);
	case 's': return draw_handle(player, HEL_TYPE_SPACE);
	case 'm': return draw_handle(player, HEL_TYPE_MEMORY);
	case 't': return draw_handle(player, HEL_TYPE_THREAD);
	case 'q': return draw_handle(player, HEL_TYPE_QUEUE);
	case 'l': return draw_handle(player, HEL_TYPE_LANE);
	case 'e': return draw_handle(player, HEL_TYPE_EVENT);
	case 'i': return draw_handle(player, HEL_TYPE_IRQ);
	case 'o': return draw_handle(player, HEL_TYPE_IO);
	case 'd': return draw_handle(player, HEL_TYPE_DMA_SPACE);
	case 'g': return draw_handle(player, HEL_TYPE_GRANT);
	case 'k': return draw_handle(player, HEL_TYPE_KERNLET);
	case 'K': return draw_handle(player, HEL_TYPE_BOUND_KERNLET);
	case 'A': return draw_handle(player, HEL_TYPE_AUTHORITY);
	case 'h': return draw_handle(player, player__draw(player, PLAYER_TYPES));
	case 'a': return draw_address(player);
	case 'b': return player__draw_buffer(player);
	case 'p': return player__draw_pages(player);
	case 'P': return HEL_PAGE_SIZE << player__draw(player, 8);
	case 'n': return player__draw_bytes(player);
	case 'z': return player__draw_small(player);
	case 'D': return player__draw_deadline(player);
	default: return draw_anything(player);
	}
}

/* ---- structures ------------------------------------------------------------------------------ */

static void draw_map(struct player *player, struct hel_map_args *out_args)
{
	*out_args = (struct hel_map_args){
		.space = player__draw_kind(player, 's'),
		.memory = player__draw(player, 4) == 0 ? player__pick(player, HEL_TYPE_QUEUE)
						       : player__draw_kind(player, 'm'),
		.address = draw_address(player),
		.size_bytes = player__draw_pages(player),
		.offset = player__draw(player, 2) == 0 ? 0 : player__draw_pages(player),
		.flags = player__draw(player, 256),
		.tag = player__draw(player, 4),
		.limit_low = player->arena,
		.limit_high = player->arena + 256 * HEL_PAGE_SIZE,
	};
	if (player__draw(player, 4) != 0) {
		out_args->flags &= ~(uint32_t)(HEL_MAP_FORK_DROP | HEL_MAP_GUARD);
		out_args->flags |= HEL_MAP_READ | HEL_MAP_WRITE;
	}
	if (player__draw(player, 32) == 0) {
		out_args->reserved = 1;
	}
}

static void draw_thread(struct player *player, struct hel_thread_args *out_args)
{
	*out_args = (struct hel_thread_args){
		.universe = player__pick(player, HEL_TYPE_UNIVERSE),
		.space = player__draw_kind(player, 's'),
		.ip = player__draw_buffer(player),
		.sp = player__draw_buffer(player),
		.flags = player__draw(player, 16) == 0 ? player__draw(player, 4) : 0,
	};
	if (player__draw(player, 4) != 0) {
		player->aim_thread(player, out_args);
	}
	if (player__draw(player, 4) == 0) {
		out_args->bounce_page = player__draw_kind(player, 'm');
		out_args->bounce_address = draw_address(player);
		out_args->bounce = player__draw_buffer(player);
	}
}

void player__draw_words(struct player *player, uint64_t *words, uint32_t n_words)
{
	for (uint32_t i = 0; i < n_words; i++) {
		words[i] = draw_anything(player);
	}
}

/* Code that the kernel has to look at; as a rule it is nonsense behind the header. */
static void draw_kernlet(struct player *player, struct hel_kernlet_header *out_header)
{
	uint32_t n_bindings = player__draw(player, 3);

	*out_header = (struct hel_kernlet_header){
		.magic = HEL_KERNLET_MAGIC,
		.version = HEL_KERNLET_VERSION,
		.arch = HEL_KERNLET_X86_64,
		.code_size = player__draw(player, 64),
		.frame_size = player__draw(player, 4) * 8,
		.n_bindings = n_bindings,
	};
	player__draw_words(player, (uint64_t *)(out_header + 1), 16);
}

void player__draw_record(struct player *player, uint32_t number, union player_record *out_record)
{
	memset(out_record, 0, sizeof(*out_record));
	switch (number) {
	case HEL_CALL_space_map: draw_map(player, &out_record->map); break;
	case HEL_CALL_thread_create: draw_thread(player, &out_record->thread); break;
	case HEL_CALL_queue_create:
		out_record->queue = (struct hel_queue_params){
			.n_chunks = player__draw(player, 8),
			.chunk_size = player__draw(player, 8) * 1024,
			.submit_size =
				player__draw(player, 8) == 0 ? player__draw(player, 256) : 1024,
		};
		break;
	case HEL_CALL_dma_map: player__draw_words(player, out_record->words, 8); break;
	case HEL_CALL_kernlet_create: draw_kernlet(player, &out_record->kernlet); break;
	case HEL_CALL_kernlet_bind:
		out_record->words[0] = player__draw_kind(player, 'm');
		out_record->words[1] = player__draw_small(player);
		break;
	case HEL_CALL_universe_set_limits:
		for (uint32_t i = 0; i < sizeof(struct hel_limits) / 8; i++) {
			out_record->words[i] = player__draw(player, 2) == 0
				? HEL_UNLIMITED
				: (uint64_t)player__draw(player, 256) << player__draw(player, 16);
		}
		break;
	case HEL_CALL_log_read: out_record->words[0] = player__draw_small(player); break;
	default: break;
	}
}
