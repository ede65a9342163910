/* SPDX-License-Identifier: MIT */
/*
 * The bounce: foreign calls, kicks and faults arrive in the thread's own address space, as
 * abi/hel/bounce.h says.
 */
#include "test.h"

/*
 * A tiny shim: every entry stores where it was in a slot and waits for `bounce_go`, then returns
 * to the program or ends the thread. gs points to the bounce page; behind offset 256 the page is
 * ours.
 */
constexpr size_t SLOT_CALLS = 256; /* number of foreign calls */
constexpr size_t SLOT_KICKS = 272;
constexpr size_t SLOT_FAULTS = 280;
constexpr size_t SLOT_SHIM_FAULTS = 288;

extern uint8_t bounce_shim_low[], bounce_shim_high[], bounce_call[], bounce_kick[], bounce_fault[],
	bounce_shim_fault[], bounce_program[], bounce_loop[], bounce_faulting[], bounce_bad[],
	bounce_bad_fixed[], bounce_critical[], bounce_critical_end[], bounce_restart[],
	bounce_waiting[];

__asm__(".text\n"
	"bounce_shim_low:\n"
	/* rcx = here, everything else as in the program: count, give back number + 1000. */
	"bounce_call:\n"
	"	incq %gs:256\n"
	"	movq %rax, %gs:264\n"
	"	cmpq $7, %rax\n"
	"	je bounce_bad\n"
	"	cmpq $8, %rax\n"
	"	je bounce_critical\n"
	"	addq $1000, %rax\n"
	"	jmpq *%gs:24\n"
	/* number 7: a fault in the shim, with a fix-up */
	"bounce_bad:\n"
	"	movq 0x20, %rcx\n"
	"	ud2\n"
	"bounce_bad_fixed:\n"
	"	movq $77, %rax\n"
	"	jmpq *%gs:24\n"
	/* number 8: waits in a critical range for the kick that restarts it */
	"bounce_critical:\n"
	"	movl $1, %gs:304\n"
	"1:	pause\n"
	"	jmp 1b\n"
	"bounce_critical_end:\n"
	"bounce_restart:\n"
	"	movl $0, %gs:40\n"
	"	movq $88, %rax\n"
	"	jmpq *%gs:24\n"
	/* The frame is in the page; count and go on where it was, with all registers. */
	"bounce_kick:\n"
	"	movl $0, %gs:40\n"
	"	incq %gs:272\n"
	"	jmp bounce_resume\n"
	"bounce_fault:\n"
	"	incq %gs:280\n"
	/* behind the faulting instruction, which has 3 bytes */
	"	addq $3, %gs:64+16*8\n"
	"	jmp bounce_resume\n"
	"bounce_shim_fault:\n"
	"	incq %gs:288\n"
	"	leaq bounce_bad_fixed(%rip), %rcx\n"
	"	jmpq *%rcx\n"
	"bounce_resume:\n"
	"	movq %gs:64+8, %rbx\n"
	"	movq %gs:64+3*8, %rdx\n"
	"	movq %gs:64+4*8, %rsi\n"
	"	movq %gs:64+5*8, %rdi\n"
	"	pushq %gs:64+17*8\n"
	"	popfq\n"
	"	movq %gs:64+0, %rax\n"
	"	movq %gs:64+7*8, %rsp\n"
	"	jmpq *%gs:64+16*8\n"
	"bounce_shim_high:\n"
	/* the program: rdi = its worker; counts up at 8(%rdi) … */
	"bounce_program:\n"
	"	movq $39, %rax\n"
	"	syscall\n"
	"	movq %rax, 0(%rdi)\n"
	"	movq $7, %rax\n"
	"	syscall\n"
	"	movq %rax, 8(%rdi)\n"
	"	xorl %esi, %esi\n"
	"bounce_faulting:\n"
	"	movq (%rsi), %rax\n"
	"	movq $8, %rax\n"
	"	syscall\n"
	"	movq %rax, 16(%rdi)\n"
	"bounce_loop:\n"
	"	incq 24(%rdi)\n"
	"	jmp bounce_loop\n"
	"	ud2\n"
	/* waits in hel_futex_wait for ever, outside the shim; then says so */
	"bounce_waiting:\n"
	"	movl $0x80000050, %eax\n"
	"	movq %rdi, %rbx\n"
	"	leaq 32(%rbx), %rdi\n"
	"	xorl %esi, %esi\n"
	"	movq $-1, %rdx\n"
	"	movq $-1, %r10\n"
	"	syscall\n"
	"	movq %rax, 40(%rbx)\n"
	"	movl $0x80000022, %eax\n"
	"	syscall\n"
	"	ud2\n");

struct bounce_state {
	_Atomic uint64_t result, shim_fault_result, restarted, counter;
	_Atomic uint64_t futex, wait_result;
};

struct bounced {
	hel_handle thread, memory;
	uint64_t page, stack;
	struct bounce_state *state;
};

static bool bounced_create(struct bounced *bounced, uint64_t ip)
{
	static struct bounce_state state;
	struct hel_map_args map = {
		.space = HEL_THIS, .size_bytes = 4096, .flags = HEL_MAP_READ | HEL_MAP_WRITE
	};
	struct hel_bounce bounce = {
		.shim_low = (uint64_t)bounce_shim_low,
		.shim_high = (uint64_t)bounce_shim_high,
		.entry_syscall = (uint64_t)bounce_call,
		.entry_kick = (uint64_t)bounce_kick,
		.entry_fault = (uint64_t)bounce_fault,
		.entry_shim_fault = (uint64_t)bounce_shim_fault,
		.critical = { { (uint64_t)bounce_critical, (uint64_t)bounce_critical_end,
			(uint64_t)bounce_restart } },
	};

	state = (struct bounce_state){};
	bounced->state = &state;
	bounced->stack = map_pages(32768);
	if (hel_memory_allocate(4096, 0, &map.memory) != 0 ||
		hel_space_map(&map, &bounced->page) != 0) {
		return false;
	}
	bounced->memory = map.memory;
	struct hel_bounce_page *page = (struct hel_bounce_page *)bounced->page;
	struct hel_thread_args args = {
		.universe = HEL_THIS,
		.space = HEL_THIS,
		.ip = ip,
		.sp = bounced->stack + 32768,
		.argument = (uint64_t)&state,
		.bounce_page = map.memory,
		.bounce_address = bounced->page,
		.bounce = (uint64_t)&bounce,
	};

	page->self = bounced->page;
	page->stack = bounced->stack + 16384;
	return hel_thread_create(&args, &bounced->thread) == 0;
}

static bool bounced_end(struct bounced *bounced)
{
	bool is_good =
		hel_thread_kill(bounced->thread) == 0 && await(observe(bounced->thread, 0), NULL);

	hel_close(HEL_THIS, bounced->thread);
	hel_close(HEL_THIS, bounced->memory);
	unmap_pages(bounced->page, 4096);
	unmap_pages(bounced->stack, 32768);
	return is_good;
}

static bool wait_for_u64(_Atomic uint64_t *value, uint64_t wanted)
{
	uint64_t deadline_ns = test_deadline_ms(2000);

	while (atomic_load(value) < wanted) {
		if (test_now() > deadline_ns) {
			return false;
		}
		hel_thread_yield();
	}
	return true;
}

static _Atomic uint64_t *bounced_slot(const struct bounced *bounced, size_t offset)
{
	return (_Atomic uint64_t *)(bounced->page + offset);
}

TEST(bounce_calls_faults_and_kicks)
{
	struct bounced bounced;
	struct hel_bounce_page *page;

	CHECK(bounced_create(&bounced, (uint64_t)bounce_program));
	page = (struct hel_bounce_page *)bounced.page;
	CHECK_EQ(hel_thread_start(bounced.thread), 0);
	/* It comes to the critical loop; up to there calls and faults have worked. */
	CHECK(wait_for_u64(bounced_slot(&bounced, 304), 1));
	CHECK_EQ(bounced.state->result, 1039);
	CHECK_EQ(bounced.state->shim_fault_result, 77);
	CHECK_EQ(*bounced_slot(&bounced, SLOT_SHIM_FAULTS), 1);
	CHECK_EQ(*bounced_slot(&bounced, SLOT_FAULTS), 1);
	CHECK_EQ(page->fault.vector, 14);
	CHECK_EQ(page->fault.address, 0);
	CHECK_EQ(page->fault.reason, -ERR_FAULT);
	CHECK_EQ(*bounced_slot(&bounced, SLOT_CALLS), 3);
	/* In the critical range a kick restarts at its address, without the entry. */
	CHECK_EQ(hel_thread_kick(bounced.thread), 0);
	CHECK(wait_for_u64(&bounced.state->restarted, 88));
	CHECK_EQ(*bounced_slot(&bounced, SLOT_KICKS), 0);
	/* In the program it arrives at the entry, and the loop goes on afterwards. */
	for (uint64_t i = 1; i <= 40; i++) {
		CHECK_EQ(hel_thread_kick(bounced.thread), 0);
		CHECK(wait_for_u64(bounced_slot(&bounced, SLOT_KICKS), i));
		CHECK(wait_for_u64(&bounced.state->counter, bounced.state->counter + 10));
	}
	CHECK(page->frame.rip >= (uint64_t)bounce_loop);
	CHECK(page->frame.rip <= (uint64_t)bounce_loop + 16);
	CHECK_EQ(page->frame.rdi, (uint64_t)bounced.state);
	CHECK(bounced_end(&bounced));
}

TEST(bounce_kick_ends_a_wait)
{
	struct bounced bounced;
	struct hel_thread_stats stats = {};

	CHECK(bounced_create(&bounced, (uint64_t)bounce_waiting));
	CHECK_EQ(hel_thread_start(bounced.thread), 0);
	uint64_t deadline_ns = test_deadline_ms(2000);

	while (stats.state != 3) {
		CHECK(test_now() < deadline_ns);
		hel_thread_yield();
		CHECK_EQ(hel_thread_stats(bounced.thread, &stats), 0);
	}
	CHECK_EQ(hel_thread_kick(bounced.thread), 0);
	uint64_t context = observe(bounced.thread, 0);

	CHECK(await(context, NULL));
	CHECK_EQ((int64_t)bounced.state->wait_result, -ERR_KICKED);
	CHECK_EQ(*bounced_slot(&bounced, SLOT_KICKS), 1);
	CHECK(bounced_end(&bounced));
}

TEST(bounce_checks_arguments)
{
	struct hel_bounce bounce = { .entry_kick = 0xffff'8000'0000'0000 };
	struct hel_thread_args args = { .universe = HEL_THIS,
		.space = HEL_THIS,
		.bounce_address = 0x10000,
		.bounce = (uint64_t)&bounce };
	hel_handle thread, read_only;

	CHECK_EQ(hel_memory_allocate(4096, 0, &args.bounce_page), 0);
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_ILLEGAL_ARGS);
	bounce.entry_kick = 0;
	args.bounce_address = 0x10001;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_ILLEGAL_ARGS);
	args.bounce_address = 0x10000;
	args.bounce = 0x18;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_FAULT);
	args.bounce = (uint64_t)&bounce;
	CHECK_EQ(hel_transfer(HEL_THIS, args.bounce_page, HEL_THIS, HEL_RIGHT_READ, &read_only), 0);
	hel_close(HEL_THIS, args.bounce_page);
	args.bounce_page = read_only;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_NO_RIGHTS);
	hel_close(HEL_THIS, read_only);
}
