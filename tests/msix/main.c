/* SPDX-License-Identifier: MIT */
/*
 * A driver that has hw change the vectors of its device, and another client of the same device that
 * must not. tests/system/msix.py boots this with an `e1000e` (nic.h).
 */
#include "nic.h"

#include <base/errors.h>
#include <helix/helix.h>
#include <protocols/mbus/mbus-client.h>

constexpr uint64_t PATIENCE_NS = 20'000'000'000;
constexpr uint32_t N_IRQS = 3;
constexpr uint32_t N_MOVES = 120;
constexpr uint32_t UNDER_WAY = 1; /* to a CPU, when the device was told otherwise */

/* An interrupt as its driver sees it. */
struct source {
	hel_handle irq;
	uint64_t sequence;
};

static struct helix_loop loop;
static struct nic nic;
static struct transport_client other; /* of the same device */
static struct source sources[N_IRQS];
static uint32_t n_failed;

static bool check(int is_true, const char *what, int line)
{
	if (!is_true) {
		n_failed++;
		helix_log(HEL_LOG_ERROR, "not ok line %d: %s", line, what);
	}
	return is_true;
}

#define CHECK(condition) \
	do { \
		if (!check((condition), #condition, __LINE__)) { \
			return; \
		} \
	} while (0)

static struct hel_irq_info info_of(const struct source *source)
{
	struct hel_irq_info info = {};

	check(hel_irq_info(source->irq, &info) == 0, "hel_irq_info", __LINE__);
	return info;
}

/* Wait for an interrupt that finds cause @index; answer those that do not. */
static int serve_one(struct task *task, struct source *source, uint32_t index)
{
	bool is_served = false;
	int error = 0;

	while (error == 0 && !is_served) {
		error = helix_await_event(task, source->irq, &source->sequence, NULL);
		if (error == 0) {
			is_served = nic_take(&nic, index);
			error = hel_irq_acknowledge(source->irq,
				is_served ? HEL_IRQ_ACK : HEL_IRQ_NACK, source->sequence);
		}
	}
	return error;
}

static bool serve(struct task *task, struct source *source, uint32_t index)
{
	struct scope scope;

	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + PATIENCE_NS);
	int error = serve_one(task, source, index);
	int scope_error = scope_join(&scope);

	return error == 0 && scope_error == 0;
}

static bool raise_and_serve(struct task *task, struct source *source, uint32_t index)
{
	nic_raise(&nic, index);
	return serve(task, source, index);
}

/* ---- the cases ------------------------------------------------------------------------------- */

static void test_vectors_arrive(struct task *task)
{
	struct hel_msi_info message;

	for (uint32_t i = 0; i < N_IRQS; i++) {
		CHECK(nic_interrupt(task, &nic.hw, i, &sources[i].irq) == 0);
	}
	for (uint32_t round = 0; round < 30; round++) {
		CHECK(raise_and_serve(task, &sources[round % N_IRQS], round % N_IRQS));
	}
	/* What only hw may do: the device would not know. */
	CHECK(hel_irq_set_affinity(sources[0].irq, 1, &message) == -ERR_NO_RIGHTS);
	CHECK(hel_irq_settle(sources[0].irq) == -ERR_NO_RIGHTS);
	helix_log(HEL_LOG_INFO, "ok vectors_arrive");
}

/* While vector 0 is masked, vector 1 shows that interrupts would have come by now. */
static void test_masked_vector_waits(struct task *task)
{
	for (uint32_t round = 0; round < 10; round++) {
		CHECK(nic_mask(task, &nic.hw, 0, true) == 0);
		uint64_t n_before = info_of(&sources[0]).n_interrupts;

		for (uint32_t i = 0; i < 6; i++) {
			(void)nic_take(&nic, 0);
			nic_raise(&nic, 0);
			CHECK(raise_and_serve(task, &sources[1], 1));
			CHECK(nic_move(task, &nic.hw, 0, 1 + i % 2) == 0); /* it stays masked */
		}
		CHECK(info_of(&sources[0]).n_interrupts <= n_before + UNDER_WAY);
		CHECK(nic_mask(task, &nic.hw, 0, false) == 0);
		CHECK(serve(task, &sources[0], 0));
	}
	helix_log(HEL_LOG_INFO, "ok masked_vector_waits");
}

static void test_vector_moves(struct task *task)
{
	uint32_t n_cpus = helix_start()->n_cpus;

	for (uint32_t round = 0; round < N_MOVES; round++) {
		uint32_t cpu = round % n_cpus;

		/* By turns: served before it moves, sent before it moves, moved there and back. */
		if (round % 3 == 0) {
			CHECK(raise_and_serve(task, &sources[0], 0));
		} else {
			nic_raise(&nic, 0);
		}
		if (round % 3 == 2) {
			CHECK(nic_move(task, &nic.hw, 0, UINT64_C(1) << (cpu + 1) % n_cpus) == 0);
		}
		CHECK(nic_move(task, &nic.hw, 0, UINT64_C(1) << cpu) == 0);
		CHECK(info_of(&sources[0]).cpu == cpu);
		CHECK(round % 3 == 0 || serve(task, &sources[0], 0));
	}
	CHECK(raise_and_serve(task, &sources[0], 0));
	helix_log(HEL_LOG_INFO, "ok vector_moves");
}

static void test_vectors_share_an_interrupt(struct task *task)
{
	uint32_t last_cpu = helix_start()->n_cpus - 1;
	uint64_t n_before = info_of(&sources[2]).n_interrupts;

	CHECK(nic_retarget(task, &nic.hw, 2, 1) == 0);
	CHECK(nic_retarget(task, &nic.hw, 2, 1) == 0); /* it does already */
	CHECK(nic_retarget(task, &nic.hw, 1, 1) == 0);
	for (uint32_t round = 0; round < 6; round++) {
		CHECK(raise_and_serve(task, &sources[1], 1 + round % 2));
	}
	for (uint32_t round = 0; round < 8; round++) {
		CHECK(nic_move(task, &nic.hw, 1 + round % 2, UINT64_C(1) << round % 2 * last_cpu) ==
			0);
		CHECK(raise_and_serve(task, &sources[1], 1 + round / 2 % 2));
	}
	CHECK(info_of(&sources[2]).n_interrupts <= n_before + UNDER_WAY);
	/* Vector 2 gets an interrupt of its own again. */
	hel_close(HEL_THIS, sources[2].irq);
	sources[2] = (struct source){};
	CHECK(nic_interrupt(task, &nic.hw, 2, &sources[2].irq) == 0);
	CHECK(raise_and_serve(task, &sources[2], 2));
	CHECK(raise_and_serve(task, &sources[1], 1));
	helix_log(HEL_LOG_INFO, "ok vectors_share_an_interrupt");
}

static void test_requests_are_checked(struct task *task)
{
	static const uint32_t beyond[] = { NIC_VECTORS, 2047, 1u << 28, UINT32_MAX };
	hel_handle irq, memory;

	CHECK(nic_bar(task, &nic.hw, NIC_BAR_OF_TABLE, &memory) == -ERR_NO_RIGHTS);
	for (size_t i = 0; i < ARRAY_SIZE(beyond); i++) {
		CHECK(nic_interrupt(task, &nic.hw, beyond[i], &irq) == -ERR_OUT_OF_BOUNDS);
		CHECK(nic_mask(task, &nic.hw, beyond[i], true) == -ERR_OUT_OF_BOUNDS);
		CHECK(nic_move(task, &nic.hw, beyond[i], 1) == -ERR_OUT_OF_BOUNDS);
		CHECK(nic_retarget(task, &nic.hw, beyond[i], 0) == -ERR_OUT_OF_BOUNDS);
		CHECK(nic_retarget(task, &nic.hw, 0, beyond[i]) == -ERR_OUT_OF_BOUNDS);
	}
	CHECK(nic_mask(task, &nic.hw, N_IRQS, false) == -ERR_NOT_FOUND); /* not set up */
	CHECK(nic_move(task, &nic.hw, N_IRQS, 1) == -ERR_NOT_FOUND);
	CHECK(nic_retarget(task, &nic.hw, N_IRQS, 0) == -ERR_NOT_FOUND);
	CHECK(nic_retarget(task, &nic.hw, 0, N_IRQS) == -ERR_NOT_FOUND);
	CHECK(nic_move(task, &nic.hw, 0, 0) == -ERR_ILLEGAL_ARGS);
	CHECK(nic_move(task, &nic.hw, 0, UINT64_C(1) << 63) == -ERR_ILLEGAL_ARGS);
	CHECK(raise_and_serve(task, &sources[0], 0));
	helix_log(HEL_LOG_INFO, "ok requests_are_checked");
}

static void test_other_client_has_no_say(struct task *task)
{
	hel_handle irq;

	CHECK(nic_interrupt(task, &other, 0, &irq) == -ERR_BUSY);
	CHECK(nic_mask(task, &other, 0, true) == -ERR_NOT_FOUND);
	CHECK(nic_move(task, &other, 0, 1) == -ERR_NOT_FOUND);
	CHECK(nic_retarget(task, &other, 0, 0) == -ERR_NOT_FOUND);
	CHECK(nic_interrupt(task, &other, 3, &irq) == 0);
	CHECK(nic_retarget(task, &other, 3, 0) == -ERR_NOT_FOUND);
	CHECK(nic_retarget(task, &nic.hw, 0, 3) == -ERR_NOT_FOUND);
	hel_close(HEL_THIS, irq);
	CHECK(raise_and_serve(task, &sources[0], 0));
	helix_log(HEL_LOG_INFO, "ok other_client_has_no_say");
}

/* When the owner is gone its vectors are masked, and anybody's. */
static void test_vectors_end_with_their_owner(struct task *task)
{
	uint64_t deadline_ns = task_now_ns(task) + PATIENCE_NS;
	struct source late = {};
	int error;

	hel_close(HEL_THIS, nic.hw.lane);
	do {
		error = nic_interrupt(task, &other, 0, &late.irq);
	} while (error == -ERR_BUSY && task_now_ns(task) < deadline_ns);
	CHECK(error == 0);
	uint64_t n_before = info_of(&sources[0]).n_interrupts;

	for (uint32_t round = 0; round < 6; round++) {
		(void)nic_take(&nic, 1);
		nic_raise(&nic, 1); /* nobody's now */
		CHECK(raise_and_serve(task, &late, 0));
	}
	CHECK(info_of(&sources[0]).n_interrupts <= n_before + UNDER_WAY);
	CHECK(nic_mask(task, &other, 1, false) == -ERR_NOT_FOUND);
	helix_log(HEL_LOG_INFO, "ok vectors_end_with_their_owner");
}

static int open_device(struct task *task)
{
	static const struct mbus_pair filter[] = {
		{ "pci-vendor", "8086" },
		{ "pci-device", "10d3" },
	};
	hel_handle mbus = helix_start_handle("mbus");
	hel_handle lane;
	int error = mbus_find(task, mbus, filter, ARRAY_SIZE(filter), &lane);

	if (error == 0) {
		error = nic_open(task, &nic, lane);
	}
	if (error == 0) {
		error = mbus_find(task, mbus, filter, ARRAY_SIZE(filter), &lane);
	}
	transport_client_init(&other, lane, 1);
	return error;
}

static int run_tests(struct task *task, void *argument UNUSED)
{
	static void (*const tests[])(struct task *task) = {
		test_vectors_arrive,
		test_masked_vector_waits,
		test_vector_moves,
		test_vectors_share_an_interrupt,
		test_requests_are_checked,
		test_other_client_has_no_say,
		test_vectors_end_with_their_owner,
	};
	int error = open_device(task);

	if (error != 0) {
		n_failed++;
		helix_log(HEL_LOG_ERROR, "not ok open: %s", error_text(error));
	}
	for (size_t i = 0; n_failed == 0 && i < ARRAY_SIZE(tests); i++) {
		tests[i](task);
	}
	helix_log(HEL_LOG_INFO, "done, %u failed", n_failed);
	helix_exit();
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	static struct job job;
	int error = helix_loop_init(&loop, NULL);

	if (error != 0) {
		return error;
	}
	job_init(&job, "tests", run_tests, NULL);
	job_submit(&loop.loop, &job);
	helix_loop_run(&loop);
	return 0;
}
