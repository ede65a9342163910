/* SPDX-License-Identifier: MIT */
/* Managed memory on the real processor: faults, calls and transfers that wait, write access. */
#include "test.h"

constexpr uint64_t PAGES = 64;

static struct hel_managed_handles handles;
static uint64_t frontal;
static struct worker manager;
static struct hel_queue_client manager_queue;
static _Atomic uint32_t must_end, fails_reads;
static uint64_t disk[PAGES];
static struct completion completion, other;

static uint64_t map_memory(hel_handle memory)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory,
		.size_bytes = PAGES * 4096,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t address;

	return hel_space_map(&args, &address) == 0 ? address : 0;
}

/* ---- the manager ----------------------------------------------------------------------------- */

static void manager_submit(void)
{
	struct hel_manage_record *record =
		hel_queue_reserve(&manager_queue, HEL_SUBMIT_MANAGE, sizeof(*record), 1);

	record->backing = handles.backing;
	hel_queue_commit(&manager_queue);
}

static void manager_answer(const struct hel_manage_result *request, volatile uint64_t *pages)
{
	uint64_t first = request->offset / 4096;
	uint64_t end = first + request->length / 4096;
	bool is_read = request->kind == HEL_MANAGE_INITIALISE;

	if (is_read && fails_reads != 0) {
		(void)!hel_memory_update(handles.backing, HEL_UPDATE_INITIALISE_FAILED,
			request->offset, request->length, -ERR_IO);
		return;
	}
	for (uint64_t i = first; i < end; i++) {
		if (is_read) {
			pages[i * 512] = disk[i];
		} else {
			disk[i] = pages[i * 512];
		}
	}
	(void)!hel_memory_update(handles.backing,
		is_read ? HEL_UPDATE_INITIALISED : HEL_UPDATE_WRITTEN_BACK, request->offset,
		request->length, 0);
}

static void manager_run(UNUSED struct worker *worker)
{
	uint64_t pages = map_memory(handles.backing);
	const struct hel_element *element;

	manager_submit();
	while (must_end == 0) {
		hel_drive(manager_queue.handle, HEL_DRIVE_WAIT, manager_queue.n_taken,
			test_deadline_ms(5), NULL);
		while ((element = hel_queue_take(&manager_queue)) != NULL) {
			struct hel_manage_result request =
				*(const struct hel_manage_result *)(element + 1);
			int error = element->error;

			hel_queue_release(&manager_queue, element);
			if (error == 0) {
				manager_answer(&request, (volatile uint64_t *)pages);
				manager_submit();
			}
		}
	}
	unmap_pages(pages, PAGES * 4096);
}

static bool begin(void)
{
	if (hel_memory_create_managed(PAGES * 4096, 0, &handles) != 0) {
		return false;
	}
	frontal = map_memory(handles.frontal);
	for (uint64_t i = 0; i < PAGES; i++) {
		disk[i] = 1000 + i;
	}
	must_end = 0;
	fails_reads = 0;
	return frontal != 0 && make_queue(&manager_queue, 2, 4096, 4096) &&
		worker_start(&manager, manager_run, NULL);
}

static bool end(void)
{
	must_end = 1;
	bool has_ended = worker_join(&manager);

	drop_queue(&manager_queue);
	unmap_pages(frontal, PAGES * 4096);
	hel_close(HEL_THIS, handles.frontal);
	hel_close(HEL_THIS, handles.backing);
	return has_ended;
}

static volatile uint64_t *word_of(uint64_t index)
{
	return (volatile uint64_t *)(frontal + index * 4096);
}

static bool fence(int *out_error)
{
	struct hel_fence_record *record = submit(HEL_SUBMIT_FENCE, sizeof(*record));

	record->frontal = handles.frontal;
	record->offset = 0;
	record->length = PAGES * 4096;
	uint64_t context = record->header.context;

	commit();
	if (!await(context, &completion)) {
		return false;
	}
	*out_error = completion.error;
	return true;
}

/* ---- cases ----------------------------------------------------------------------------------- */

TEST(managed_pages_come_and_go_back)
{
	int error = 1;

	CHECK(begin());
	for (uint64_t i = 0; i < PAGES; i++) {
		CHECK_EQ(*word_of(i), 1000 + i);
	}
	*word_of(3) = 3;
	*word_of(4) = 4;
	CHECK(fence(&error));
	CHECK_EQ(error, 0);
	CHECK_EQ(disk[3], 3);
	CHECK_EQ(disk[4], 4);
	/* Write access was taken away, so the next write is noticed, too. */
	*word_of(3) = 33;
	CHECK(fence(&error));
	CHECK_EQ(disk[3], 33);
	CHECK_EQ(hel_memory_invalidate(handles.backing, 0, PAGES * 4096), 0);
	disk[5] = 55;
	CHECK_EQ(*word_of(5), 55);
	CHECK(end());
}

TEST(managed_calls_wait_for_pages)
{
	struct hel_memory_info info = {};
	uint64_t word = 0;

	CHECK(begin());
	CHECK_EQ(hel_memory_read(handles.frontal, 7 * 4096, &word, sizeof(word)), 0);
	CHECK_EQ(word, 1007);
	CHECK_EQ(hel_memory_info(handles.frontal, (void *)word_of(20)), 0);
	CHECK_EQ(hel_memory_read(handles.frontal, 20 * 4096, &info, sizeof(info)), 0);
	CHECK_EQ(info.kind, HEL_MEMORY_MANAGED);
	CHECK_EQ(hel_futex_wait((uint32_t *)word_of(30), 1, HEL_DEADLINE_NEVER, 1), -ERR_RETRY);
	fails_reads = 1;
	CHECK_EQ(hel_memory_read(handles.frontal, 50 * 4096, &word, sizeof(word)), -ERR_FAULT);
	CHECK_EQ(hel_memory_info(handles.frontal, (void *)word_of(51)), -ERR_FAULT);
	CHECK(end());
}

TEST(managed_transfers_wait_for_pages)
{
	struct hel_stream_lanes lanes;

	CHECK(begin());
	CHECK_EQ(hel_stream_create(&lanes), 0);
	struct hel_action send = SEND(word_of(8), 4 * 4096);
	struct hel_action receive = RECEIVE(word_of(40), 4 * 4096);
	uint64_t sent = submit_exchange(lanes.lane[0], &send, 1);
	uint64_t received = submit_exchange(lanes.lane[1], &receive, 1);

	CHECK(await(sent, &completion));
	CHECK(await(received, &other));
	CHECK_EQ(result_of(&completion, 0)->error, 0);
	CHECK_EQ(result_of(&other, 0)->value, 4 * 4096);
	CHECK_EQ(*word_of(43), 1011);
	hel_close(HEL_THIS, lanes.lane[0]);
	hel_close(HEL_THIS, lanes.lane[1]);
	CHECK(end());
}

static void fault_run(struct worker *worker)
{
	*(volatile uint64_t *)worker->argument = 1;
}

static bool faults_with(void *address, int reason)
{
	struct worker worker;
	struct hel_observe_result result;

	if (!worker_create(&worker, fault_run, address)) {
		return false;
	}
	uint64_t context = observe(worker.thread, 0);

	(void)!hel_thread_start(worker.thread);
	bool is_right = await_observation(context, &result) &&
		result.observation == HEL_OBSERVE_FAULT && result.reason == reason;

	hel_thread_kill(worker.thread);
	worker_forget(&worker);
	return is_right;
}

TEST(managed_pages_fail)
{
	int error = 0;

	CHECK(begin());
	CHECK_EQ(*word_of(1), 1001);
	fails_reads = 1;
	CHECK(faults_with((void *)word_of(30), -ERR_IO));
	CHECK_EQ(hel_close(HEL_THIS, handles.backing), 0);
	CHECK_EQ(*word_of(1), 1001);
	CHECK(faults_with((void *)word_of(1), -ERR_IO));
	CHECK(fence(&error));
	CHECK_EQ(error, -ERR_IO);
	CHECK(end());
}
