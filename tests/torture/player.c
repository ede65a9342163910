/* SPDX-License-Identifier: MIT */
/* Arbitrary hel calls: see player.h. */
#include "player-internal.h"

#include <base/string.h>

constexpr uint32_t CHUNKS = 8;
constexpr uint32_t CHUNK_BYTES = 16384;
constexpr uint32_t RING_BYTES = 8192;
constexpr uint32_t ARGUMENTS_MAX = 5; /* that a hel call takes */
constexpr uint32_t OPCODES = 40;      /* with some that are unknown */
constexpr uint32_t ACTIONS_MAX = 4;   /* of an exchange */
constexpr uint32_t WORDS_MAX = 24;    /* of a record */
constexpr uint64_t WAIT_MAX_NS = 100'000;
constexpr uint32_t YIELDS_MAX = 10000; /* until the peers have begun */
constexpr uint32_t DRIVES_MAX = 1000; /* until everything has completed */

static const struct {
	uint32_t number;
	uint8_t n_arguments;
} calls[] = {
#define HEL_CALL(number_, name_, n_arguments_) \
	{ .number = HEL_CALL_##name_, .n_arguments = (n_arguments_) },
#include <abi/hel/calls.gen.h>
#undef HEL_CALL
};

/* ---- the pool -------------------------------------------------------------------------------- */

void player_adopt(struct player *player, hel_handle handle)
{
	struct hel_descriptor_info info;

	if (handle == HEL_NULL || handle == player->queue.handle ||
		hel_descriptor_info(HEL_THIS, handle, &info) != 0 || info.type >= PLAYER_TYPES) {
		return;
	}
	hel_handle *slot = &player->pool[info.type][player__draw(player, PLAYER_SLOTS)];
	hel_handle old = *slot;

	if (old != handle) {
		*slot = handle;
		if (info.type == HEL_TYPE_THREAD) {
			(void)hel_thread_kill(old);
		}
		(void)hel_close(HEL_THIS, old);
	}
}

/* See player.h: no universe may come to hold itself. */
static bool transfer_is_allowed(struct player *player, const uint64_t *arguments)
{
	struct hel_descriptor_info info;

	return arguments[2] == HEL_THIS ||
		hel_descriptor_info(arguments[0], arguments[1], &info) != 0 ||
		(info.type != HEL_TYPE_UNIVERSE && info.type != HEL_TYPE_THREAD &&
			arguments[1] != player->queue.handle);
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* The arguments of a call, with structures in @record. */
static void draw_arguments(
	struct player *player, uint32_t index, union player_record *record, uint64_t *out_arguments)
{
	const char *shape = player__shape_of(calls[index].number);

	for (uint32_t i = 0; i < calls[index].n_arguments && i < ARGUMENTS_MAX; i++) {
		char kind = *shape != 0 ? *shape++ : '*';

		if ((kind == 'r' || kind == 'R') && player__draw(player, 32) != 0) {
			player__draw_record(player, calls[index].number, record);
			out_arguments[i] = (uint64_t)record;
		} else {
			out_arguments[i] = player__draw_kind(player, kind);
		}
		if (kind == 'D') {
			/* Not without an end: nobody would wake it. */
			out_arguments[i] =
				min_u64(out_arguments[i], player__now_ns() + WAIT_MAX_NS);
		}
	}
}

static bool call_is_allowed(struct player *player, uint32_t number, const uint64_t *arguments)
{
	if (number == HEL_CALL_thread_exit) {
		return player__draw(player, 64) == 0;
	}
	if (number == HEL_CALL_close && arguments[0] == HEL_THIS) {
		/* Nobody could end a thread that runs on without a descriptor. */
		(void)hel_thread_kill(arguments[1]);
	}
	return number != HEL_CALL_transfer || transfer_is_allowed(player, arguments);
}

/* What a call has returned goes into the pool. */
static void take_results(
	struct player *player, uint32_t number, const union player_record *record, uint64_t value)
{
	if (number == HEL_CALL_thread_create && record->thread.bounce != 0) {
		/* Its entries are anywhere, where it would fault for ever. */
		(void)hel_thread_kill(value);
	}
	player_adopt(player, value);
	if (strchr(player__shape_of(number), 'R') != NULL) {
		player_adopt(player, record->lanes.lane[0]);
		player_adopt(player, record->lanes.lane[1]);
	}
}

static void make_call(struct player *player)
{
	uint32_t index = player__draw(player, ARRAY_SIZE(calls));
	uint32_t number = calls[index].number;
	uint64_t arguments[ARGUMENTS_MAX] = {};
	union player_record record = {};

	draw_arguments(player, index, &record, arguments);
	if (!call_is_allowed(player, number, arguments)) {
		return;
	}
	player->n_calls++;
	player->last_call[0] = number & ~HEL_CALL_BASE;
	memcpy(&player->last_call[1], arguments, sizeof(arguments));
	struct hel_outcome outcome = hel_call5(
		number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);

	if (outcome.error == 0) {
		take_results(player, number, &record, outcome.value);
	}
}

/* So that calls that read structures find something in the arena. */
static void write_arena(struct player *player)
{
	uint64_t address = player->arena + player__draw(player, 128) * HEL_PAGE_SIZE;
	uint64_t words[16];
	size_t size;

	player__draw_words(player, words, ARRAY_SIZE(words));
	(void)!hel_space_write(HEL_THIS, address, words, sizeof(words), &size);
}

/* ---- submissions ----------------------------------------------------------------------------- */

static void draw_action(struct player *player, struct hel_action *out_action)
{
	*out_action = (struct hel_action){
		.type = (uint16_t)player__draw(player, 16),
		.flags = (uint16_t)(player__draw(player, 8) & 3),
		.address = player__draw_buffer(player),
		.length = player__draw_bytes(player),
	};
	if (out_action->type == HEL_ACTION_PUSH) {
		out_action->handle = player__draw_kind(player, 'h');
		out_action->length = player__draw(player, 4) == 0 ? player__draw_small(player) : 0;
	} else if (out_action->type == HEL_ACTION_IMBUE_CREDENTIALS) {
		out_action->handle =
			player__draw_kind(player, player__draw(player, 2) == 0 ? 'h' : '*');
	}
}

/* Make an exchange one of those that have a short way. */
static void draw_shape(struct player *player, struct hel_exchange_record *exchange)
{
	struct hel_action *actions = exchange->actions;

	for (uint32_t i = 0; i < 3; i++) {
		draw_action(player, &actions[i]);
		actions[i].flags = i == 0 ? 0 : HEL_ACTION_ANCILLARY;
		actions[i].length = player__draw(player, 100);
	}
	switch (player__draw(player, 4)) {
	case 0:
		actions[0].type = HEL_ACTION_RECEIVE_INLINE;
		exchange->n_actions = 1;
		exchange->flags = HEL_EXCHANGE_REPEAT;
		break;
	case 1:
		actions[0].type = HEL_ACTION_ACCEPT;
		actions[0].flags = HEL_ACTION_WANT_LANE;
		actions[1].type = HEL_ACTION_RECEIVE_INLINE;
		exchange->n_actions = 2;
		exchange->flags = HEL_EXCHANGE_REPEAT;
		break;
	case 2:
		actions[0].type = HEL_ACTION_OFFER;
		actions[1].type = HEL_ACTION_SEND;
		actions[2].type = HEL_ACTION_RECEIVE_INLINE;
		exchange->n_actions = 3;
		exchange->flags = 0;
		break;
	default:
		actions[0].type = HEL_ACTION_SEND;
		exchange->n_actions = 1;
		exchange->flags = HEL_EXCHANGE_QUIET | player__draw(player, 2);
	}
}

/* An exchange that is well-formed; the size. */
static uint32_t draw_exchange(struct player *player, struct hel_exchange_record *exchange)
{
	constexpr uint32_t shape_every = 3;

	exchange->lane = player__draw_kind(player, 'l');
	exchange->n_actions = player__draw(player, ACTIONS_MAX) + 1;
	exchange->flags = player__draw(player, 4) == 0 ? player__draw(player, 9) : 0;
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		draw_action(player, &exchange->actions[i]);
	}
	if (player__draw(player, shape_every) == 0) {
		draw_shape(player, exchange);
	}
	return (uint32_t)(sizeof(*exchange) + exchange->n_actions * sizeof(exchange->actions[0]));
}

/* Room for any record that is drawn. */
union submission {
	struct hel_record header;
	struct hel_exchange_record exchange;
	struct hel_await_event_record event;
	struct hel_await_clock_record clock;
	struct hel_observe_record observe;
	struct hel_manage_record manage;
	struct hel_fence_record fence;
	struct hel_lock_record lock;
	struct hel_alert_record alert;
	uint64_t words[WORDS_MAX];
};

/* A record of an operation that this file knows; the size. */
static uint32_t draw_known(struct player *player, uint32_t *out_opcode, union submission *record)
{
	switch (player__draw(player, 14)) {
	case 0: *out_opcode = HEL_SUBMIT_NOP; return sizeof(record->header);
	case 1:
		*out_opcode = HEL_SUBMIT_AWAIT_EVENT;
		record->event.event =
			player__draw_kind(player, player__draw(player, 4) == 0 ? 'i' : 'e');
		record->event.sequence = player__draw(player, 4);
		return sizeof(record->event);
	case 2:
		*out_opcode = HEL_SUBMIT_AWAIT_CLOCK;
		record->clock.deadline_ns = player__draw_deadline(player);
		return sizeof(record->clock);
	case 3:
		*out_opcode = HEL_SUBMIT_OBSERVE;
		record->observe.thread = player__draw_kind(player, 't');
		record->observe.sequence = player__draw(player, 4);
		return sizeof(record->observe);
	case 4:
		*out_opcode = HEL_SUBMIT_MANAGE;
		record->manage.backing = player__draw_kind(player, 'm');
		return sizeof(record->manage);
	case 5:
		*out_opcode = HEL_SUBMIT_FENCE;
		record->fence.frontal = player__draw_kind(player, 'm');
		record->fence.offset = player__draw_pages(player);
		record->fence.length = player__draw_pages(player);
		return sizeof(record->fence);
	case 6:
		*out_opcode = HEL_SUBMIT_LOCK_MEMORY;
		record->lock.memory = player__draw_kind(player, 'm');
		record->lock.offset = player__draw_pages(player);
		record->lock.length = player__draw_pages(player);
		record->lock.flags = player__draw(player, 4);
		return sizeof(record->lock);
	case 7: *out_opcode = HEL_SUBMIT_AWAIT_ENDS; return sizeof(record->header);
	case 8:
		*out_opcode = HEL_SUBMIT_ALERT;
		record->alert.queue = player__draw_kind(player, 'q');
		return sizeof(record->alert);
	default: *out_opcode = HEL_SUBMIT_EXCHANGE; return draw_exchange(player, &record->exchange);
	}
}

/* Into the ring; false: it is full. */
static bool put_record(
	struct player *player, uint32_t opcode, const union submission *record, uint32_t size)
{
	struct hel_record *target = player->n_records < PLAYER_RECORDS_MAX
		? hel_queue_reserve(&player->queue, opcode, size, player->n_records + 1)
		: NULL;

	if (target == NULL) {
		return false;
	}
	memcpy(target + 1, &record->header + 1, size - sizeof(*target));
	hel_queue_commit(&player->queue);
	player->n_records++;
	player->may_be_quiet[player->n_records] = opcode == HEL_SUBMIT_ALERT ||
		(opcode == HEL_SUBMIT_EXCHANGE &&
			(record->exchange.flags & HEL_EXCHANGE_QUIET) != 0);
	return true;
}

static void submit(struct player *player)
{
	union submission record;
	uint32_t opcode;
	uint32_t size = draw_known(player, &opcode, &record);

	(void)put_record(player, opcode, &record, size);
}

/* Anything: thor may find the queue corrupt, and then drops what it has not taken. */
static void submit_unknown(struct player *player)
{
	union submission record;
	uint32_t opcode = player__draw(player, OPCODES);
	uint32_t n_words = player__draw(player, 12);

	if (opcode == HEL_SUBMIT_PAD || opcode == HEL_SUBMIT_CANCEL ||
		hel_drive(player->queue.handle, 0, 0, 0, NULL) != 0) {
		return;
	}
	player__draw_words(player, (uint64_t *)(&record.header + 1), n_words);
	uint32_t size = (uint32_t)(sizeof(record.header) + n_words * sizeof(uint64_t));

	if (put_record(player, opcode, &record, size) &&
		hel_drive(player->queue.handle, 0, 0, 0, NULL) == -ERR_QUEUE_CORRUPT) {
		player->n_records--;
	}
}

static bool submit_cancel(struct player *player, uint64_t context)
{
	if (hel_queue_reserve(&player->queue, HEL_SUBMIT_CANCEL, sizeof(struct hel_cancel_record),
		    context) == NULL) {
		return false;
	}
	hel_queue_commit(&player->queue);
	return true;
}

static void adopt_results(struct player *player, const struct hel_element *element)
{
	struct hel_results results = hel_results_begin(element);
	const struct hel_result *result;

	while ((result = hel_results_next(&results)) != NULL) {
		if (result->error == 0) {
			player_adopt(player, result->value);
		}
	}
}

static void take_completions(struct player *player)
{
	const struct hel_element *element;

	while ((element = hel_queue_take(&player->queue)) != NULL) {
		if (element->context <= PLAYER_RECORDS_MAX &&
			(element->flags & HEL_ELEMENT_MORE) == 0 &&
			player->n_completions[element->context] < 2) {
			player->n_completions[element->context]++;
		}
		if (element->opcode == HEL_SUBMIT_EXCHANGE && element->error == 0) {
			adopt_results(player, element);
		}
		hel_queue_release(&player->queue, element);
	}
}

static void drive(struct player *player)
{
	uint32_t flags = player__draw(player, 4) == 0 ? HEL_DRIVE_WAIT : 0;

	player->n_calls++;
	(void)hel_drive(player->queue.handle, flags, player->queue.n_taken,
		player__draw_deadline(player), NULL);
	take_completions(player);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int open_queue(struct player *player)
{
	struct hel_queue_params params = {
		.n_chunks = CHUNKS,
		.chunk_size = CHUNK_BYTES,
		.submit_size = RING_BYTES,
	};
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = hel_queue_memory_size(&params),
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t address;
	int error = hel_queue_create(&params, &args.memory);

	if (error == 0) {
		error = hel_space_map(&args, &address);
	}
	if (error == 0) {
		void *view = player->view_queue != NULL
			? player->view_queue(address, args.size_bytes / HEL_PAGE_SIZE)
			: (void *)address;

		hel_queue_client_init(&player->queue, args.memory, view, &params);
	}
	return error;
}

static void make_objects(struct player *player)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.address = player->arena,
		.size_bytes = 64 * HEL_PAGE_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY | HEL_MAP_FIXED,
	};
	struct hel_stream_lanes lanes;
	hel_handle handle;
	uint64_t address;

	(void)!hel_space_map(&args, &address);
	if (hel_stream_create(&lanes) == 0) {
		player_adopt(player, lanes.lane[0]);
		player_adopt(player, lanes.lane[1]);
	}
	if (hel_event_create(0, &handle) == 0) {
		player_adopt(player, handle);
	}
	if (hel_universe_create(&handle) == 0) {
		player_adopt(player, handle);
	}
	if (hel_space_create(HEL_THIS, &handle) == 0) {
		player_adopt(player, handle);
	}
	if (hel_memory_allocate(16 * HEL_PAGE_SIZE, 0, &handle) == 0) {
		player_adopt(player, handle);
	}
	player_adopt(player, player->authority);
}

static bool have_peers_begun(const struct player *player)
{
	bool have_begun = true;

	for (uint32_t i = 0; i < PLAYER_PEERS_MAX; i++) {
		have_begun = have_begun &&
			(player->peers[i] == NULL || atomic_load(&player->peers[i]->has_begun));
	}
	return have_begun;
}

int player_begin(struct player *player)
{
	memset(player->pool, 0, sizeof(player->pool));
	memset(player->n_completions, 0, sizeof(player->n_completions));
	player->n_records = 0;
	int error = open_queue(player);

	atomic_store(&player->has_begun, true);
	for (uint32_t i = 0; i < YIELDS_MAX && !have_peers_begun(player); i++) {
		(void)hel_thread_yield();
	}
	if (error == 0) {
		make_objects(player);
	}
	return error;
}

void player_step(struct player *player)
{
	switch (player__draw(player, 16)) {
	case 0: drive(player); break;
	case 1: take_completions(player); break;
	case 2: (void)submit_cancel(player, player__draw(player, PLAYER_RECORDS_MAX)); break;
	case 3: write_arena(player); break;
	case 4: submit_unknown(player); break;
	case 5:
	case 6:
	case 7: submit(player); break;
	default: make_call(player); break;
	}
}

static bool all_have_completed(const struct player *player)
{
	bool have_completed = true;

	for (uint32_t i = 1; i <= player->n_records; i++) {
		have_completed = have_completed &&
			(player->n_completions[i] == 1 || player->may_be_quiet[i]);
	}
	return have_completed;
}

void player_abandon(struct player *player, hel_handle universe)
{
	for (uint32_t type = 0; type < PLAYER_TYPES; type++) {
		for (uint32_t i = 0; i < PLAYER_SLOTS; i++) {
			hel_handle handle = player->pool[type][i];
			hel_handle copy;

			if (type == HEL_TYPE_THREAD &&
				hel_transfer(universe, handle, HEL_THIS, 0, &copy) == 0) {
				(void)hel_thread_kill(copy);
				(void)hel_close(HEL_THIS, copy);
			}
			(void)hel_close(universe, handle);
		}
	}
}

bool player_finish(struct player *player)
{
	uint32_t n_cancelled = 0;

	for (uint32_t i = 0; i < DRIVES_MAX; i++) {
		while (n_cancelled < player->n_records && submit_cancel(player, n_cancelled + 1)) {
			n_cancelled++;
		}
		(void)hel_drive(player->queue.handle, 0, 0, 0, NULL);
		take_completions(player);
		if (n_cancelled == player->n_records && all_have_completed(player)) {
			break;
		}
		hel_thread_yield();
	}
	bool is_complete = all_have_completed(player);

	for (uint32_t type = 0; type < PLAYER_TYPES; type++) {
		for (uint32_t i = 0; i < PLAYER_SLOTS; i++) {
			(void)hel_thread_kill(player->pool[type][i]);
			(void)hel_close(HEL_THIS, player->pool[type][i]);
		}
	}
	(void)hel_close(HEL_THIS, player->queue.handle);
	return is_complete;
}
