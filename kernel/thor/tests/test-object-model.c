/* SPDX-License-Identifier: MIT */
/*
 * Random programs of calls on descriptors, compared with a model after each call.
 *
 * The model is a table per universe of all descriptors that were ever in it: object, rights, open
 * or not. Universe 0 is the program's own; others are made on the way and named by descriptors in
 * it, with whatever rights these have. Universes only go into older ones, so none comes to hold
 * itself; what a universe held is given up with its last descriptor.
 */
#include "machine.h"

constexpr uint32_t UNIVERSES_MAX = 24;
constexpr uint32_t OBJECTS_MAX = 256;
constexpr uint32_t SLOTS_MAX = 512;
constexpr uint32_t STEPS = 600;

struct model_object {
	enum hel_type type;
	uint32_t rights; /* that descriptors of its type can have */
	uint64_t identity;
	uint32_t n_descriptors;
	uint32_t universe; /* UNIVERSE: its number */
};

struct model_slot {
	hel_handle handle;
	uint32_t object, rights;
	bool is_open;
};

struct model_universe {
	uint32_t n_slots;
	struct model_slot slots[SLOTS_MAX];
};

static struct model_universe universes[UNIVERSES_MAX];
static struct model_object objects[OBJECTS_MAX];
static uint32_t n_universes, n_objects;
static struct random random_state;

static uint32_t pick(uint32_t bound)
{
	return (uint32_t)random_below(&random_state, bound);
}

/* ---- the model ------------------------------------------------------------------------------- */

static void model_drop(struct model_slot *slot)
{
	struct model_object *object = &objects[slot->object];

	slot->is_open = false;
	object->n_descriptors--;
	if (object->n_descriptors > 0 || object->type != HEL_TYPE_UNIVERSE) {
		return;
	}
	struct model_universe *universe = &universes[object->universe];

	for (uint32_t i = 0; i < universe->n_slots; i++) {
		if (universe->slots[i].is_open) {
			model_drop(&universe->slots[i]);
		}
	}
}

/* A new descriptor; its handle is none that this universe has ever given out. */
static void model_add(uint32_t universe, hel_handle handle, uint32_t object, uint32_t rights)
{
	struct model_universe *table = &universes[universe];

	for (uint32_t i = 0; i < table->n_slots; i++) {
		CHECK(table->slots[i].handle != handle);
	}
	ASSERT(table->n_slots < SLOTS_MAX);
	table->slots[table->n_slots++] = (struct model_slot){
		.handle = handle,
		.object = object,
		.rights = rights & objects[object].rights,
		.is_open = true,
	};
	objects[object].n_descriptors++;
}

/* What a look-up in the program's universe says; NULL: HEL_THIS, which is never an object. */
static int model_look_up(const struct model_slot *slot, enum hel_type type, uint32_t rights)
{
	if (slot == NULL || !slot->is_open) {
		return -ERR_BAD_HANDLE;
	}
	if (objects[slot->object].type != type) {
		return -ERR_BAD_TYPE;
	}
	return (slot->rights & rights) == rights ? 0 : -ERR_NO_RIGHTS;
}

/* The universe that a descriptor names, or HEL_THIS (NULL). */
static int model_find_universe(
	const struct model_slot *slot, uint32_t rights, uint32_t *out_universe)
{
	*out_universe = 0;
	if (slot == NULL) {
		return 0;
	}
	int error = model_look_up(slot, HEL_TYPE_UNIVERSE, rights);

	if (error == 0) {
		*out_universe = objects[slot->object].universe;
	}
	return error;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static struct model_slot *pick_slot(uint32_t universe)
{
	struct model_universe *table = &universes[universe];

	return table->n_slots == 0 ? NULL : &table->slots[pick(table->n_slots)];
}

/* A descriptor that should name a universe: mostly one that does; NULL: HEL_THIS. */
static struct model_slot *pick_universe(void)
{
	for (uint32_t i = 0; i < 8 && pick(2) == 0; i++) {
		struct model_slot *slot = pick_slot(0);

		if (slot != NULL &&
			(pick(16) == 0 || objects[slot->object].type == HEL_TYPE_UNIVERSE)) {
			return slot;
		}
	}
	return NULL;
}

static hel_handle handle_of(const struct model_slot *slot)
{
	return slot != NULL ? slot->handle : HEL_THIS;
}

static void note_object(hel_handle handle, enum hel_type type)
{
	struct hel_descriptor_info info;

	CHECK_OK(hel_descriptor_info(HEL_THIS, handle, &info));
	CHECK_EQ(info.type, type);
	for (uint32_t i = 0; i < n_objects; i++) {
		CHECK(objects[i].identity != info.identity);
	}
	objects[n_objects] = (struct model_object){
		.type = type,
		.rights = info.rights,
		.identity = info.identity,
	};
	if (type == HEL_TYPE_UNIVERSE) {
		objects[n_objects].universe = n_universes;
		universes[n_universes++].n_slots = 0;
	}
	model_add(0, handle, n_objects++, HEL_RIGHTS_ALL);
}

static void create(void)
{
	hel_handle handle;

	if (n_objects == OBJECTS_MAX || universes[0].n_slots == SLOTS_MAX) {
		return;
	}
	switch (pick(5)) {
	case 0:
		if (n_universes < UNIVERSES_MAX) {
			CHECK_OK(hel_universe_create(&handle));
			note_object(handle, HEL_TYPE_UNIVERSE);
		}
		break;
	case 1:
		CHECK_OK(hel_event_create(0, &handle));
		note_object(handle, HEL_TYPE_EVENT);
		break;
	case 2:
		CHECK_OK(hel_memory_allocate(HEL_PAGE_SIZE, 0, &handle));
		note_object(handle, HEL_TYPE_MEMORY);
		break;
	case 3:
		CHECK_OK(hel_space_create(HEL_THIS, &handle));
		note_object(handle, HEL_TYPE_SPACE);
		break;
	default:
		CHECK_OK(hel_token_create(&handle));
		note_object(handle, HEL_TYPE_TOKEN);
		break;
	}
}

static void close_one(void)
{
	struct model_slot *name = pick_universe();
	uint32_t universe;
	int expected = model_find_universe(name, HEL_RIGHT_TAKE, &universe);
	struct model_slot *slot = pick_slot(universe);

	if (slot == NULL) {
		return;
	}
	if (expected == 0 && !slot->is_open) {
		expected = -ERR_BAD_HANDLE;
	}
	CHECK_EQ(hel_close(handle_of(name), slot->handle), expected);
	if (expected == 0) {
		model_drop(slot);
	}
}

static int model_transfer(const struct model_slot *slot, int from_error, int to_error, uint32_t to)
{
	const struct model_object *object = &objects[slot->object];

	if (from_error != 0) {
		return from_error;
	}
	if (!slot->is_open) {
		return -ERR_BAD_HANDLE;
	}
	if (to_error != 0) {
		return to_error;
	}
	if ((slot->rights & HEL_RIGHT_DERIVE) == 0) {
		return -ERR_NO_RIGHTS;
	}
	return object->type == HEL_TYPE_UNIVERSE && object->universe == to ? -ERR_ILLEGAL_ARGS : 0;
}

static void transfer(void)
{
	struct model_slot *from_name = pick_universe();
	struct model_slot *to_name = pick_universe();
	uint32_t mask = pick(3) == 0 ? 0 : (uint32_t)random_u64(&random_state) | pick(2) * 0xfffu;
	uint32_t from, to;
	int from_error = model_find_universe(from_name, HEL_RIGHT_TAKE, &from);
	int to_error = model_find_universe(to_name, HEL_RIGHT_GRANT, &to);
	struct model_slot *slot = pick_slot(from);
	hel_handle handle = HEL_NULL;

	if (slot == NULL || universes[to].n_slots == SLOTS_MAX ||
		(objects[slot->object].type == HEL_TYPE_UNIVERSE &&
			objects[slot->object].universe < to)) {
		return;
	}
	int expected = model_transfer(slot, from_error, to_error, to);

	if (expected == 0 && (mask & ~(uint32_t)HEL_RIGHTS_ALL) != 0) {
		expected = -ERR_ILLEGAL_ARGS;
	}
	CHECK_EQ(
		hel_transfer(handle_of(from_name), slot->handle, handle_of(to_name), mask, &handle),
		expected);
	if (expected == 0) {
		model_add(to, handle, slot->object, mask == 0 ? slot->rights : slot->rights & mask);
	}
}

static void look(void)
{
	struct model_slot *name = pick_universe();
	struct hel_descriptor_info info;
	uint32_t universe;
	int expected = model_find_universe(name, HEL_RIGHT_TAKE, &universe);
	struct model_slot *slot = pick_slot(universe);

	if (slot == NULL) {
		return;
	}
	if (expected == 0 && !slot->is_open) {
		expected = -ERR_BAD_HANDLE;
	}
	CHECK_EQ(hel_descriptor_info(handle_of(name), slot->handle, &info), expected);
	if (expected == 0) {
		CHECK_EQ(info.type, objects[slot->object].type);
		CHECK_EQ(info.rights, slot->rights);
		CHECK_EQ(info.identity, objects[slot->object].identity);
	}
}

/* Calls that need a type and a right. */
static void use(void)
{
	const struct model_slot *slot = pick_slot(0);
	struct hel_memory_info info;
	uint8_t byte = 0;

	if (slot == NULL) {
		return;
	}
	CHECK_EQ(hel_event_raise(slot->handle, 1),
		model_look_up(slot, HEL_TYPE_EVENT, HEL_RIGHT_SIGNAL));
	CHECK_EQ(hel_memory_info(slot->handle, &info), model_look_up(slot, HEL_TYPE_MEMORY, 0));
	CHECK_EQ(hel_memory_read(slot->handle, 0, &byte, 1),
		model_look_up(slot, HEL_TYPE_MEMORY, HEL_RIGHT_READ));
	CHECK_EQ(hel_memory_write(slot->handle, 0, &byte, 1),
		model_look_up(slot, HEL_TYPE_MEMORY, HEL_RIGHT_WRITE));
	CHECK_EQ(hel_space_unmap(slot->handle, HEL_PAGE_SIZE * 64, HEL_PAGE_SIZE),
		model_look_up(slot, HEL_TYPE_SPACE, HEL_RIGHT_MAP));
}

static void play(UNUSED void *context)
{
	for (uint32_t i = 0; i < STEPS; i++) {
		switch (pick(8)) {
		case 0:
		case 1: create(); break;
		case 2: close_one(); break;
		case 3: look(); break;
		case 4: use(); break;
		default: transfer(); break;
		}
	}
	/* What is left is given up with the program's universe. */
}

TEST(random_descriptors_follow_the_model)
{
	uint64_t seed = test_seed(1);

	for (uint64_t round = 0; round < 100; round++) {
		random_init(&random_state, seed + round);
		n_objects = 0;
		n_universes = 1;
		universes[0].n_slots = 0;
		machine_begin(1, seed + round);
		CHECK(machine_run(play, NULL));
		CHECK(machine_end());
	}
}

TEST_MAIN()
