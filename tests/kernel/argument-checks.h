/* SPDX-License-Identifier: MIT */
/*
 * What the rows of argument-checks.gen.h are made of, for the tests in the sim and in the guest.
 *
 *	CALL_CHECK(name, call, error, six arguments)	the call returns the error
 *	OPERATION_CHECK(name, opcode, error, record)	the completion carries it, and the context
 *	REFUSAL_CHECK(name, error, lane, action)	the same, for an exchange of one action
 *	ACTION_CHECK(name, error, peer, action)		the action's result, when it meets its peer
 *
 * Everything but one argument of a row is valid. Handles that are made for a row are closed behind
 * it by check_end(). A program that includes this has check_authority; check_make_thread(), which
 * gives a thread that was not started; and check_make_buffer(), which gives 512 zero bytes.
 */
#ifndef TESTS_KERNEL_ARGUMENT_CHECKS_H
#define TESTS_KERNEL_ARGUMENT_CHECKS_H

#include <abi/hel/kernlet.h>
#include <base/string.h>
#include <base/types.h>
#include <hel/hel-calls.h>

#define BUFFER()            check_make_buffer()
#define WORD()              check_make_buffer()
#define IN(type_, ...)      ((uint64_t)&(type_){ __VA_ARGS__ })
#define GOOD(type)          check_handle(HEL_TYPE_##type, HEL_RIGHTS_ALL)
#define WITHOUT(type, name) check_handle(HEL_TYPE_##type, HEL_RIGHTS_ALL & ~HEL_RIGHT_##name)
#define OTHER(type)         check_other(HEL_TYPE_##type)
#define STALE()             check_stale()
#define REVOKED(type)       check_revoked(HEL_TYPE_##type)

/* Nothing is mapped in the first page; nobody has the other half; the last has no end. */
constexpr uint64_t UNMAPPED = 16;
constexpr uint64_t KERNEL_HALF = 0xffff'8000'0000'1000;
constexpr uint64_t WRAPPING = ~(uint64_t)3;

constexpr uint32_t CHECK_HANDLES_MAX = 8;

static hel_handle check_made[CHECK_HANDLES_MAX];
static uint32_t n_check_made;
static hel_handle check_thread;
static bool check_has_failed; /* something that a row needs could not be made */

static hel_handle check_keep(int error, hel_handle handle)
{
	if (error != 0 || n_check_made == CHECK_HANDLES_MAX) {
		check_has_failed = true;
		return HEL_NULL;
	}
	check_made[n_check_made++] = handle;
	return handle;
}

static hel_handle check_make_token(void)
{
	hel_handle token = HEL_NULL;

	return check_keep(hel_token_create(&token), token);
}

static hel_handle check_make_lane(void)
{
	struct hel_stream_lanes lanes = {};
	int error = hel_stream_create(&lanes);

	(void)check_keep(error, lanes.lane[1]);
	return check_keep(error, lanes.lane[0]);
}

static hel_handle check_make_authorised(enum hel_type type)
{
	struct hel_msi_info info;
	hel_handle handle = HEL_NULL;
	int error = 0;

	switch (type) {
	case HEL_TYPE_IRQ: error = hel_irq_create_msi(check_authority, &info, &handle); break;
	case HEL_TYPE_IO: error = hel_io_create(check_authority, 0x80, 1, &handle); break;
	default: error = hel_transfer(HEL_THIS, check_authority, HEL_THIS, 0, &handle); break;
	}
	return check_keep(error, handle);
}

/* A kernlet with one parameter that answers nothing. */
static int check_make_kernlet(hel_handle *out_kernlet)
{
	static const uint8_t code[] = { 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xc3 }; /* mov rax, 0 */
	struct {
		struct hel_kernlet_header header;
		struct hel_kernlet_slot slot;
		uint8_t code[sizeof(code)];
	} container = {
		.header = {
			.magic = HEL_KERNLET_MAGIC,
			.version = HEL_KERNLET_VERSION,
			.arch = HEL_KERNLET_X86_64,
			.code_size = sizeof(code),
			.n_bindings = 1,
		},
		.slot = { .kind = HEL_KERNLET_PARAMETER },
	};

	memcpy(container.code, code, sizeof(code));
	return hel_kernlet_create(&container,
		sizeof(container.header) + sizeof(container.slot) + sizeof(code), out_kernlet);
}

static int check_make_bound_kernlet(hel_handle *out_bound)
{
	const struct hel_kernlet_binding binding = { .value = 1 };
	hel_handle kernlet = HEL_NULL;
	int error = check_make_kernlet(&kernlet);

	return error != 0
		? error
		: hel_kernlet_bind(check_keep(0, kernlet), &binding, sizeof(binding), out_bound);
}

/* @handle under a grant, both of them new. */
static struct hel_grant_handles check_grant(hel_handle handle)
{
	struct hel_grant_handles handles = {};
	int error = hel_grant_create(HEL_NULL, handle, 0, 0, &handles);

	(void)check_keep(error, handles.handle);
	(void)check_keep(error, handles.grant);
	return handles;
}

static hel_handle check_make(enum hel_type type)
{
	const struct hel_queue_params params = {
		.n_chunks = 1, .chunk_size = 4096, .submit_size = 512
	};
	hel_handle handle = HEL_NULL;
	int error = 0;

	switch (type) {
	case HEL_TYPE_UNIVERSE: error = hel_universe_create(&handle); break;
	case HEL_TYPE_SPACE: error = hel_space_create(HEL_THIS, &handle); break;
	case HEL_TYPE_MEMORY: error = hel_memory_allocate(65536, 0, &handle); break;
	case HEL_TYPE_THREAD:
		error = check_make_thread(&handle);
		check_thread = handle;
		break;
	case HEL_TYPE_QUEUE: error = hel_queue_create(&params, &handle); break;
	case HEL_TYPE_LANE: return check_make_lane();
	case HEL_TYPE_EVENT: error = hel_event_create(0, &handle); break;
	case HEL_TYPE_DMA_SPACE: error = hel_dma_space_create(&handle); break;
	case HEL_TYPE_TOKEN: error = hel_token_create(&handle); break;
	case HEL_TYPE_GRANT: return check_grant(check_make_token()).grant;
	case HEL_TYPE_KERNLET: error = check_make_kernlet(&handle); break;
	case HEL_TYPE_BOUND_KERNLET: error = check_make_bound_kernlet(&handle); break;
	default: return check_make_authorised(type);
	}
	return check_keep(error, handle);
}

/* A new object of @type, with no more than @rights. */
static hel_handle check_handle(enum hel_type type, uint32_t rights)
{
	hel_handle handle = check_make(type);
	hel_handle narrow = HEL_NULL;

	if (rights == HEL_RIGHTS_ALL || handle == HEL_NULL) {
		return handle;
	}
	return check_keep(hel_transfer(HEL_THIS, handle, HEL_THIS, rights, &narrow), narrow);
}

static hel_handle check_other(enum hel_type type)
{
	return check_make(type == HEL_TYPE_TOKEN ? HEL_TYPE_EVENT : HEL_TYPE_TOKEN);
}

static hel_handle check_stale(void)
{
	hel_handle handle = HEL_NULL;

	if (hel_token_create(&handle) != 0 || hel_close(HEL_THIS, handle) != 0) {
		check_has_failed = true;
	}
	return handle;
}

/* An object of @type that was granted and taken back. */
static hel_handle check_revoked(enum hel_type type)
{
	const struct hel_grant_handles handles = check_grant(check_make(type));

	check_has_failed |= hel_grant_revoke(handles.grant) != 0;
	return handles.handle;
}

/* Closes what was made; whether all of it could be. */
static bool check_end(void)
{
	bool is_good = !check_has_failed;

	if (check_thread != HEL_NULL) {
		(void)hel_thread_kill(check_thread);
	}
	while (n_check_made > 0) {
		hel_close(HEL_THIS, check_made[--n_check_made]);
	}
	check_thread = HEL_NULL;
	check_has_failed = false;
	return is_good;
}

/* The action that @type meets, with room for everything. */
#define PEER_ACTION(type_) \
	((struct hel_action){ .type = (type_), .address = BUFFER(), .length = 16 })

#endif
