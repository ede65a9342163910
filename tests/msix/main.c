/* SPDX-License-Identifier: MIT */
/*
 * A driver that has hw change the vectors of its device, and another client of the same device that
 * must not. tests/system/msix.py boots this with an `e1000e` (nic.h).
 */
#include "nic.h"

#include <base/errors.h>
#include <helix/helix.h>
#include <protocols/hw/hw-client.h>
#include <protocols/mbus/mbus-client.h>
#include <tests/native/task-tests.h>

constexpr uint64_t PATIENCE_NS = 20'000'000'000;
constexpr uint64_t THROTTLE_NS = 10'000'000; /* far more than the device holds interrupts back */
constexpr uint32_t N_IRQS = 3;
constexpr uint32_t N_MOVES = 120;
constexpr uint32_t UNDER_WAY = 1; /* to a CPU, when the device was told otherwise */

/* An interrupt as its driver sees it. */
struct source {
	hel_handle irq;
	uint64_t sequence;
};

static struct nic nic;
static struct transport_client other; /* of the same device */
static struct source sources[N_IRQS];

static struct hel_irq_info info_of(const struct source *source)
{
	struct hel_irq_info info = {};

	task_tests_check(hel_irq_info(source->irq, &info) == 0, "hel_irq_info", __LINE__);
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
		CHECK(hw_client_interrupt(task, &nic.hw, i, &sources[i].irq) == 0);
	}
	for (uint32_t round = 0; round < 30; round++) {
		CHECK(raise_and_serve(task, &sources[round % N_IRQS], round % N_IRQS));
	}
	/* What only hw may do: the device would not know. */
	CHECK(hel_irq_set_affinity(sources[0].irq, 1, &message) == -ERR_NO_RIGHTS);
	CHECK(hel_irq_settle(sources[0].irq) == -ERR_NO_RIGHTS);
}

/* While vector 0 is masked, vector 1 shows that interrupts would have come by now. */
static void test_masked_vector_waits(struct task *task)
{
	for (uint32_t round = 0; round < 10; round++) {
		CHECK(hw_client_interrupt_mask(task, &nic.hw, 0, true) == 0);
		uint64_t n_before = info_of(&sources[0]).n_interrupts;

		for (uint32_t i = 0; i < 6; i++) {
			(void)nic_take(&nic, 0);
			nic_raise(&nic, 0);
			CHECK(raise_and_serve(task, &sources[1], 1));
			CHECK(hw_client_interrupt_move(task, &nic.hw, 0, 1 + i % 2) ==
				0); /* it stays masked */
		}
		CHECK(info_of(&sources[0]).n_interrupts <= n_before + UNDER_WAY);
		CHECK(hw_client_interrupt_mask(task, &nic.hw, 0, false) == 0);
		CHECK(serve(task, &sources[0], 0));
	}
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
			CHECK(hw_client_interrupt_move(
				      task, &nic.hw, 0, UINT64_C(1) << (cpu + 1) % n_cpus) == 0);
		}
		CHECK(hw_client_interrupt_move(task, &nic.hw, 0, UINT64_C(1) << cpu) == 0);
		CHECK(info_of(&sources[0]).cpu == cpu);
		CHECK(round % 3 == 0 || serve(task, &sources[0], 0));
	}
	CHECK(raise_and_serve(task, &sources[0], 0));
}

static void test_vectors_share_an_interrupt(struct task *task)
{
	uint32_t last_cpu = helix_start()->n_cpus - 1;
	uint64_t n_before = info_of(&sources[2]).n_interrupts;

	CHECK(hw_client_interrupt_retarget(task, &nic.hw, 2, 1) == 0);
	CHECK(hw_client_interrupt_retarget(task, &nic.hw, 2, 1) == 0); /* it does already */
	CHECK(hw_client_interrupt_retarget(task, &nic.hw, 1, 1) == 0);
	for (uint32_t round = 0; round < 6; round++) {
		CHECK(raise_and_serve(task, &sources[1], 1 + round % 2));
	}
	for (uint32_t round = 0; round < 8; round++) {
		CHECK(hw_client_interrupt_move(task, &nic.hw, 1 + round % 2,
			      UINT64_C(1) << round % 2 * last_cpu) == 0);
		CHECK(raise_and_serve(task, &sources[1], 1 + round / 2 % 2));
	}
	CHECK(info_of(&sources[2]).n_interrupts <= n_before + UNDER_WAY);
	/* Vector 2 gets an interrupt of its own again. */
	hel_close(HEL_THIS, sources[2].irq);
	sources[2] = (struct source){};
	CHECK(hw_client_interrupt(task, &nic.hw, 2, &sources[2].irq) == 0);
	CHECK(raise_and_serve(task, &sources[2], 2));
	CHECK(raise_and_serve(task, &sources[1], 1));
}

static void test_requests_are_checked(struct task *task)
{
	static const uint32_t beyond[] = { NIC_VECTORS, 2047, 1u << 28, UINT32_MAX };
	struct hw_bar_reply bar;
	hel_handle irq, memory;

	CHECK(hw_client_bar(task, &nic.hw, NIC_BAR_OF_TABLE, &bar, &memory) == -ERR_NO_RIGHTS);
	for (size_t i = 0; i < ARRAY_SIZE(beyond); i++) {
		CHECK(hw_client_interrupt(task, &nic.hw, beyond[i], &irq) == -ERR_OUT_OF_BOUNDS);
		CHECK(hw_client_interrupt_mask(task, &nic.hw, beyond[i], true) ==
			-ERR_OUT_OF_BOUNDS);
		CHECK(hw_client_interrupt_move(task, &nic.hw, beyond[i], 1) == -ERR_OUT_OF_BOUNDS);
		CHECK(hw_client_interrupt_retarget(task, &nic.hw, beyond[i], 0) ==
			-ERR_OUT_OF_BOUNDS);
		CHECK(hw_client_interrupt_retarget(task, &nic.hw, 0, beyond[i]) ==
			-ERR_OUT_OF_BOUNDS);
	}
	CHECK(hw_client_interrupt_mask(task, &nic.hw, N_IRQS, false) ==
		-ERR_NOT_FOUND); /* not set up */
	CHECK(hw_client_interrupt_move(task, &nic.hw, N_IRQS, 1) == -ERR_NOT_FOUND);
	CHECK(hw_client_interrupt_retarget(task, &nic.hw, N_IRQS, 0) == -ERR_NOT_FOUND);
	CHECK(hw_client_interrupt_retarget(task, &nic.hw, 0, N_IRQS) == -ERR_NOT_FOUND);
	CHECK(hw_client_interrupt_move(task, &nic.hw, 0, 0) == -ERR_ILLEGAL_ARGS);
	CHECK(hw_client_interrupt_move(task, &nic.hw, 0, UINT64_C(1) << 63) == -ERR_ILLEGAL_ARGS);
	CHECK(raise_and_serve(task, &sources[0], 0));
}

static void test_other_client_has_no_say(struct task *task)
{
	hel_handle irq;

	CHECK(hw_client_interrupt(task, &other, 0, &irq) == -ERR_BUSY);
	CHECK(hw_client_interrupt_mask(task, &other, 0, true) == -ERR_NOT_FOUND);
	CHECK(hw_client_interrupt_move(task, &other, 0, 1) == -ERR_NOT_FOUND);
	CHECK(hw_client_interrupt_retarget(task, &other, 0, 0) == -ERR_NOT_FOUND);
	CHECK(hw_client_interrupt(task, &other, 3, &irq) == -ERR_BUSY);
	CHECK(hw_client_bus_master(task, &other, true) == -ERR_BUSY);
	CHECK(hw_client_dma_space(task, &other, &irq) == -ERR_BUSY);
	CHECK(raise_and_serve(task, &sources[0], 0));
}

/* When the driver is gone its vectors are masked, and anybody drives the device. */
static void test_vectors_end_with_their_owner(struct task *task)
{
	uint64_t deadline_ns = task_now_ns(task) + PATIENCE_NS;
	struct source late = {};
	int error;

	/* QEMU ends if MSI-X is turned off while its device still holds an interrupt back. */
	CHECK(task_sleep_until(task, task_now_ns(task) + THROTTLE_NS) == 0);
	hel_close(HEL_THIS, nic.hw.lane);
	do {
		error = nic_open(task, &nic, other.lane);
	} while (error == -ERR_BUSY && task_now_ns(task) < deadline_ns);
	CHECK(error == 0);
	CHECK(hw_client_interrupt(task, &nic.hw, 0, &late.irq) == 0);
	uint64_t n_before = info_of(&sources[0]).n_interrupts;

	for (uint32_t round = 0; round < 6; round++) {
		(void)nic_take(&nic, 1);
		nic_raise(&nic, 1); /* nobody's now */
		CHECK(raise_and_serve(task, &late, 0));
	}
	CHECK(info_of(&sources[0]).n_interrupts <= n_before + UNDER_WAY);
	CHECK(hw_client_interrupt_mask(task, &nic.hw, 1, false) == -ERR_NOT_FOUND);
}

static int device_open(struct task *task)
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

static void test_device_opens(struct task *task)
{
	CHECK(device_open(task) == 0);
}

static const struct task_test tests[] = {
	TASK_TEST(device_opens),
	TASK_TEST(vectors_arrive),
	TASK_TEST(masked_vector_waits),
	TASK_TEST(vector_moves),
	TASK_TEST(vectors_share_an_interrupt),
	TASK_TEST(requests_are_checked),
	TASK_TEST(other_client_has_no_say),
	TASK_TEST(vectors_end_with_their_owner),
};

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	return task_tests_main(tests, ARRAY_SIZE(tests));
}
