/* SPDX-License-Identifier: MIT */
/* Made by tools/hel/generate.py of abi/hel/definition: do not edit. */
/* Every handle and pointer of hel, wrong in every way: see argument-checks.h. */

CALL_CHECK(log_authority_stale, log, BAD_HANDLE, STALE(), 0, BUFFER(), 16, 0, 0)
CALL_CHECK(log_authority_revoked, log, REVOKED, REVOKED(AUTHORITY), 0, BUFFER(), 16, 0, 0)
CALL_CHECK(log_authority_of_other_type, log, BAD_TYPE, OTHER(AUTHORITY), 0, BUFFER(), 16, 0, 0)
CALL_CHECK(log_authority_without_write, log, NO_RIGHTS, WITHOUT(AUTHORITY, WRITE), 0, BUFFER(), 16,
	0, 0)
CALL_CHECK(log_text_unmapped, log, FAULT, GOOD(AUTHORITY), 0, UNMAPPED, 16, 0, 0)
CALL_CHECK(log_text_kernel_half, log, FAULT, GOOD(AUTHORITY), 0, KERNEL_HALF, 16, 0, 0)
CALL_CHECK(log_text_wrapping, log, FAULT, GOOD(AUTHORITY), 0, WRAPPING, 16, 0, 0)
CALL_CHECK(close_universe_stale, close, BAD_HANDLE, STALE(), GOOD(TOKEN), 0, 0, 0, 0)
CALL_CHECK(close_universe_revoked, close, REVOKED, REVOKED(UNIVERSE), GOOD(TOKEN), 0, 0, 0, 0)
CALL_CHECK(close_universe_of_other_type, close, BAD_TYPE, OTHER(UNIVERSE), GOOD(TOKEN), 0, 0, 0, 0)
CALL_CHECK(close_universe_without_take, close, NO_RIGHTS, WITHOUT(UNIVERSE, TAKE), GOOD(TOKEN), 0,
	0, 0, 0)
CALL_CHECK(close_handle_stale, close, BAD_HANDLE, HEL_THIS, STALE(), 0, 0, 0, 0)
CALL_CHECK(transfer_from_universe_stale, transfer, BAD_HANDLE, STALE(), GOOD(TOKEN), HEL_THIS, 0, 0,
	0)
CALL_CHECK(transfer_from_universe_revoked, transfer, REVOKED, REVOKED(UNIVERSE), GOOD(TOKEN),
	HEL_THIS, 0, 0, 0)
CALL_CHECK(transfer_from_universe_of_other_type, transfer, BAD_TYPE, OTHER(UNIVERSE), GOOD(TOKEN),
	HEL_THIS, 0, 0, 0)
CALL_CHECK(transfer_from_universe_without_take, transfer, NO_RIGHTS, WITHOUT(UNIVERSE, TAKE),
	GOOD(TOKEN), HEL_THIS, 0, 0, 0)
CALL_CHECK(transfer_handle_stale, transfer, BAD_HANDLE, HEL_THIS, STALE(), HEL_THIS, 0, 0, 0)
CALL_CHECK(transfer_handle_revoked, transfer, REVOKED, HEL_THIS, REVOKED(TOKEN), HEL_THIS, 0, 0, 0)
CALL_CHECK(transfer_handle_without_derive, transfer, NO_RIGHTS, HEL_THIS, WITHOUT(TOKEN, DERIVE),
	HEL_THIS, 0, 0, 0)
CALL_CHECK(transfer_to_universe_stale, transfer, BAD_HANDLE, HEL_THIS, GOOD(TOKEN), STALE(), 0, 0,
	0)
CALL_CHECK(transfer_to_universe_revoked, transfer, REVOKED, HEL_THIS, GOOD(TOKEN),
	REVOKED(UNIVERSE), 0, 0, 0)
CALL_CHECK(transfer_to_universe_of_other_type, transfer, BAD_TYPE, HEL_THIS, GOOD(TOKEN),
	OTHER(UNIVERSE), 0, 0, 0)
CALL_CHECK(transfer_to_universe_without_grant, transfer, NO_RIGHTS, HEL_THIS, GOOD(TOKEN),
	WITHOUT(UNIVERSE, GRANT), 0, 0, 0)
CALL_CHECK(descriptor_info_universe_stale, descriptor_info, BAD_HANDLE, STALE(), GOOD(TOKEN),
	BUFFER(), 0, 0, 0)
CALL_CHECK(descriptor_info_universe_revoked, descriptor_info, REVOKED, REVOKED(UNIVERSE),
	GOOD(TOKEN), BUFFER(), 0, 0, 0)
CALL_CHECK(descriptor_info_universe_of_other_type, descriptor_info, BAD_TYPE, OTHER(UNIVERSE),
	GOOD(TOKEN), BUFFER(), 0, 0, 0)
CALL_CHECK(descriptor_info_universe_without_take, descriptor_info, NO_RIGHTS,
	WITHOUT(UNIVERSE, TAKE), GOOD(TOKEN), BUFFER(), 0, 0, 0)
CALL_CHECK(descriptor_info_handle_stale, descriptor_info, BAD_HANDLE, HEL_THIS, STALE(), BUFFER(),
	0, 0, 0)
CALL_CHECK(descriptor_info_handle_revoked, descriptor_info, REVOKED, HEL_THIS, REVOKED(TOKEN),
	BUFFER(), 0, 0, 0)
CALL_CHECK(descriptor_info_info_unmapped, descriptor_info, FAULT, HEL_THIS, GOOD(TOKEN), UNMAPPED,
	0, 0, 0)
CALL_CHECK(descriptor_info_info_kernel_half, descriptor_info, FAULT, HEL_THIS, GOOD(TOKEN),
	KERNEL_HALF, 0, 0, 0)
CALL_CHECK(descriptor_info_info_wrapping, descriptor_info, FAULT, HEL_THIS, GOOD(TOKEN), WRAPPING,
	0, 0, 0)
CALL_CHECK(memory_physical_authority_stale, memory_physical, BAD_HANDLE, STALE(), 0x100000000000,
	4096, 0, 0, 0)
CALL_CHECK(memory_physical_authority_revoked, memory_physical, REVOKED, REVOKED(AUTHORITY),
	0x100000000000, 4096, 0, 0, 0)
CALL_CHECK(memory_physical_authority_of_other_type, memory_physical, BAD_TYPE, OTHER(AUTHORITY),
	0x100000000000, 4096, 0, 0, 0)
CALL_CHECK(memory_physical_authority_without_manage, memory_physical, NO_RIGHTS,
	WITHOUT(AUTHORITY, MANAGE), 0x100000000000, 4096, 0, 0, 0)
CALL_CHECK(memory_copy_on_write_source_stale, memory_copy_on_write, BAD_HANDLE, STALE(), 0, 4096, 0,
	0, 0)
CALL_CHECK(memory_copy_on_write_source_revoked, memory_copy_on_write, REVOKED, REVOKED(MEMORY), 0,
	4096, 0, 0, 0)
CALL_CHECK(memory_copy_on_write_source_of_other_type, memory_copy_on_write, BAD_TYPE, OTHER(MEMORY),
	0, 4096, 0, 0, 0)
CALL_CHECK(memory_copy_on_write_source_without_read, memory_copy_on_write, NO_RIGHTS,
	WITHOUT(MEMORY, READ), 0, 4096, 0, 0, 0)
CALL_CHECK(memory_copy_on_write_source_without_derive, memory_copy_on_write, NO_RIGHTS,
	WITHOUT(MEMORY, DERIVE), 0, 4096, 0, 0, 0)
CALL_CHECK(memory_resize_memory_stale, memory_resize, BAD_HANDLE, STALE(), 4096, 0, 0, 0, 0)
CALL_CHECK(memory_resize_memory_revoked, memory_resize, REVOKED, REVOKED(MEMORY), 4096, 0, 0, 0, 0)
CALL_CHECK(memory_resize_memory_of_other_type, memory_resize, BAD_TYPE, OTHER(MEMORY), 4096, 0, 0,
	0, 0)
CALL_CHECK(memory_resize_memory_without_write, memory_resize, NO_RIGHTS, WITHOUT(MEMORY, WRITE),
	4096, 0, 0, 0, 0)
CALL_CHECK(memory_info_memory_stale, memory_info, BAD_HANDLE, STALE(), BUFFER(), 0, 0, 0, 0)
CALL_CHECK(memory_info_memory_revoked, memory_info, REVOKED, REVOKED(MEMORY), BUFFER(), 0, 0, 0, 0)
CALL_CHECK(memory_info_memory_of_other_type, memory_info, BAD_TYPE, OTHER(MEMORY), BUFFER(), 0, 0,
	0, 0)
CALL_CHECK(memory_info_info_unmapped, memory_info, FAULT, GOOD(MEMORY), UNMAPPED, 0, 0, 0, 0)
CALL_CHECK(memory_info_info_kernel_half, memory_info, FAULT, GOOD(MEMORY), KERNEL_HALF, 0, 0, 0, 0)
CALL_CHECK(memory_info_info_wrapping, memory_info, FAULT, GOOD(MEMORY), WRAPPING, 0, 0, 0, 0)
CALL_CHECK(memory_read_memory_stale, memory_read, BAD_HANDLE, STALE(), 0, BUFFER(), 16, 0, 0)
CALL_CHECK(memory_read_memory_revoked, memory_read, REVOKED, REVOKED(MEMORY), 0, BUFFER(), 16, 0, 0)
CALL_CHECK(memory_read_memory_of_other_type, memory_read, BAD_TYPE, OTHER(MEMORY), 0, BUFFER(), 16,
	0, 0)
CALL_CHECK(memory_read_memory_without_read, memory_read, NO_RIGHTS, WITHOUT(MEMORY, READ), 0,
	BUFFER(), 16, 0, 0)
CALL_CHECK(memory_read_buffer_unmapped, memory_read, FAULT, GOOD(MEMORY), 0, UNMAPPED, 16, 0, 0)
CALL_CHECK(memory_read_buffer_kernel_half, memory_read, FAULT, GOOD(MEMORY), 0, KERNEL_HALF, 16, 0,
	0)
CALL_CHECK(memory_read_buffer_wrapping, memory_read, FAULT, GOOD(MEMORY), 0, WRAPPING, 16, 0, 0)
CALL_CHECK(memory_write_memory_stale, memory_write, BAD_HANDLE, STALE(), 0, BUFFER(), 16, 0, 0)
CALL_CHECK(memory_write_memory_revoked, memory_write, REVOKED, REVOKED(MEMORY), 0, BUFFER(), 16, 0,
	0)
CALL_CHECK(memory_write_memory_of_other_type, memory_write, BAD_TYPE, OTHER(MEMORY), 0, BUFFER(),
	16, 0, 0)
CALL_CHECK(memory_write_memory_without_write, memory_write, NO_RIGHTS, WITHOUT(MEMORY, WRITE), 0,
	BUFFER(), 16, 0, 0)
CALL_CHECK(memory_write_buffer_unmapped, memory_write, FAULT, GOOD(MEMORY), 0, UNMAPPED, 16, 0, 0)
CALL_CHECK(memory_write_buffer_kernel_half, memory_write, FAULT, GOOD(MEMORY), 0, KERNEL_HALF, 16,
	0, 0)
CALL_CHECK(memory_write_buffer_wrapping, memory_write, FAULT, GOOD(MEMORY), 0, WRAPPING, 16, 0, 0)
CALL_CHECK(memory_pin_memory_stale, memory_pin, BAD_HANDLE, STALE(), 0, 4096, 0, 0, 0)
CALL_CHECK(memory_pin_memory_revoked, memory_pin, REVOKED, REVOKED(MEMORY), 0, 4096, 0, 0, 0)
CALL_CHECK(memory_pin_memory_of_other_type, memory_pin, BAD_TYPE, OTHER(MEMORY), 0, 4096, 0, 0, 0)
CALL_CHECK(memory_pin_memory_without_pin, memory_pin, NO_RIGHTS, WITHOUT(MEMORY, PIN), 0, 4096, 0,
	0, 0)
CALL_CHECK(memory_try_read_memory_stale, memory_try_read, BAD_HANDLE, STALE(), 0, BUFFER(), 16, 0,
	0)
CALL_CHECK(memory_try_read_memory_revoked, memory_try_read, REVOKED, REVOKED(MEMORY), 0, BUFFER(),
	16, 0, 0)
CALL_CHECK(memory_try_read_memory_of_other_type, memory_try_read, BAD_TYPE, OTHER(MEMORY), 0,
	BUFFER(), 16, 0, 0)
CALL_CHECK(memory_try_read_memory_without_read, memory_try_read, NO_RIGHTS, WITHOUT(MEMORY, READ),
	0, BUFFER(), 16, 0, 0)
CALL_CHECK(memory_try_read_buffer_unmapped, memory_try_read, FAULT, GOOD(MEMORY), 0, UNMAPPED, 16,
	0, 0)
CALL_CHECK(memory_try_read_buffer_kernel_half, memory_try_read, FAULT, GOOD(MEMORY), 0, KERNEL_HALF,
	16, 0, 0)
CALL_CHECK(memory_try_read_buffer_wrapping, memory_try_read, FAULT, GOOD(MEMORY), 0, WRAPPING, 16,
	0, 0)
CALL_CHECK(memory_try_write_memory_stale, memory_try_write, BAD_HANDLE, STALE(), 0, BUFFER(), 16, 0,
	0)
CALL_CHECK(memory_try_write_memory_revoked, memory_try_write, REVOKED, REVOKED(MEMORY), 0, BUFFER(),
	16, 0, 0)
CALL_CHECK(memory_try_write_memory_of_other_type, memory_try_write, BAD_TYPE, OTHER(MEMORY), 0,
	BUFFER(), 16, 0, 0)
CALL_CHECK(memory_try_write_memory_without_write, memory_try_write, NO_RIGHTS,
	WITHOUT(MEMORY, WRITE), 0, BUFFER(), 16, 0, 0)
CALL_CHECK(memory_try_write_buffer_unmapped, memory_try_write, FAULT, GOOD(MEMORY), 0, UNMAPPED, 16,
	0, 0)
CALL_CHECK(memory_try_write_buffer_kernel_half, memory_try_write, FAULT, GOOD(MEMORY), 0,
	KERNEL_HALF, 16, 0, 0)
CALL_CHECK(memory_try_write_buffer_wrapping, memory_try_write, FAULT, GOOD(MEMORY), 0, WRAPPING, 16,
	0, 0)
CALL_CHECK(space_create_universe_stale, space_create, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(space_create_universe_revoked, space_create, REVOKED, REVOKED(UNIVERSE), 0, 0, 0, 0, 0)
CALL_CHECK(space_create_universe_of_other_type, space_create, BAD_TYPE, OTHER(UNIVERSE), 0, 0, 0, 0,
	0)
CALL_CHECK(space_create_universe_without_grant, space_create, NO_RIGHTS, WITHOUT(UNIVERSE, GRANT),
	0, 0, 0, 0, 0)
CALL_CHECK(space_map_args_unmapped, space_map, FAULT, UNMAPPED, 0, 0, 0, 0, 0)
CALL_CHECK(space_map_args_kernel_half, space_map, FAULT, KERNEL_HALF, 0, 0, 0, 0, 0)
CALL_CHECK(space_map_args_wrapping, space_map, FAULT, WRAPPING, 0, 0, 0, 0, 0)
CALL_CHECK(space_map_args_space_stale, space_map, BAD_HANDLE,
	IN(struct hel_map_args, .space = STALE(), .memory = HEL_NULL, .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(space_map_args_space_revoked, space_map, REVOKED,
	IN(struct hel_map_args, .space = REVOKED(SPACE), .memory = HEL_NULL, .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(space_map_args_space_of_other_type, space_map, BAD_TYPE,
	IN(struct hel_map_args, .space = OTHER(SPACE), .memory = HEL_NULL, .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(space_map_args_space_without_map, space_map, NO_RIGHTS,
	IN(struct hel_map_args, .space = WITHOUT(SPACE, MAP), .memory = HEL_NULL, .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(space_map_args_memory_stale, space_map, BAD_HANDLE,
	IN(struct hel_map_args, .space = HEL_THIS, .memory = STALE(), .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(space_map_args_memory_revoked, space_map, REVOKED,
	IN(struct hel_map_args, .space = HEL_THIS, .memory = REVOKED(MEMORY), .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(space_map_args_memory_of_other_type, space_map, BAD_TYPE,
	IN(struct hel_map_args, .space = HEL_THIS, .memory = OTHER(MEMORY), .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(space_map_args_memory_without_map, space_map, NO_RIGHTS,
	IN(struct hel_map_args, .space = HEL_THIS, .memory = WITHOUT(MEMORY, MAP), .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(space_unmap_space_stale, space_unmap, BAD_HANDLE, STALE(), 0x10000000, 4096, 0, 0, 0)
CALL_CHECK(space_unmap_space_revoked, space_unmap, REVOKED, REVOKED(SPACE), 0x10000000, 4096, 0, 0,
	0)
CALL_CHECK(space_unmap_space_of_other_type, space_unmap, BAD_TYPE, OTHER(SPACE), 0x10000000, 4096,
	0, 0, 0)
CALL_CHECK(space_unmap_space_without_map, space_unmap, NO_RIGHTS, WITHOUT(SPACE, MAP), 0x10000000,
	4096, 0, 0, 0)
CALL_CHECK(space_protect_space_stale, space_protect, BAD_HANDLE, STALE(), 0x10000000, 4096, 0, 0, 0)
CALL_CHECK(space_protect_space_revoked, space_protect, REVOKED, REVOKED(SPACE), 0x10000000, 4096, 0,
	0, 0)
CALL_CHECK(space_protect_space_of_other_type, space_protect, BAD_TYPE, OTHER(SPACE), 0x10000000,
	4096, 0, 0, 0)
CALL_CHECK(space_protect_space_without_map, space_protect, NO_RIGHTS, WITHOUT(SPACE, MAP),
	0x10000000, 4096, 0, 0, 0)
CALL_CHECK(space_fork_space_stale, space_fork, BAD_HANDLE, STALE(), HEL_THIS, 0, 0, 0, 0)
CALL_CHECK(space_fork_space_revoked, space_fork, REVOKED, REVOKED(SPACE), HEL_THIS, 0, 0, 0, 0)
CALL_CHECK(space_fork_space_of_other_type, space_fork, BAD_TYPE, OTHER(SPACE), HEL_THIS, 0, 0, 0, 0)
CALL_CHECK(space_fork_space_without_manage, space_fork, NO_RIGHTS, WITHOUT(SPACE, MANAGE), HEL_THIS,
	0, 0, 0, 0)
CALL_CHECK(space_fork_universe_stale, space_fork, BAD_HANDLE, HEL_THIS, STALE(), 0, 0, 0, 0)
CALL_CHECK(space_fork_universe_revoked, space_fork, REVOKED, HEL_THIS, REVOKED(UNIVERSE), 0, 0, 0,
	0)
CALL_CHECK(space_fork_universe_of_other_type, space_fork, BAD_TYPE, HEL_THIS, OTHER(UNIVERSE), 0, 0,
	0, 0)
CALL_CHECK(space_fork_universe_without_grant, space_fork, NO_RIGHTS, HEL_THIS,
	WITHOUT(UNIVERSE, GRANT), 0, 0, 0, 0)
CALL_CHECK(space_read_space_stale, space_read, BAD_HANDLE, STALE(), 0, BUFFER(), 16, 0, 0)
CALL_CHECK(space_read_space_revoked, space_read, REVOKED, REVOKED(SPACE), 0, BUFFER(), 16, 0, 0)
CALL_CHECK(space_read_space_of_other_type, space_read, BAD_TYPE, OTHER(SPACE), 0, BUFFER(), 16, 0,
	0)
CALL_CHECK(space_read_space_without_read, space_read, NO_RIGHTS, WITHOUT(SPACE, READ), 0, BUFFER(),
	16, 0, 0)
CALL_CHECK(space_read_buffer_unmapped, space_read, FAULT, HEL_THIS, 0, UNMAPPED, 16, 0, 0)
CALL_CHECK(space_read_buffer_kernel_half, space_read, FAULT, HEL_THIS, 0, KERNEL_HALF, 16, 0, 0)
CALL_CHECK(space_read_buffer_wrapping, space_read, FAULT, HEL_THIS, 0, WRAPPING, 16, 0, 0)
CALL_CHECK(space_write_space_stale, space_write, BAD_HANDLE, STALE(), 0, BUFFER(), 16, 0, 0)
CALL_CHECK(space_write_space_revoked, space_write, REVOKED, REVOKED(SPACE), 0, BUFFER(), 16, 0, 0)
CALL_CHECK(space_write_space_of_other_type, space_write, BAD_TYPE, OTHER(SPACE), 0, BUFFER(), 16, 0,
	0)
CALL_CHECK(space_write_space_without_write, space_write, NO_RIGHTS, WITHOUT(SPACE, WRITE), 0,
	BUFFER(), 16, 0, 0)
CALL_CHECK(space_write_buffer_unmapped, space_write, FAULT, HEL_THIS, 0, UNMAPPED, 16, 0, 0)
CALL_CHECK(space_write_buffer_kernel_half, space_write, FAULT, HEL_THIS, 0, KERNEL_HALF, 16, 0, 0)
CALL_CHECK(space_write_buffer_wrapping, space_write, FAULT, HEL_THIS, 0, WRAPPING, 16, 0, 0)
CALL_CHECK(space_query_space_stale, space_query, BAD_HANDLE, STALE(), 0, BUFFER(), 0, 0, 0)
CALL_CHECK(space_query_space_revoked, space_query, REVOKED, REVOKED(SPACE), 0, BUFFER(), 0, 0, 0)
CALL_CHECK(space_query_space_of_other_type, space_query, BAD_TYPE, OTHER(SPACE), 0, BUFFER(), 0, 0,
	0)
CALL_CHECK(space_query_space_without_read, space_query, NO_RIGHTS, WITHOUT(SPACE, READ), 0,
	BUFFER(), 0, 0, 0)
CALL_CHECK(space_query_info_unmapped, space_query, FAULT, HEL_THIS, 0, UNMAPPED, 0, 0, 0)
CALL_CHECK(space_query_info_kernel_half, space_query, FAULT, HEL_THIS, 0, KERNEL_HALF, 0, 0, 0)
CALL_CHECK(space_query_info_wrapping, space_query, FAULT, HEL_THIS, 0, WRAPPING, 0, 0, 0)
CALL_CHECK(space_discard_space_stale, space_discard, BAD_HANDLE, STALE(), 0x10000000, 4096, 0, 0, 0)
CALL_CHECK(space_discard_space_revoked, space_discard, REVOKED, REVOKED(SPACE), 0x10000000, 4096, 0,
	0, 0)
CALL_CHECK(space_discard_space_of_other_type, space_discard, BAD_TYPE, OTHER(SPACE), 0x10000000,
	4096, 0, 0, 0)
CALL_CHECK(space_discard_space_without_map, space_discard, NO_RIGHTS, WITHOUT(SPACE, MAP),
	0x10000000, 4096, 0, 0, 0)
CALL_CHECK(space_move_space_stale, space_move, BAD_HANDLE, STALE(), 0x10000000, 4096, 0x20000000,
	4096, 0)
CALL_CHECK(space_move_space_revoked, space_move, REVOKED, REVOKED(SPACE), 0x10000000, 4096,
	0x20000000, 4096, 0)
CALL_CHECK(space_move_space_of_other_type, space_move, BAD_TYPE, OTHER(SPACE), 0x10000000, 4096,
	0x20000000, 4096, 0)
CALL_CHECK(space_move_space_without_map, space_move, NO_RIGHTS, WITHOUT(SPACE, MAP), 0x10000000,
	4096, 0x20000000, 4096, 0)
CALL_CHECK(thread_create_args_unmapped, thread_create, FAULT, UNMAPPED, 0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_kernel_half, thread_create, FAULT, KERNEL_HALF, 0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_wrapping, thread_create, FAULT, WRAPPING, 0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_universe_stale, thread_create, BAD_HANDLE,
	IN(struct hel_thread_args, .universe = STALE(), .space = HEL_THIS, .bounce_page = HEL_NULL, .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_universe_revoked, thread_create, REVOKED,
	IN(struct hel_thread_args, .universe = REVOKED(UNIVERSE), .space = HEL_THIS, .bounce_page = HEL_NULL, .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_universe_of_other_type, thread_create, BAD_TYPE,
	IN(struct hel_thread_args, .universe = OTHER(UNIVERSE), .space = HEL_THIS, .bounce_page = HEL_NULL, .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_universe_without_grant, thread_create, NO_RIGHTS,
	IN(struct hel_thread_args, .universe = WITHOUT(UNIVERSE, GRANT), .space = HEL_THIS, .bounce_page = HEL_NULL, .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_space_stale, thread_create, BAD_HANDLE,
	IN(struct hel_thread_args, .universe = HEL_THIS, .space = STALE(), .bounce_page = HEL_NULL, .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_space_revoked, thread_create, REVOKED,
	IN(struct hel_thread_args, .universe = HEL_THIS, .space = REVOKED(SPACE), .bounce_page = HEL_NULL, .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_space_of_other_type, thread_create, BAD_TYPE,
	IN(struct hel_thread_args, .universe = HEL_THIS, .space = OTHER(SPACE), .bounce_page = HEL_NULL, .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_space_without_map, thread_create, NO_RIGHTS,
	IN(struct hel_thread_args, .universe = HEL_THIS, .space = WITHOUT(SPACE, MAP), .bounce_page = HEL_NULL, .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_bounce_page_stale, thread_create, BAD_HANDLE,
	IN(struct hel_thread_args, .universe = HEL_THIS, .space = HEL_THIS, .bounce_page = STALE(), .bounce = IN(struct hel_bounce), .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_bounce_page_revoked, thread_create, REVOKED,
	IN(struct hel_thread_args, .universe = HEL_THIS, .space = HEL_THIS, .bounce_page = REVOKED(MEMORY), .bounce = IN(struct hel_bounce), .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_bounce_page_of_other_type, thread_create, BAD_TYPE,
	IN(struct hel_thread_args, .universe = HEL_THIS, .space = HEL_THIS, .bounce_page = OTHER(MEMORY), .bounce = IN(struct hel_bounce), .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_bounce_page_without_read, thread_create, NO_RIGHTS,
	IN(struct hel_thread_args, .universe = HEL_THIS, .space = HEL_THIS, .bounce_page = WITHOUT(MEMORY, READ), .bounce = IN(struct hel_bounce), .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_bounce_page_without_write, thread_create, NO_RIGHTS,
	IN(struct hel_thread_args, .universe = HEL_THIS, .space = HEL_THIS, .bounce_page = WITHOUT(MEMORY, WRITE), .bounce = IN(struct hel_bounce), .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_bounce_unmapped, thread_create, FAULT,
	IN(struct hel_thread_args, .universe = HEL_THIS, .space = HEL_THIS, .bounce_page = GOOD(MEMORY), .bounce = UNMAPPED, .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_bounce_kernel_half, thread_create, FAULT,
	IN(struct hel_thread_args, .universe = HEL_THIS, .space = HEL_THIS, .bounce_page = GOOD(MEMORY), .bounce = KERNEL_HALF, .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_create_args_bounce_wrapping, thread_create, FAULT,
	IN(struct hel_thread_args, .universe = HEL_THIS, .space = HEL_THIS, .bounce_page = GOOD(MEMORY), .bounce = WRAPPING, .ip = 0x400000),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_start_thread_stale, thread_start, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(thread_start_thread_revoked, thread_start, REVOKED, REVOKED(THREAD), 0, 0, 0, 0, 0)
CALL_CHECK(thread_start_thread_of_other_type, thread_start, BAD_TYPE, OTHER(THREAD), 0, 0, 0, 0, 0)
CALL_CHECK(thread_start_thread_without_manage, thread_start, NO_RIGHTS, WITHOUT(THREAD, MANAGE), 0,
	0, 0, 0, 0)
CALL_CHECK(thread_kill_thread_stale, thread_kill, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(thread_kill_thread_revoked, thread_kill, REVOKED, REVOKED(THREAD), 0, 0, 0, 0, 0)
CALL_CHECK(thread_kill_thread_of_other_type, thread_kill, BAD_TYPE, OTHER(THREAD), 0, 0, 0, 0, 0)
CALL_CHECK(thread_kill_thread_without_manage, thread_kill, NO_RIGHTS, WITHOUT(THREAD, MANAGE), 0, 0,
	0, 0, 0)
CALL_CHECK(thread_kick_thread_stale, thread_kick, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(thread_kick_thread_revoked, thread_kick, REVOKED, REVOKED(THREAD), 0, 0, 0, 0, 0)
CALL_CHECK(thread_kick_thread_of_other_type, thread_kick, BAD_TYPE, OTHER(THREAD), 0, 0, 0, 0, 0)
CALL_CHECK(thread_kick_thread_without_signal, thread_kick, NO_RIGHTS, WITHOUT(THREAD, SIGNAL), 0, 0,
	0, 0, 0)
CALL_CHECK(thread_read_registers_thread_stale, thread_read_registers, BAD_HANDLE, STALE(), 0,
	BUFFER(), 4096, 0, 0)
CALL_CHECK(thread_read_registers_thread_revoked, thread_read_registers, REVOKED, REVOKED(THREAD), 0,
	BUFFER(), 4096, 0, 0)
CALL_CHECK(thread_read_registers_thread_of_other_type, thread_read_registers, BAD_TYPE,
	OTHER(THREAD), 0, BUFFER(), 4096, 0, 0)
CALL_CHECK(thread_read_registers_thread_without_read, thread_read_registers, NO_RIGHTS,
	WITHOUT(THREAD, READ), 0, BUFFER(), 4096, 0, 0)
CALL_CHECK(thread_read_registers_buffer_unmapped, thread_read_registers, FAULT, GOOD(THREAD), 0,
	UNMAPPED, 4096, 0, 0)
CALL_CHECK(thread_read_registers_buffer_kernel_half, thread_read_registers, FAULT, GOOD(THREAD), 0,
	KERNEL_HALF, 4096, 0, 0)
CALL_CHECK(thread_read_registers_buffer_wrapping, thread_read_registers, FAULT, GOOD(THREAD), 0,
	WRAPPING, 4096, 0, 0)
CALL_CHECK(thread_write_registers_thread_stale, thread_write_registers, BAD_HANDLE, STALE(), 0,
	BUFFER(), 160, 0, 0)
CALL_CHECK(thread_write_registers_thread_revoked, thread_write_registers, REVOKED, REVOKED(THREAD),
	0, BUFFER(), 160, 0, 0)
CALL_CHECK(thread_write_registers_thread_of_other_type, thread_write_registers, BAD_TYPE,
	OTHER(THREAD), 0, BUFFER(), 160, 0, 0)
CALL_CHECK(thread_write_registers_thread_without_write, thread_write_registers, NO_RIGHTS,
	WITHOUT(THREAD, WRITE), 0, BUFFER(), 160, 0, 0)
CALL_CHECK(thread_write_registers_buffer_unmapped, thread_write_registers, FAULT, HEL_THIS, 0,
	UNMAPPED, 160, 0, 0)
CALL_CHECK(thread_write_registers_buffer_kernel_half, thread_write_registers, FAULT, HEL_THIS, 0,
	KERNEL_HALF, 160, 0, 0)
CALL_CHECK(thread_write_registers_buffer_wrapping, thread_write_registers, FAULT, HEL_THIS, 0,
	WRAPPING, 160, 0, 0)
CALL_CHECK(thread_stats_thread_stale, thread_stats, BAD_HANDLE, STALE(), BUFFER(), 0, 0, 0, 0)
CALL_CHECK(thread_stats_thread_revoked, thread_stats, REVOKED, REVOKED(THREAD), BUFFER(), 0, 0, 0,
	0)
CALL_CHECK(thread_stats_thread_of_other_type, thread_stats, BAD_TYPE, OTHER(THREAD), BUFFER(), 0, 0,
	0, 0)
CALL_CHECK(thread_stats_thread_without_read, thread_stats, NO_RIGHTS, WITHOUT(THREAD, READ),
	BUFFER(), 0, 0, 0, 0)
CALL_CHECK(thread_stats_stats_unmapped, thread_stats, FAULT, HEL_THIS, UNMAPPED, 0, 0, 0, 0)
CALL_CHECK(thread_stats_stats_kernel_half, thread_stats, FAULT, HEL_THIS, KERNEL_HALF, 0, 0, 0, 0)
CALL_CHECK(thread_stats_stats_wrapping, thread_stats, FAULT, HEL_THIS, WRAPPING, 0, 0, 0, 0)
CALL_CHECK(thread_set_priority_thread_stale, thread_set_priority, BAD_HANDLE, STALE(), 0, 0, 0, 0,
	0)
CALL_CHECK(thread_set_priority_thread_revoked, thread_set_priority, REVOKED, REVOKED(THREAD), 0, 0,
	0, 0, 0)
CALL_CHECK(thread_set_priority_thread_of_other_type, thread_set_priority, BAD_TYPE, OTHER(THREAD),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_set_priority_thread_without_manage, thread_set_priority, NO_RIGHTS,
	WITHOUT(THREAD, MANAGE), 0, 0, 0, 0, 0)
CALL_CHECK(thread_resume_thread_stale, thread_resume, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(thread_resume_thread_revoked, thread_resume, REVOKED, REVOKED(THREAD), 0, 0, 0, 0, 0)
CALL_CHECK(thread_resume_thread_of_other_type, thread_resume, BAD_TYPE, OTHER(THREAD), 0, 0, 0, 0,
	0)
CALL_CHECK(thread_resume_thread_without_manage, thread_resume, NO_RIGHTS, WITHOUT(THREAD, MANAGE),
	0, 0, 0, 0, 0)
CALL_CHECK(thread_interrupt_thread_stale, thread_interrupt, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(thread_interrupt_thread_revoked, thread_interrupt, REVOKED, REVOKED(THREAD), 0, 0, 0, 0,
	0)
CALL_CHECK(thread_interrupt_thread_of_other_type, thread_interrupt, BAD_TYPE, OTHER(THREAD), 0, 0,
	0, 0, 0)
CALL_CHECK(thread_interrupt_thread_without_manage, thread_interrupt, NO_RIGHTS,
	WITHOUT(THREAD, MANAGE), 0, 0, 0, 0, 0)
CALL_CHECK(thread_set_affinity_thread_stale, thread_set_affinity, BAD_HANDLE, STALE(), 1, 0, 0, 0,
	0)
CALL_CHECK(thread_set_affinity_thread_revoked, thread_set_affinity, REVOKED, REVOKED(THREAD), 1, 0,
	0, 0, 0)
CALL_CHECK(thread_set_affinity_thread_of_other_type, thread_set_affinity, BAD_TYPE, OTHER(THREAD),
	1, 0, 0, 0, 0)
CALL_CHECK(thread_set_affinity_thread_without_manage, thread_set_affinity, NO_RIGHTS,
	WITHOUT(THREAD, MANAGE), 1, 0, 0, 0, 0)
CALL_CHECK(thread_set_weight_thread_stale, thread_set_weight, BAD_HANDLE, STALE(), 1024, 0, 0, 0, 0)
CALL_CHECK(thread_set_weight_thread_revoked, thread_set_weight, REVOKED, REVOKED(THREAD), 1024, 0,
	0, 0, 0)
CALL_CHECK(thread_set_weight_thread_of_other_type, thread_set_weight, BAD_TYPE, OTHER(THREAD), 1024,
	0, 0, 0, 0)
CALL_CHECK(thread_set_weight_thread_without_manage, thread_set_weight, NO_RIGHTS,
	WITHOUT(THREAD, MANAGE), 1024, 0, 0, 0, 0)
CALL_CHECK(space_try_read_space_stale, space_try_read, BAD_HANDLE, STALE(), 0, BUFFER(), 16, 0, 0)
CALL_CHECK(space_try_read_space_revoked, space_try_read, REVOKED, REVOKED(SPACE), 0, BUFFER(), 16,
	0, 0)
CALL_CHECK(space_try_read_space_of_other_type, space_try_read, BAD_TYPE, OTHER(SPACE), 0, BUFFER(),
	16, 0, 0)
CALL_CHECK(space_try_read_space_without_read, space_try_read, NO_RIGHTS, WITHOUT(SPACE, READ), 0,
	BUFFER(), 16, 0, 0)
CALL_CHECK(space_try_read_buffer_unmapped, space_try_read, FAULT, HEL_THIS, 0, UNMAPPED, 16, 0, 0)
CALL_CHECK(space_try_read_buffer_kernel_half, space_try_read, FAULT, HEL_THIS, 0, KERNEL_HALF, 16,
	0, 0)
CALL_CHECK(space_try_read_buffer_wrapping, space_try_read, FAULT, HEL_THIS, 0, WRAPPING, 16, 0, 0)
CALL_CHECK(space_try_write_space_stale, space_try_write, BAD_HANDLE, STALE(), 0, BUFFER(), 16, 0, 0)
CALL_CHECK(space_try_write_space_revoked, space_try_write, REVOKED, REVOKED(SPACE), 0, BUFFER(), 16,
	0, 0)
CALL_CHECK(space_try_write_space_of_other_type, space_try_write, BAD_TYPE, OTHER(SPACE), 0,
	BUFFER(), 16, 0, 0)
CALL_CHECK(space_try_write_space_without_write, space_try_write, NO_RIGHTS, WITHOUT(SPACE, WRITE),
	0, BUFFER(), 16, 0, 0)
CALL_CHECK(space_try_write_buffer_unmapped, space_try_write, FAULT, HEL_THIS, 0, UNMAPPED, 16, 0, 0)
CALL_CHECK(space_try_write_buffer_kernel_half, space_try_write, FAULT, HEL_THIS, 0, KERNEL_HALF, 16,
	0, 0)
CALL_CHECK(space_try_write_buffer_wrapping, space_try_write, FAULT, HEL_THIS, 0, WRAPPING, 16, 0, 0)
CALL_CHECK(queue_create_params_unmapped, queue_create, FAULT, UNMAPPED, 0, 0, 0, 0, 0)
CALL_CHECK(queue_create_params_kernel_half, queue_create, FAULT, KERNEL_HALF, 0, 0, 0, 0, 0)
CALL_CHECK(queue_create_params_wrapping, queue_create, FAULT, WRAPPING, 0, 0, 0, 0, 0)
CALL_CHECK(drive_queue_stale, drive, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(drive_queue_revoked, drive, REVOKED, REVOKED(QUEUE), 0, 0, 0, 0, 0)
CALL_CHECK(drive_queue_of_other_type, drive, BAD_TYPE, OTHER(QUEUE), 0, 0, 0, 0, 0)
CALL_CHECK(drive_queue_without_invoke, drive, NO_RIGHTS, WITHOUT(QUEUE, INVOKE), 0, 0, 0, 0, 0)
CALL_CHECK(queue_alert_queue_stale, queue_alert, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(queue_alert_queue_revoked, queue_alert, REVOKED, REVOKED(QUEUE), 0, 0, 0, 0, 0)
CALL_CHECK(queue_alert_queue_of_other_type, queue_alert, BAD_TYPE, OTHER(QUEUE), 0, 0, 0, 0, 0)
CALL_CHECK(queue_alert_queue_without_signal, queue_alert, NO_RIGHTS, WITHOUT(QUEUE, SIGNAL), 0, 0,
	0, 0, 0)
CALL_CHECK(stream_create_lanes_unmapped, stream_create, FAULT, UNMAPPED, 0, 0, 0, 0, 0)
CALL_CHECK(stream_create_lanes_kernel_half, stream_create, FAULT, KERNEL_HALF, 0, 0, 0, 0, 0)
CALL_CHECK(stream_create_lanes_wrapping, stream_create, FAULT, WRAPPING, 0, 0, 0, 0, 0)
CALL_CHECK(lane_shutdown_lane_stale, lane_shutdown, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(lane_shutdown_lane_revoked, lane_shutdown, REVOKED, REVOKED(LANE), 0, 0, 0, 0, 0)
CALL_CHECK(lane_shutdown_lane_of_other_type, lane_shutdown, BAD_TYPE, OTHER(LANE), 0, 0, 0, 0, 0)
CALL_CHECK(lane_shutdown_lane_without_invoke, lane_shutdown, NO_RIGHTS, WITHOUT(LANE, INVOKE), 0, 0,
	0, 0, 0)
CALL_CHECK(event_raise_event_stale, event_raise, BAD_HANDLE, STALE(), 1, 0, 0, 0, 0)
CALL_CHECK(event_raise_event_revoked, event_raise, REVOKED, REVOKED(EVENT), 1, 0, 0, 0, 0)
CALL_CHECK(event_raise_event_of_other_type, event_raise, BAD_TYPE, OTHER(EVENT), 1, 0, 0, 0, 0)
CALL_CHECK(event_raise_event_without_signal, event_raise, NO_RIGHTS, WITHOUT(EVENT, SIGNAL), 1, 0,
	0, 0, 0)
CALL_CHECK(irq_create_msi_authority_stale, irq_create_msi, BAD_HANDLE, STALE(), BUFFER(), 0, 0, 0,
	0)
CALL_CHECK(irq_create_msi_authority_revoked, irq_create_msi, REVOKED, REVOKED(AUTHORITY), BUFFER(),
	0, 0, 0, 0)
CALL_CHECK(irq_create_msi_authority_of_other_type, irq_create_msi, BAD_TYPE, OTHER(AUTHORITY),
	BUFFER(), 0, 0, 0, 0)
CALL_CHECK(irq_create_msi_authority_without_manage, irq_create_msi, NO_RIGHTS,
	WITHOUT(AUTHORITY, MANAGE), BUFFER(), 0, 0, 0, 0)
CALL_CHECK(irq_create_msi_info_unmapped, irq_create_msi, FAULT, GOOD(AUTHORITY), UNMAPPED, 0, 0, 0,
	0)
CALL_CHECK(irq_create_msi_info_kernel_half, irq_create_msi, FAULT, GOOD(AUTHORITY), KERNEL_HALF, 0,
	0, 0, 0)
CALL_CHECK(irq_create_msi_info_wrapping, irq_create_msi, FAULT, GOOD(AUTHORITY), WRAPPING, 0, 0, 0,
	0)
CALL_CHECK(irq_acknowledge_irq_stale, irq_acknowledge, BAD_HANDLE, STALE(), 1, 0, 0, 0, 0)
CALL_CHECK(irq_acknowledge_irq_revoked, irq_acknowledge, REVOKED, REVOKED(IRQ), 1, 0, 0, 0, 0)
CALL_CHECK(irq_acknowledge_irq_of_other_type, irq_acknowledge, BAD_TYPE, OTHER(IRQ), 1, 0, 0, 0, 0)
CALL_CHECK(irq_acknowledge_irq_without_manage, irq_acknowledge, NO_RIGHTS, WITHOUT(IRQ, MANAGE), 1,
	0, 0, 0, 0)
CALL_CHECK(futex_wait_word_unmapped, futex_wait, FAULT, UNMAPPED, 0, 0, 1, 0, 0)
CALL_CHECK(futex_wait_word_kernel_half, futex_wait, FAULT, KERNEL_HALF, 0, 0, 1, 0, 0)
CALL_CHECK(futex_wait_word_wrapping, futex_wait, FAULT, WRAPPING, 0, 0, 1, 0, 0)
CALL_CHECK(futex_wake_word_unmapped, futex_wake, FAULT, UNMAPPED, 1, 1, 0, 0, 0)
CALL_CHECK(futex_wake_word_kernel_half, futex_wake, FAULT, KERNEL_HALF, 1, 1, 0, 0, 0)
CALL_CHECK(futex_wake_word_wrapping, futex_wake, FAULT, WRAPPING, 1, 1, 0, 0, 0)
CALL_CHECK(futex_requeue_from_unmapped, futex_requeue, FAULT, UNMAPPED, HEL_FUTEX_ANY, WORD(), 1, 1,
	0)
CALL_CHECK(futex_requeue_from_kernel_half, futex_requeue, FAULT, KERNEL_HALF, HEL_FUTEX_ANY, WORD(),
	1, 1, 0)
CALL_CHECK(futex_requeue_from_wrapping, futex_requeue, FAULT, WRAPPING, HEL_FUTEX_ANY, WORD(), 1, 1,
	0)
CALL_CHECK(futex_requeue_to_unmapped, futex_requeue, FAULT, WORD(), HEL_FUTEX_ANY, UNMAPPED, 1, 1,
	0)
CALL_CHECK(futex_requeue_to_kernel_half, futex_requeue, FAULT, WORD(), HEL_FUTEX_ANY, KERNEL_HALF,
	1, 1, 0)
CALL_CHECK(futex_requeue_to_wrapping, futex_requeue, FAULT, WORD(), HEL_FUTEX_ANY, WRAPPING, 1, 1,
	0)
CALL_CHECK(futex_name_thread_stale, futex_name, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(futex_name_thread_revoked, futex_name, REVOKED, REVOKED(THREAD), 0, 0, 0, 0, 0)
CALL_CHECK(futex_name_thread_of_other_type, futex_name, BAD_TYPE, OTHER(THREAD), 0, 0, 0, 0, 0)
CALL_CHECK(futex_name_thread_without_manage, futex_name, NO_RIGHTS, WITHOUT(THREAD, MANAGE), 0, 0,
	0, 0, 0)
CALL_CHECK(futex_lock_word_unmapped, futex_lock, FAULT, UNMAPPED, 0, 0, 0, 0, 0)
CALL_CHECK(futex_lock_word_kernel_half, futex_lock, FAULT, KERNEL_HALF, 0, 0, 0, 0, 0)
CALL_CHECK(futex_lock_word_wrapping, futex_lock, FAULT, WRAPPING, 0, 0, 0, 0, 0)
CALL_CHECK(futex_unlock_word_unmapped, futex_unlock, FAULT, UNMAPPED, 0, 0, 0, 0, 0)
CALL_CHECK(futex_unlock_word_kernel_half, futex_unlock, FAULT, KERNEL_HALF, 0, 0, 0, 0, 0)
CALL_CHECK(futex_unlock_word_wrapping, futex_unlock, FAULT, WRAPPING, 0, 0, 0, 0, 0)
CALL_CHECK(futex_wake_in_space_stale, futex_wake_in, BAD_HANDLE, STALE(), 0, 1, 1, 0, 0)
CALL_CHECK(futex_wake_in_space_revoked, futex_wake_in, REVOKED, REVOKED(SPACE), 0, 1, 1, 0, 0)
CALL_CHECK(futex_wake_in_space_of_other_type, futex_wake_in, BAD_TYPE, OTHER(SPACE), 0, 1, 1, 0, 0)
CALL_CHECK(futex_wake_in_space_without_read, futex_wake_in, NO_RIGHTS, WITHOUT(SPACE, READ), 0, 1,
	1, 0, 0)
CALL_CHECK(futex_wait_requeue_word_unmapped, futex_wait_requeue, FAULT, UNMAPPED, 0, 0, WORD(), 0,
	0)
CALL_CHECK(futex_wait_requeue_word_kernel_half, futex_wait_requeue, FAULT, KERNEL_HALF, 0, 0,
	WORD(), 0, 0)
CALL_CHECK(futex_wait_requeue_word_wrapping, futex_wait_requeue, FAULT, WRAPPING, 0, 0, WORD(), 0,
	0)
CALL_CHECK(futex_wait_requeue_lock_unmapped, futex_wait_requeue, FAULT, WORD(), 0, 0, UNMAPPED, 0,
	0)
CALL_CHECK(futex_wait_requeue_lock_kernel_half, futex_wait_requeue, FAULT, WORD(), 0, 0,
	KERNEL_HALF, 0, 0)
CALL_CHECK(futex_wait_requeue_lock_wrapping, futex_wait_requeue, FAULT, WORD(), 0, 0, WRAPPING, 0,
	0)
CALL_CHECK(futex_requeue_lock_from_unmapped, futex_requeue_lock, FAULT, UNMAPPED, 0, WORD(), 0, 1,
	0)
CALL_CHECK(futex_requeue_lock_from_kernel_half, futex_requeue_lock, FAULT, KERNEL_HALF, 0, WORD(),
	0, 1, 0)
CALL_CHECK(futex_requeue_lock_from_wrapping, futex_requeue_lock, FAULT, WRAPPING, 0, WORD(), 0, 1,
	0)
CALL_CHECK(futex_requeue_lock_lock_unmapped, futex_requeue_lock, FAULT, WORD(), 0, UNMAPPED, 0, 1,
	0)
CALL_CHECK(futex_requeue_lock_lock_kernel_half, futex_requeue_lock, FAULT, WORD(), 0, KERNEL_HALF,
	0, 1, 0)
CALL_CHECK(futex_requeue_lock_lock_wrapping, futex_requeue_lock, FAULT, WORD(), 0, WRAPPING, 0, 1,
	0)
CALL_CHECK(random_buffer_unmapped, random, FAULT, UNMAPPED, 16, 0, 0, 0, 0)
CALL_CHECK(random_buffer_kernel_half, random, FAULT, KERNEL_HALF, 16, 0, 0, 0, 0)
CALL_CHECK(random_buffer_wrapping, random, FAULT, WRAPPING, 16, 0, 0, 0, 0)
CALL_CHECK(clock_set_realtime_authority_stale, clock_set_realtime, BAD_HANDLE, STALE(), 0, 0, 0, 0,
	0)
CALL_CHECK(clock_set_realtime_authority_revoked, clock_set_realtime, REVOKED, REVOKED(AUTHORITY), 0,
	0, 0, 0, 0)
CALL_CHECK(clock_set_realtime_authority_of_other_type, clock_set_realtime, BAD_TYPE,
	OTHER(AUTHORITY), 0, 0, 0, 0, 0)
CALL_CHECK(clock_set_realtime_authority_without_signal, clock_set_realtime, NO_RIGHTS,
	WITHOUT(AUTHORITY, SIGNAL), 0, 0, 0, 0, 0)
CALL_CHECK(io_create_authority_stale, io_create, BAD_HANDLE, STALE(), 0x80, 1, 0, 0, 0)
CALL_CHECK(io_create_authority_revoked, io_create, REVOKED, REVOKED(AUTHORITY), 0x80, 1, 0, 0, 0)
CALL_CHECK(io_create_authority_of_other_type, io_create, BAD_TYPE, OTHER(AUTHORITY), 0x80, 1, 0, 0,
	0)
CALL_CHECK(io_create_authority_without_manage, io_create, NO_RIGHTS, WITHOUT(AUTHORITY, MANAGE),
	0x80, 1, 0, 0, 0)
CALL_CHECK(io_read_io_stale, io_read, BAD_HANDLE, STALE(), 0, 1, 0, 0, 0)
CALL_CHECK(io_read_io_revoked, io_read, REVOKED, REVOKED(IO), 0, 1, 0, 0, 0)
CALL_CHECK(io_read_io_of_other_type, io_read, BAD_TYPE, OTHER(IO), 0, 1, 0, 0, 0)
CALL_CHECK(io_read_io_without_read, io_read, NO_RIGHTS, WITHOUT(IO, READ), 0, 1, 0, 0, 0)
CALL_CHECK(io_write_io_stale, io_write, BAD_HANDLE, STALE(), 0, 1, 0, 0, 0)
CALL_CHECK(io_write_io_revoked, io_write, REVOKED, REVOKED(IO), 0, 1, 0, 0, 0)
CALL_CHECK(io_write_io_of_other_type, io_write, BAD_TYPE, OTHER(IO), 0, 1, 0, 0, 0)
CALL_CHECK(io_write_io_without_write, io_write, NO_RIGHTS, WITHOUT(IO, WRITE), 0, 1, 0, 0, 0)
CALL_CHECK(kernel_stats_authority_stale, kernel_stats, BAD_HANDLE, STALE(), BUFFER(), 0, 0, 0, 0)
CALL_CHECK(kernel_stats_authority_revoked, kernel_stats, REVOKED, REVOKED(AUTHORITY), BUFFER(), 0,
	0, 0, 0)
CALL_CHECK(kernel_stats_authority_of_other_type, kernel_stats, BAD_TYPE, OTHER(AUTHORITY), BUFFER(),
	0, 0, 0, 0)
CALL_CHECK(kernel_stats_authority_without_read, kernel_stats, NO_RIGHTS, WITHOUT(AUTHORITY, READ),
	BUFFER(), 0, 0, 0, 0)
CALL_CHECK(kernel_stats_stats_unmapped, kernel_stats, FAULT, GOOD(AUTHORITY), UNMAPPED, 0, 0, 0, 0)
CALL_CHECK(kernel_stats_stats_kernel_half, kernel_stats, FAULT, GOOD(AUTHORITY), KERNEL_HALF, 0, 0,
	0, 0)
CALL_CHECK(kernel_stats_stats_wrapping, kernel_stats, FAULT, GOOD(AUTHORITY), WRAPPING, 0, 0, 0, 0)
CALL_CHECK(log_read_authority_stale, log_read, BAD_HANDLE, STALE(), BUFFER(), BUFFER(), 16, 0, 0)
CALL_CHECK(log_read_authority_revoked, log_read, REVOKED, REVOKED(AUTHORITY), BUFFER(), BUFFER(),
	16, 0, 0)
CALL_CHECK(log_read_authority_of_other_type, log_read, BAD_TYPE, OTHER(AUTHORITY), BUFFER(),
	BUFFER(), 16, 0, 0)
CALL_CHECK(log_read_authority_without_read, log_read, NO_RIGHTS, WITHOUT(AUTHORITY, READ), BUFFER(),
	BUFFER(), 16, 0, 0)
CALL_CHECK(log_read_offset_unmapped, log_read, FAULT, GOOD(AUTHORITY), UNMAPPED, BUFFER(), 16, 0, 0)
CALL_CHECK(log_read_offset_kernel_half, log_read, FAULT, GOOD(AUTHORITY), KERNEL_HALF, BUFFER(), 16,
	0, 0)
CALL_CHECK(log_read_offset_wrapping, log_read, FAULT, GOOD(AUTHORITY), WRAPPING, BUFFER(), 16, 0, 0)
CALL_CHECK(log_read_buffer_unmapped, log_read, FAULT, GOOD(AUTHORITY), BUFFER(), UNMAPPED, 16, 0, 0)
CALL_CHECK(log_read_buffer_kernel_half, log_read, FAULT, GOOD(AUTHORITY), BUFFER(), KERNEL_HALF, 16,
	0, 0)
CALL_CHECK(log_read_buffer_wrapping, log_read, FAULT, GOOD(AUTHORITY), BUFFER(), WRAPPING, 16, 0, 0)
CALL_CHECK(universe_set_limits_universe_stale, universe_set_limits, BAD_HANDLE, STALE(),
	IN(struct hel_limits), 0, 0, 0, 0)
CALL_CHECK(universe_set_limits_universe_revoked, universe_set_limits, REVOKED, REVOKED(UNIVERSE),
	IN(struct hel_limits), 0, 0, 0, 0)
CALL_CHECK(universe_set_limits_universe_of_other_type, universe_set_limits, BAD_TYPE,
	OTHER(UNIVERSE), IN(struct hel_limits), 0, 0, 0, 0)
CALL_CHECK(universe_set_limits_universe_without_manage, universe_set_limits, NO_RIGHTS,
	WITHOUT(UNIVERSE, MANAGE), IN(struct hel_limits), 0, 0, 0, 0)
CALL_CHECK(universe_set_limits_limits_unmapped, universe_set_limits, FAULT, GOOD(UNIVERSE),
	UNMAPPED, 0, 0, 0, 0)
CALL_CHECK(universe_set_limits_limits_kernel_half, universe_set_limits, FAULT, GOOD(UNIVERSE),
	KERNEL_HALF, 0, 0, 0, 0)
CALL_CHECK(universe_set_limits_limits_wrapping, universe_set_limits, FAULT, GOOD(UNIVERSE),
	WRAPPING, 0, 0, 0, 0)
CALL_CHECK(universe_account_universe_stale, universe_account, BAD_HANDLE, STALE(), BUFFER(), 0, 0,
	0, 0)
CALL_CHECK(universe_account_universe_revoked, universe_account, REVOKED, REVOKED(UNIVERSE),
	BUFFER(), 0, 0, 0, 0)
CALL_CHECK(universe_account_universe_of_other_type, universe_account, BAD_TYPE, OTHER(UNIVERSE),
	BUFFER(), 0, 0, 0, 0)
CALL_CHECK(universe_account_universe_without_read, universe_account, NO_RIGHTS,
	WITHOUT(UNIVERSE, READ), BUFFER(), 0, 0, 0, 0)
CALL_CHECK(universe_account_info_unmapped, universe_account, FAULT, HEL_THIS, UNMAPPED, 0, 0, 0, 0)
CALL_CHECK(universe_account_info_kernel_half, universe_account, FAULT, HEL_THIS, KERNEL_HALF, 0, 0,
	0, 0)
CALL_CHECK(universe_account_info_wrapping, universe_account, FAULT, HEL_THIS, WRAPPING, 0, 0, 0, 0)
CALL_CHECK(grant_create_grant_stale, grant_create, BAD_HANDLE, STALE(), GOOD(TOKEN), 0, 0, BUFFER(),
	0)
CALL_CHECK(grant_create_grant_revoked, grant_create, REVOKED, REVOKED(GRANT), GOOD(TOKEN), 0, 0,
	BUFFER(), 0)
CALL_CHECK(grant_create_grant_of_other_type, grant_create, BAD_TYPE, OTHER(GRANT), GOOD(TOKEN), 0,
	0, BUFFER(), 0)
CALL_CHECK(grant_create_grant_without_grant, grant_create, NO_RIGHTS, WITHOUT(GRANT, GRANT),
	GOOD(TOKEN), 0, 0, BUFFER(), 0)
CALL_CHECK(grant_create_handle_stale, grant_create, BAD_HANDLE, HEL_NULL, STALE(), 0, 0, BUFFER(),
	0)
CALL_CHECK(grant_create_handle_revoked, grant_create, REVOKED, HEL_NULL, REVOKED(TOKEN), 0, 0,
	BUFFER(), 0)
CALL_CHECK(grant_create_handle_without_derive, grant_create, NO_RIGHTS, HEL_NULL,
	WITHOUT(TOKEN, DERIVE), 0, 0, BUFFER(), 0)
CALL_CHECK(grant_create_handles_unmapped, grant_create, FAULT, HEL_NULL, GOOD(TOKEN), 0, 0,
	UNMAPPED, 0)
CALL_CHECK(grant_create_handles_kernel_half, grant_create, FAULT, HEL_NULL, GOOD(TOKEN), 0, 0,
	KERNEL_HALF, 0)
CALL_CHECK(grant_create_handles_wrapping, grant_create, FAULT, HEL_NULL, GOOD(TOKEN), 0, 0,
	WRAPPING, 0)
CALL_CHECK(grant_revoke_grant_stale, grant_revoke, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(grant_revoke_grant_revoked, grant_revoke, REVOKED, REVOKED(GRANT), 0, 0, 0, 0, 0)
CALL_CHECK(grant_revoke_grant_of_other_type, grant_revoke, BAD_TYPE, OTHER(GRANT), 0, 0, 0, 0, 0)
CALL_CHECK(grant_revoke_grant_without_manage, grant_revoke, NO_RIGHTS, WITHOUT(GRANT, MANAGE), 0, 0,
	0, 0, 0)
CALL_CHECK(memory_create_managed_handles_unmapped, memory_create_managed, FAULT, 4096, 0, UNMAPPED,
	0, 0, 0)
CALL_CHECK(memory_create_managed_handles_kernel_half, memory_create_managed, FAULT, 4096, 0,
	KERNEL_HALF, 0, 0, 0)
CALL_CHECK(memory_create_managed_handles_wrapping, memory_create_managed, FAULT, 4096, 0, WRAPPING,
	0, 0, 0)
CALL_CHECK(memory_update_backing_stale, memory_update, BAD_HANDLE, STALE(), 0, 0, 4096, 0, 0)
CALL_CHECK(memory_update_backing_revoked, memory_update, REVOKED, REVOKED(MEMORY), 0, 0, 4096, 0, 0)
CALL_CHECK(memory_update_backing_of_other_type, memory_update, BAD_TYPE, OTHER(MEMORY), 0, 0, 4096,
	0, 0)
CALL_CHECK(memory_update_backing_without_manage, memory_update, NO_RIGHTS, WITHOUT(MEMORY, MANAGE),
	0, 0, 4096, 0, 0)
CALL_CHECK(memory_invalidate_backing_stale, memory_invalidate, BAD_HANDLE, STALE(), 0, 4096, 0, 0,
	0)
CALL_CHECK(memory_invalidate_backing_revoked, memory_invalidate, REVOKED, REVOKED(MEMORY), 0, 4096,
	0, 0, 0)
CALL_CHECK(memory_invalidate_backing_of_other_type, memory_invalidate, BAD_TYPE, OTHER(MEMORY), 0,
	4096, 0, 0, 0)
CALL_CHECK(memory_invalidate_backing_without_manage, memory_invalidate, NO_RIGHTS,
	WITHOUT(MEMORY, MANAGE), 0, 4096, 0, 0, 0)
CALL_CHECK(memory_advise_frontal_stale, memory_advise, BAD_HANDLE, STALE(), 0, 0, 4096, 0, 0)
CALL_CHECK(memory_advise_frontal_revoked, memory_advise, REVOKED, REVOKED(MEMORY), 0, 0, 4096, 0, 0)
CALL_CHECK(memory_advise_frontal_of_other_type, memory_advise, BAD_TYPE, OTHER(MEMORY), 0, 0, 4096,
	0, 0)
CALL_CHECK(memory_advise_frontal_without_read, memory_advise, NO_RIGHTS, WITHOUT(MEMORY, READ), 0,
	0, 4096, 0, 0)
CALL_CHECK(memory_unlock_memory_stale, memory_unlock, BAD_HANDLE, STALE(), 0, 4096, 0, 0, 0)
CALL_CHECK(memory_unlock_memory_revoked, memory_unlock, REVOKED, REVOKED(MEMORY), 0, 4096, 0, 0, 0)
CALL_CHECK(memory_unlock_memory_of_other_type, memory_unlock, BAD_TYPE, OTHER(MEMORY), 0, 4096, 0,
	0, 0)
CALL_CHECK(memory_unlock_memory_without_pin, memory_unlock, NO_RIGHTS, WITHOUT(MEMORY, PIN), 0,
	4096, 0, 0, 0)
CALL_CHECK(memory_create_swap_authority_stale, memory_create_swap, BAD_HANDLE, STALE(), 4096, 0, 0,
	0, 0)
CALL_CHECK(memory_create_swap_authority_revoked, memory_create_swap, REVOKED, REVOKED(AUTHORITY),
	4096, 0, 0, 0, 0)
CALL_CHECK(memory_create_swap_authority_of_other_type, memory_create_swap, BAD_TYPE,
	OTHER(AUTHORITY), 4096, 0, 0, 0, 0)
CALL_CHECK(memory_create_swap_authority_without_manage, memory_create_swap, NO_RIGHTS,
	WITHOUT(AUTHORITY, MANAGE), 4096, 0, 0, 0, 0)
CALL_CHECK(memory_slice_memory_stale, memory_slice, BAD_HANDLE, STALE(), 0, 4096, 0, 0, 0)
CALL_CHECK(memory_slice_memory_revoked, memory_slice, REVOKED, REVOKED(MEMORY), 0, 4096, 0, 0, 0)
CALL_CHECK(memory_slice_memory_of_other_type, memory_slice, BAD_TYPE, OTHER(MEMORY), 0, 4096, 0, 0,
	0)
CALL_CHECK(memory_slice_memory_without_map, memory_slice, NO_RIGHTS, WITHOUT(MEMORY, MAP), 0, 4096,
	0, 0, 0)
CALL_CHECK(memory_slice_memory_without_derive, memory_slice, NO_RIGHTS, WITHOUT(MEMORY, DERIVE), 0,
	4096, 0, 0, 0)
CALL_CHECK(memory_indirect_set_indirect_stale, memory_indirect_set, BAD_HANDLE, STALE(), 0,
	HEL_NULL, 0, 0, 0)
CALL_CHECK(memory_indirect_set_indirect_revoked, memory_indirect_set, REVOKED, REVOKED(MEMORY), 0,
	HEL_NULL, 0, 0, 0)
CALL_CHECK(memory_indirect_set_indirect_of_other_type, memory_indirect_set, BAD_TYPE, OTHER(MEMORY),
	0, HEL_NULL, 0, 0, 0)
CALL_CHECK(memory_indirect_set_indirect_without_manage, memory_indirect_set, NO_RIGHTS,
	WITHOUT(MEMORY, MANAGE), 0, HEL_NULL, 0, 0, 0)
CALL_CHECK(memory_indirect_set_memory_stale, memory_indirect_set, BAD_HANDLE, GOOD(MEMORY), 0,
	STALE(), 0, 0, 0)
CALL_CHECK(memory_indirect_set_memory_revoked, memory_indirect_set, REVOKED, GOOD(MEMORY), 0,
	REVOKED(MEMORY), 0, 0, 0)
CALL_CHECK(memory_indirect_set_memory_of_other_type, memory_indirect_set, BAD_TYPE, GOOD(MEMORY), 0,
	OTHER(MEMORY), 0, 0, 0)
CALL_CHECK(memory_indirect_set_memory_without_map, memory_indirect_set, NO_RIGHTS, GOOD(MEMORY), 0,
	WITHOUT(MEMORY, MAP), 0, 0, 0)
CALL_CHECK(memory_indirect_set_memory_without_derive, memory_indirect_set, NO_RIGHTS, GOOD(MEMORY),
	0, WITHOUT(MEMORY, DERIVE), 0, 0, 0)
CALL_CHECK(space_populate_space_stale, space_populate, BAD_HANDLE, STALE(), 0x10000000, 4096, 0, 0,
	0)
CALL_CHECK(space_populate_space_revoked, space_populate, REVOKED, REVOKED(SPACE), 0x10000000, 4096,
	0, 0, 0)
CALL_CHECK(space_populate_space_of_other_type, space_populate, BAD_TYPE, OTHER(SPACE), 0x10000000,
	4096, 0, 0, 0)
CALL_CHECK(space_populate_space_without_map, space_populate, NO_RIGHTS, WITHOUT(SPACE, MAP),
	0x10000000, 4096, 0, 0, 0)
CALL_CHECK(space_advise_space_stale, space_advise, BAD_HANDLE, STALE(), 0x10000000, 4096, 0, 0, 0)
CALL_CHECK(space_advise_space_revoked, space_advise, REVOKED, REVOKED(SPACE), 0x10000000, 4096, 0,
	0, 0)
CALL_CHECK(space_advise_space_of_other_type, space_advise, BAD_TYPE, OTHER(SPACE), 0x10000000, 4096,
	0, 0, 0)
CALL_CHECK(space_advise_space_without_map, space_advise, NO_RIGHTS, WITHOUT(SPACE, MAP), 0x10000000,
	4096, 0, 0, 0)
CALL_CHECK(space_pages_space_stale, space_pages, BAD_HANDLE, STALE(), 0x10000000, BUFFER(), 16, 0,
	0)
CALL_CHECK(space_pages_space_revoked, space_pages, REVOKED, REVOKED(SPACE), 0x10000000, BUFFER(),
	16, 0, 0)
CALL_CHECK(space_pages_space_of_other_type, space_pages, BAD_TYPE, OTHER(SPACE), 0x10000000,
	BUFFER(), 16, 0, 0)
CALL_CHECK(space_pages_space_without_read, space_pages, NO_RIGHTS, WITHOUT(SPACE, READ), 0x10000000,
	BUFFER(), 16, 0, 0)
CALL_CHECK(space_pages_states_unmapped, space_pages, FAULT, HEL_THIS, 0x10000000, UNMAPPED, 16, 0,
	0)
CALL_CHECK(space_pages_states_kernel_half, space_pages, FAULT, HEL_THIS, 0x10000000, KERNEL_HALF,
	16, 0, 0)
CALL_CHECK(space_pages_states_wrapping, space_pages, FAULT, HEL_THIS, 0x10000000, WRAPPING, 16, 0,
	0)
CALL_CHECK(space_remap_space_stale, space_remap, BAD_HANDLE, STALE(), 0x10000000, 4096, 0x10000000,
	0, 0)
CALL_CHECK(space_remap_space_revoked, space_remap, REVOKED, REVOKED(SPACE), 0x10000000, 4096,
	0x10000000, 0, 0)
CALL_CHECK(space_remap_space_of_other_type, space_remap, BAD_TYPE, OTHER(SPACE), 0x10000000, 4096,
	0x10000000, 0, 0)
CALL_CHECK(space_remap_space_without_map, space_remap, NO_RIGHTS, WITHOUT(SPACE, MAP), 0x10000000,
	4096, 0x10000000, 0, 0)
CALL_CHECK(space_label_space_stale, space_label, BAD_HANDLE, STALE(), 0x10000000, 4096, 1, 1, 0)
CALL_CHECK(space_label_space_revoked, space_label, REVOKED, REVOKED(SPACE), 0x10000000, 4096, 1, 1,
	0)
CALL_CHECK(space_label_space_of_other_type, space_label, BAD_TYPE, OTHER(SPACE), 0x10000000, 4096,
	1, 1, 0)
CALL_CHECK(space_label_space_without_map, space_label, NO_RIGHTS, WITHOUT(SPACE, MAP), 0x10000000,
	4096, 1, 1, 0)
CALL_CHECK(space_lend_space_stale, space_lend, BAD_HANDLE, STALE(), 0x10000000, 4096, 0, 0, 0)
CALL_CHECK(space_lend_space_revoked, space_lend, REVOKED, REVOKED(SPACE), 0x10000000, 4096, 0, 0, 0)
CALL_CHECK(space_lend_space_of_other_type, space_lend, BAD_TYPE, OTHER(SPACE), 0x10000000, 4096, 0,
	0, 0)
CALL_CHECK(space_lend_space_without_read, space_lend, NO_RIGHTS, WITHOUT(SPACE, READ), 0x10000000,
	4096, 0, 0, 0)
CALL_CHECK(space_lend_space_without_write, space_lend, NO_RIGHTS, WITHOUT(SPACE, WRITE), 0x10000000,
	4096, 0, 0, 0)
CALL_CHECK(space_lend_space_without_derive, space_lend, NO_RIGHTS, WITHOUT(SPACE, DERIVE),
	0x10000000, 4096, 0, 0, 0)
CALL_CHECK(dma_space_attach_authority_stale, dma_space_attach, BAD_HANDLE, STALE(), GOOD(DMA_SPACE),
	IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_attach_authority_revoked, dma_space_attach, REVOKED, REVOKED(AUTHORITY),
	GOOD(DMA_SPACE), IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_attach_authority_of_other_type, dma_space_attach, BAD_TYPE, OTHER(AUTHORITY),
	GOOD(DMA_SPACE), IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_attach_authority_without_manage, dma_space_attach, NO_RIGHTS,
	WITHOUT(AUTHORITY, MANAGE), GOOD(DMA_SPACE), IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_attach_dma_space_stale, dma_space_attach, BAD_HANDLE, GOOD(AUTHORITY), STALE(),
	IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_attach_dma_space_revoked, dma_space_attach, REVOKED, GOOD(AUTHORITY),
	REVOKED(DMA_SPACE), IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_attach_dma_space_of_other_type, dma_space_attach, BAD_TYPE, GOOD(AUTHORITY),
	OTHER(DMA_SPACE), IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_attach_dma_space_without_manage, dma_space_attach, NO_RIGHTS, GOOD(AUTHORITY),
	WITHOUT(DMA_SPACE, MANAGE), IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_attach_device_unmapped, dma_space_attach, FAULT, GOOD(AUTHORITY),
	GOOD(DMA_SPACE), UNMAPPED, 0, 0, 0)
CALL_CHECK(dma_space_attach_device_kernel_half, dma_space_attach, FAULT, GOOD(AUTHORITY),
	GOOD(DMA_SPACE), KERNEL_HALF, 0, 0, 0)
CALL_CHECK(dma_space_attach_device_wrapping, dma_space_attach, FAULT, GOOD(AUTHORITY),
	GOOD(DMA_SPACE), WRAPPING, 0, 0, 0)
CALL_CHECK(dma_space_detach_authority_stale, dma_space_detach, BAD_HANDLE, STALE(), GOOD(DMA_SPACE),
	IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_detach_authority_revoked, dma_space_detach, REVOKED, REVOKED(AUTHORITY),
	GOOD(DMA_SPACE), IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_detach_authority_of_other_type, dma_space_detach, BAD_TYPE, OTHER(AUTHORITY),
	GOOD(DMA_SPACE), IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_detach_authority_without_manage, dma_space_detach, NO_RIGHTS,
	WITHOUT(AUTHORITY, MANAGE), GOOD(DMA_SPACE), IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_detach_dma_space_stale, dma_space_detach, BAD_HANDLE, GOOD(AUTHORITY), STALE(),
	IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_detach_dma_space_revoked, dma_space_detach, REVOKED, GOOD(AUTHORITY),
	REVOKED(DMA_SPACE), IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_detach_dma_space_of_other_type, dma_space_detach, BAD_TYPE, GOOD(AUTHORITY),
	OTHER(DMA_SPACE), IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_detach_dma_space_without_manage, dma_space_detach, NO_RIGHTS, GOOD(AUTHORITY),
	WITHOUT(DMA_SPACE, MANAGE), IN(struct hel_dma_device), 0, 0, 0)
CALL_CHECK(dma_space_detach_device_unmapped, dma_space_detach, FAULT, GOOD(AUTHORITY),
	GOOD(DMA_SPACE), UNMAPPED, 0, 0, 0)
CALL_CHECK(dma_space_detach_device_kernel_half, dma_space_detach, FAULT, GOOD(AUTHORITY),
	GOOD(DMA_SPACE), KERNEL_HALF, 0, 0, 0)
CALL_CHECK(dma_space_detach_device_wrapping, dma_space_detach, FAULT, GOOD(AUTHORITY),
	GOOD(DMA_SPACE), WRAPPING, 0, 0, 0)
CALL_CHECK(dma_map_args_unmapped, dma_map, FAULT, UNMAPPED, 0, 0, 0, 0, 0)
CALL_CHECK(dma_map_args_kernel_half, dma_map, FAULT, KERNEL_HALF, 0, 0, 0, 0, 0)
CALL_CHECK(dma_map_args_wrapping, dma_map, FAULT, WRAPPING, 0, 0, 0, 0, 0)
CALL_CHECK(dma_map_args_dma_space_stale, dma_map, BAD_HANDLE,
	IN(struct hel_dma_map_args, .dma_space = STALE(), .memory = GOOD(MEMORY), .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(dma_map_args_dma_space_revoked, dma_map, REVOKED,
	IN(struct hel_dma_map_args, .dma_space = REVOKED(DMA_SPACE), .memory = GOOD(MEMORY), .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(dma_map_args_dma_space_of_other_type, dma_map, BAD_TYPE,
	IN(struct hel_dma_map_args, .dma_space = OTHER(DMA_SPACE), .memory = GOOD(MEMORY), .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(dma_map_args_dma_space_without_map, dma_map, NO_RIGHTS,
	IN(struct hel_dma_map_args, .dma_space = WITHOUT(DMA_SPACE, MAP), .memory = GOOD(MEMORY), .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(dma_map_args_memory_stale, dma_map, BAD_HANDLE,
	IN(struct hel_dma_map_args, .dma_space = GOOD(DMA_SPACE), .memory = STALE(), .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(dma_map_args_memory_revoked, dma_map, REVOKED,
	IN(struct hel_dma_map_args, .dma_space = GOOD(DMA_SPACE), .memory = REVOKED(MEMORY), .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(dma_map_args_memory_of_other_type, dma_map, BAD_TYPE,
	IN(struct hel_dma_map_args, .dma_space = GOOD(DMA_SPACE), .memory = OTHER(MEMORY), .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(dma_map_args_memory_without_pin, dma_map, NO_RIGHTS,
	IN(struct hel_dma_map_args, .dma_space = GOOD(DMA_SPACE), .memory = WITHOUT(MEMORY, PIN), .size_bytes = 4096, .flags = 3),
	0, 0, 0, 0, 0)
CALL_CHECK(dma_unmap_dma_space_stale, dma_unmap, BAD_HANDLE, STALE(), 0, 4096, 0, 0, 0)
CALL_CHECK(dma_unmap_dma_space_revoked, dma_unmap, REVOKED, REVOKED(DMA_SPACE), 0, 4096, 0, 0, 0)
CALL_CHECK(dma_unmap_dma_space_of_other_type, dma_unmap, BAD_TYPE, OTHER(DMA_SPACE), 0, 4096, 0, 0,
	0)
CALL_CHECK(dma_unmap_dma_space_without_map, dma_unmap, NO_RIGHTS, WITHOUT(DMA_SPACE, MAP), 0, 4096,
	0, 0, 0)
CALL_CHECK(dma_space_info_dma_space_stale, dma_space_info, BAD_HANDLE, STALE(), BUFFER(), 0, 0, 0,
	0)
CALL_CHECK(dma_space_info_dma_space_revoked, dma_space_info, REVOKED, REVOKED(DMA_SPACE), BUFFER(),
	0, 0, 0, 0)
CALL_CHECK(dma_space_info_dma_space_of_other_type, dma_space_info, BAD_TYPE, OTHER(DMA_SPACE),
	BUFFER(), 0, 0, 0, 0)
CALL_CHECK(dma_space_info_dma_space_without_read, dma_space_info, NO_RIGHTS,
	WITHOUT(DMA_SPACE, READ), BUFFER(), 0, 0, 0, 0)
CALL_CHECK(dma_space_info_info_unmapped, dma_space_info, FAULT, GOOD(DMA_SPACE), UNMAPPED, 0, 0, 0,
	0)
CALL_CHECK(dma_space_info_info_kernel_half, dma_space_info, FAULT, GOOD(DMA_SPACE), KERNEL_HALF, 0,
	0, 0, 0)
CALL_CHECK(dma_space_info_info_wrapping, dma_space_info, FAULT, GOOD(DMA_SPACE), WRAPPING, 0, 0, 0,
	0)
CALL_CHECK(dma_space_event_dma_space_stale, dma_space_event, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(dma_space_event_dma_space_revoked, dma_space_event, REVOKED, REVOKED(DMA_SPACE), 0, 0, 0,
	0, 0)
CALL_CHECK(dma_space_event_dma_space_of_other_type, dma_space_event, BAD_TYPE, OTHER(DMA_SPACE), 0,
	0, 0, 0, 0)
CALL_CHECK(dma_space_event_dma_space_without_wait, dma_space_event, NO_RIGHTS,
	WITHOUT(DMA_SPACE, WAIT), 0, 0, 0, 0, 0)
CALL_CHECK(dma_map_pages_args_unmapped, dma_map_pages, FAULT, UNMAPPED, BUFFER(), 1, 0, 0, 0)
CALL_CHECK(dma_map_pages_args_kernel_half, dma_map_pages, FAULT, KERNEL_HALF, BUFFER(), 1, 0, 0, 0)
CALL_CHECK(dma_map_pages_args_wrapping, dma_map_pages, FAULT, WRAPPING, BUFFER(), 1, 0, 0, 0)
CALL_CHECK(dma_map_pages_args_dma_space_stale, dma_map_pages, BAD_HANDLE,
	IN(struct hel_dma_map_args, .dma_space = STALE(), .memory = GOOD(MEMORY), .size_bytes = 4096, .flags = 3),
	BUFFER(), 1, 0, 0, 0)
CALL_CHECK(dma_map_pages_args_dma_space_revoked, dma_map_pages, REVOKED,
	IN(struct hel_dma_map_args, .dma_space = REVOKED(DMA_SPACE), .memory = GOOD(MEMORY), .size_bytes = 4096, .flags = 3),
	BUFFER(), 1, 0, 0, 0)
CALL_CHECK(dma_map_pages_args_dma_space_of_other_type, dma_map_pages, BAD_TYPE,
	IN(struct hel_dma_map_args, .dma_space = OTHER(DMA_SPACE), .memory = GOOD(MEMORY), .size_bytes = 4096, .flags = 3),
	BUFFER(), 1, 0, 0, 0)
CALL_CHECK(dma_map_pages_args_dma_space_without_map, dma_map_pages, NO_RIGHTS,
	IN(struct hel_dma_map_args, .dma_space = WITHOUT(DMA_SPACE, MAP), .memory = GOOD(MEMORY), .size_bytes = 4096, .flags = 3),
	BUFFER(), 1, 0, 0, 0)
CALL_CHECK(dma_map_pages_args_memory_stale, dma_map_pages, BAD_HANDLE,
	IN(struct hel_dma_map_args, .dma_space = GOOD(DMA_SPACE), .memory = STALE(), .size_bytes = 4096, .flags = 3),
	BUFFER(), 1, 0, 0, 0)
CALL_CHECK(dma_map_pages_args_memory_revoked, dma_map_pages, REVOKED,
	IN(struct hel_dma_map_args, .dma_space = GOOD(DMA_SPACE), .memory = REVOKED(MEMORY), .size_bytes = 4096, .flags = 3),
	BUFFER(), 1, 0, 0, 0)
CALL_CHECK(dma_map_pages_args_memory_of_other_type, dma_map_pages, BAD_TYPE,
	IN(struct hel_dma_map_args, .dma_space = GOOD(DMA_SPACE), .memory = OTHER(MEMORY), .size_bytes = 4096, .flags = 3),
	BUFFER(), 1, 0, 0, 0)
CALL_CHECK(dma_map_pages_args_memory_without_pin, dma_map_pages, NO_RIGHTS,
	IN(struct hel_dma_map_args, .dma_space = GOOD(DMA_SPACE), .memory = WITHOUT(MEMORY, PIN), .size_bytes = 4096, .flags = 3),
	BUFFER(), 1, 0, 0, 0)
CALL_CHECK(dma_map_pages_addresses_unmapped, dma_map_pages, FAULT,
	IN(struct hel_dma_map_args, .dma_space = GOOD(DMA_SPACE), .memory = GOOD(MEMORY), .size_bytes = 4096, .flags = 3),
	UNMAPPED, 1, 0, 0, 0)
CALL_CHECK(dma_map_pages_addresses_kernel_half, dma_map_pages, FAULT,
	IN(struct hel_dma_map_args, .dma_space = GOOD(DMA_SPACE), .memory = GOOD(MEMORY), .size_bytes = 4096, .flags = 3),
	KERNEL_HALF, 1, 0, 0, 0)
CALL_CHECK(dma_map_pages_addresses_wrapping, dma_map_pages, FAULT,
	IN(struct hel_dma_map_args, .dma_space = GOOD(DMA_SPACE), .memory = GOOD(MEMORY), .size_bytes = 4096, .flags = 3),
	WRAPPING, 1, 0, 0, 0)
CALL_CHECK(irq_create_line_authority_stale, irq_create_line, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(irq_create_line_authority_revoked, irq_create_line, REVOKED, REVOKED(AUTHORITY), 0, 0, 0,
	0, 0)
CALL_CHECK(irq_create_line_authority_of_other_type, irq_create_line, BAD_TYPE, OTHER(AUTHORITY), 0,
	0, 0, 0, 0)
CALL_CHECK(irq_create_line_authority_without_manage, irq_create_line, NO_RIGHTS,
	WITHOUT(AUTHORITY, MANAGE), 0, 0, 0, 0, 0)
CALL_CHECK(irq_set_affinity_irq_stale, irq_set_affinity, BAD_HANDLE, STALE(), 1, BUFFER(), 0, 0, 0)
CALL_CHECK(irq_set_affinity_irq_revoked, irq_set_affinity, REVOKED, REVOKED(IRQ), 1, BUFFER(), 0, 0,
	0)
CALL_CHECK(irq_set_affinity_irq_of_other_type, irq_set_affinity, BAD_TYPE, OTHER(IRQ), 1, BUFFER(),
	0, 0, 0)
CALL_CHECK(irq_set_affinity_irq_without_write, irq_set_affinity, NO_RIGHTS, WITHOUT(IRQ, WRITE), 1,
	BUFFER(), 0, 0, 0)
CALL_CHECK(irq_set_affinity_info_unmapped, irq_set_affinity, FAULT, GOOD(IRQ), 1, UNMAPPED, 0, 0, 0)
CALL_CHECK(irq_set_affinity_info_kernel_half, irq_set_affinity, FAULT, GOOD(IRQ), 1, KERNEL_HALF, 0,
	0, 0)
CALL_CHECK(irq_set_affinity_info_wrapping, irq_set_affinity, FAULT, GOOD(IRQ), 1, WRAPPING, 0, 0, 0)
CALL_CHECK(irq_settle_irq_stale, irq_settle, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(irq_settle_irq_revoked, irq_settle, REVOKED, REVOKED(IRQ), 0, 0, 0, 0, 0)
CALL_CHECK(irq_settle_irq_of_other_type, irq_settle, BAD_TYPE, OTHER(IRQ), 0, 0, 0, 0, 0)
CALL_CHECK(irq_settle_irq_without_write, irq_settle, NO_RIGHTS, WITHOUT(IRQ, WRITE), 0, 0, 0, 0, 0)
CALL_CHECK(irq_info_irq_stale, irq_info, BAD_HANDLE, STALE(), BUFFER(), 0, 0, 0, 0)
CALL_CHECK(irq_info_irq_revoked, irq_info, REVOKED, REVOKED(IRQ), BUFFER(), 0, 0, 0, 0)
CALL_CHECK(irq_info_irq_of_other_type, irq_info, BAD_TYPE, OTHER(IRQ), BUFFER(), 0, 0, 0, 0)
CALL_CHECK(irq_info_irq_without_wait, irq_info, NO_RIGHTS, WITHOUT(IRQ, WAIT), BUFFER(), 0, 0, 0, 0)
CALL_CHECK(irq_info_info_unmapped, irq_info, FAULT, GOOD(IRQ), UNMAPPED, 0, 0, 0, 0)
CALL_CHECK(irq_info_info_kernel_half, irq_info, FAULT, GOOD(IRQ), KERNEL_HALF, 0, 0, 0, 0)
CALL_CHECK(irq_info_info_wrapping, irq_info, FAULT, GOOD(IRQ), WRAPPING, 0, 0, 0, 0)
CALL_CHECK(kernlet_create_container_unmapped, kernlet_create, FAULT, UNMAPPED, 64, 0, 0, 0, 0)
CALL_CHECK(kernlet_create_container_kernel_half, kernlet_create, FAULT, KERNEL_HALF, 64, 0, 0, 0, 0)
CALL_CHECK(kernlet_create_container_wrapping, kernlet_create, FAULT, WRAPPING, 64, 0, 0, 0, 0)
CALL_CHECK(kernlet_bind_kernlet_stale, kernlet_bind, BAD_HANDLE, STALE(), BUFFER(), 16, 0, 0, 0)
CALL_CHECK(kernlet_bind_kernlet_revoked, kernlet_bind, REVOKED, REVOKED(KERNLET), BUFFER(), 16, 0,
	0, 0)
CALL_CHECK(kernlet_bind_kernlet_of_other_type, kernlet_bind, BAD_TYPE, OTHER(KERNLET), BUFFER(), 16,
	0, 0, 0)
CALL_CHECK(kernlet_bind_kernlet_without_execute, kernlet_bind, NO_RIGHTS, WITHOUT(KERNLET, EXECUTE),
	BUFFER(), 16, 0, 0, 0)
CALL_CHECK(kernlet_bind_bindings_unmapped, kernlet_bind, FAULT, GOOD(KERNLET), UNMAPPED, 16, 0, 0,
	0)
CALL_CHECK(kernlet_bind_bindings_kernel_half, kernlet_bind, FAULT, GOOD(KERNLET), KERNEL_HALF, 16,
	0, 0, 0)
CALL_CHECK(kernlet_bind_bindings_wrapping, kernlet_bind, FAULT, GOOD(KERNLET), WRAPPING, 16, 0, 0,
	0)
CALL_CHECK(irq_attach_kernlet_irq_stale, irq_attach_kernlet, BAD_HANDLE, STALE(),
	GOOD(BOUND_KERNLET), 0, 0, 0, 0)
CALL_CHECK(irq_attach_kernlet_irq_revoked, irq_attach_kernlet, REVOKED, REVOKED(IRQ),
	GOOD(BOUND_KERNLET), 0, 0, 0, 0)
CALL_CHECK(irq_attach_kernlet_irq_of_other_type, irq_attach_kernlet, BAD_TYPE, OTHER(IRQ),
	GOOD(BOUND_KERNLET), 0, 0, 0, 0)
CALL_CHECK(irq_attach_kernlet_irq_without_manage, irq_attach_kernlet, NO_RIGHTS,
	WITHOUT(IRQ, MANAGE), GOOD(BOUND_KERNLET), 0, 0, 0, 0)
CALL_CHECK(irq_attach_kernlet_bound_stale, irq_attach_kernlet, BAD_HANDLE, GOOD(IRQ), STALE(), 0, 0,
	0, 0)
CALL_CHECK(irq_attach_kernlet_bound_revoked, irq_attach_kernlet, REVOKED, GOOD(IRQ),
	REVOKED(BOUND_KERNLET), 0, 0, 0, 0)
CALL_CHECK(irq_attach_kernlet_bound_of_other_type, irq_attach_kernlet, BAD_TYPE, GOOD(IRQ),
	OTHER(BOUND_KERNLET), 0, 0, 0, 0)
CALL_CHECK(irq_attach_kernlet_bound_without_manage, irq_attach_kernlet, NO_RIGHTS, GOOD(IRQ),
	WITHOUT(BOUND_KERNLET, MANAGE), 0, 0, 0, 0)
CALL_CHECK(irq_detach_kernlet_bound_stale, irq_detach_kernlet, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(irq_detach_kernlet_bound_revoked, irq_detach_kernlet, REVOKED, REVOKED(BOUND_KERNLET), 0,
	0, 0, 0, 0)
CALL_CHECK(irq_detach_kernlet_bound_of_other_type, irq_detach_kernlet, BAD_TYPE,
	OTHER(BOUND_KERNLET), 0, 0, 0, 0, 0)
CALL_CHECK(irq_detach_kernlet_bound_without_manage, irq_detach_kernlet, NO_RIGHTS,
	WITHOUT(BOUND_KERNLET, MANAGE), 0, 0, 0, 0, 0)
CALL_CHECK(trace_control_authority_stale, trace_control, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(trace_control_authority_revoked, trace_control, REVOKED, REVOKED(AUTHORITY), 0, 0, 0, 0,
	0)
CALL_CHECK(trace_control_authority_of_other_type, trace_control, BAD_TYPE, OTHER(AUTHORITY), 0, 0,
	0, 0, 0)
CALL_CHECK(trace_control_authority_without_manage, trace_control, NO_RIGHTS,
	WITHOUT(AUTHORITY, MANAGE), 0, 0, 0, 0, 0)
CALL_CHECK(trace_ring_authority_stale, trace_ring, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(trace_ring_authority_revoked, trace_ring, REVOKED, REVOKED(AUTHORITY), 0, 0, 0, 0, 0)
CALL_CHECK(trace_ring_authority_of_other_type, trace_ring, BAD_TYPE, OTHER(AUTHORITY), 0, 0, 0, 0,
	0)
CALL_CHECK(trace_ring_authority_without_read, trace_ring, NO_RIGHTS, WITHOUT(AUTHORITY, READ), 0, 0,
	0, 0, 0)
CALL_CHECK(thread_step_thread_stale, thread_step, BAD_HANDLE, STALE(), 0, 0, 0, 0, 0)
CALL_CHECK(thread_step_thread_revoked, thread_step, REVOKED, REVOKED(THREAD), 0, 0, 0, 0, 0)
CALL_CHECK(thread_step_thread_of_other_type, thread_step, BAD_TYPE, OTHER(THREAD), 0, 0, 0, 0, 0)
CALL_CHECK(thread_step_thread_without_manage, thread_step, NO_RIGHTS, WITHOUT(THREAD, MANAGE), 0, 0,
	0, 0, 0)
REFUSAL_CHECK(exchange_lane_stale, BAD_HANDLE, STALE(), .type = HEL_ACTION_DISMISS)
REFUSAL_CHECK(exchange_lane_revoked, REVOKED, REVOKED(LANE), .type = HEL_ACTION_DISMISS)
REFUSAL_CHECK(exchange_lane_of_other_type, BAD_TYPE, OTHER(LANE), .type = HEL_ACTION_DISMISS)
REFUSAL_CHECK(exchange_lane_without_invoke, NO_RIGHTS, WITHOUT(LANE, INVOKE),
	.type = HEL_ACTION_DISMISS)
OPERATION_CHECK(await_event_event_stale, AWAIT_EVENT, BAD_HANDLE, struct hel_await_event_record,
	.event = STALE())
OPERATION_CHECK(await_event_event_revoked, AWAIT_EVENT, REVOKED, struct hel_await_event_record,
	.event = REVOKED(EVENT))
OPERATION_CHECK(await_event_event_of_other_type, AWAIT_EVENT, BAD_TYPE,
	struct hel_await_event_record, .event = OTHER(EVENT))
OPERATION_CHECK(await_event_event_without_wait, AWAIT_EVENT, NO_RIGHTS,
	struct hel_await_event_record, .event = WITHOUT(EVENT, WAIT))
OPERATION_CHECK(observe_thread_stale, OBSERVE, BAD_HANDLE, struct hel_observe_record,
	.thread = STALE())
OPERATION_CHECK(observe_thread_revoked, OBSERVE, REVOKED, struct hel_observe_record,
	.thread = REVOKED(THREAD))
OPERATION_CHECK(observe_thread_of_other_type, OBSERVE, BAD_TYPE, struct hel_observe_record,
	.thread = OTHER(THREAD))
OPERATION_CHECK(observe_thread_without_wait, OBSERVE, NO_RIGHTS, struct hel_observe_record,
	.thread = WITHOUT(THREAD, WAIT))
OPERATION_CHECK(manage_backing_stale, MANAGE, BAD_HANDLE, struct hel_manage_record,
	.backing = STALE())
OPERATION_CHECK(manage_backing_revoked, MANAGE, REVOKED, struct hel_manage_record,
	.backing = REVOKED(MEMORY))
OPERATION_CHECK(manage_backing_of_other_type, MANAGE, BAD_TYPE, struct hel_manage_record,
	.backing = OTHER(MEMORY))
OPERATION_CHECK(manage_backing_without_manage, MANAGE, NO_RIGHTS, struct hel_manage_record,
	.backing = WITHOUT(MEMORY, MANAGE))
OPERATION_CHECK(fence_frontal_stale, FENCE, BAD_HANDLE, struct hel_fence_record, .frontal = STALE())
OPERATION_CHECK(fence_frontal_revoked, FENCE, REVOKED, struct hel_fence_record,
	.frontal = REVOKED(MEMORY))
OPERATION_CHECK(fence_frontal_of_other_type, FENCE, BAD_TYPE, struct hel_fence_record,
	.frontal = OTHER(MEMORY))
OPERATION_CHECK(fence_frontal_without_read, FENCE, NO_RIGHTS, struct hel_fence_record,
	.frontal = WITHOUT(MEMORY, READ))
OPERATION_CHECK(lock_memory_memory_stale, LOCK_MEMORY, BAD_HANDLE, struct hel_lock_record,
	.memory = STALE())
OPERATION_CHECK(lock_memory_memory_revoked, LOCK_MEMORY, REVOKED, struct hel_lock_record,
	.memory = REVOKED(MEMORY))
OPERATION_CHECK(lock_memory_memory_of_other_type, LOCK_MEMORY, BAD_TYPE, struct hel_lock_record,
	.memory = OTHER(MEMORY))
OPERATION_CHECK(lock_memory_memory_without_pin, LOCK_MEMORY, NO_RIGHTS, struct hel_lock_record,
	.memory = WITHOUT(MEMORY, PIN))
OPERATION_CHECK(alert_queue_stale, ALERT, BAD_HANDLE, struct hel_alert_record, .queue = STALE())
OPERATION_CHECK(alert_queue_revoked, ALERT, REVOKED, struct hel_alert_record,
	.queue = REVOKED(QUEUE))
OPERATION_CHECK(alert_queue_of_other_type, ALERT, BAD_TYPE, struct hel_alert_record,
	.queue = OTHER(QUEUE))
OPERATION_CHECK(alert_queue_without_signal, ALERT, NO_RIGHTS, struct hel_alert_record,
	.queue = WITHOUT(QUEUE, SIGNAL))
ACTION_CHECK(send_address_unmapped, FAULT, HEL_ACTION_RECEIVE, .type = HEL_ACTION_SEND,
	.address = UNMAPPED, .length = 16)
ACTION_CHECK(send_address_kernel_half, FAULT, HEL_ACTION_RECEIVE, .type = HEL_ACTION_SEND,
	.address = KERNEL_HALF, .length = 16)
ACTION_CHECK(send_address_wrapping, FAULT, HEL_ACTION_RECEIVE, .type = HEL_ACTION_SEND,
	.address = WRAPPING, .length = 16)
REFUSAL_CHECK(send_sg_address_unmapped, FAULT, GOOD(LANE), .type = HEL_ACTION_SEND_SG,
	.address = UNMAPPED, .length = 16)
REFUSAL_CHECK(send_sg_address_kernel_half, FAULT, GOOD(LANE), .type = HEL_ACTION_SEND_SG,
	.address = KERNEL_HALF, .length = 16)
REFUSAL_CHECK(send_sg_address_wrapping, FAULT, GOOD(LANE), .type = HEL_ACTION_SEND_SG,
	.address = WRAPPING, .length = 16)
ACTION_CHECK(receive_address_unmapped, FAULT, HEL_ACTION_SEND, .type = HEL_ACTION_RECEIVE,
	.address = UNMAPPED, .length = 16)
ACTION_CHECK(receive_address_kernel_half, FAULT, HEL_ACTION_SEND, .type = HEL_ACTION_RECEIVE,
	.address = KERNEL_HALF, .length = 16)
ACTION_CHECK(receive_address_wrapping, FAULT, HEL_ACTION_SEND, .type = HEL_ACTION_RECEIVE,
	.address = WRAPPING, .length = 16)
REFUSAL_CHECK(push_handle_stale, BAD_HANDLE, GOOD(LANE), .type = HEL_ACTION_PUSH, .handle = STALE())
REFUSAL_CHECK(push_handle_revoked, REVOKED, GOOD(LANE), .type = HEL_ACTION_PUSH,
	.handle = REVOKED(TOKEN))
REFUSAL_CHECK(push_handle_without_derive, NO_RIGHTS, GOOD(LANE), .type = HEL_ACTION_PUSH,
	.handle = WITHOUT(TOKEN, DERIVE))
REFUSAL_CHECK(imbue_credentials_handle_stale, BAD_HANDLE, GOOD(LANE),
	.type = HEL_ACTION_IMBUE_CREDENTIALS, .handle = STALE())
REFUSAL_CHECK(imbue_credentials_handle_revoked, REVOKED, GOOD(LANE),
	.type = HEL_ACTION_IMBUE_CREDENTIALS, .handle = REVOKED(TOKEN))
REFUSAL_CHECK(imbue_credentials_handle_of_other_type, BAD_TYPE, GOOD(LANE),
	.type = HEL_ACTION_IMBUE_CREDENTIALS, .handle = OTHER(TOKEN))
REFUSAL_CHECK(imbue_credentials_handle_without_read, NO_RIGHTS, GOOD(LANE),
	.type = HEL_ACTION_IMBUE_CREDENTIALS, .handle = WITHOUT(TOKEN, READ))
