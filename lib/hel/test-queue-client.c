/* SPDX-License-Identifier: MIT */
/*
 * Tests of the queue client against a small kernel side written from abi/hel/queue.h alone.
 */
#include <base/random.h>
#include <base/testing.h>
#include <base/types.h>
#include <hel/queue-client.h>

/* The kernel's end of one queue. */
struct fake_kernel {
	struct hel_queue_params params;
	struct hel_queue_header *header;
	uint8_t *memory;
	uint32_t supply_head;
	uint32_t chunk; /* ~0: none */
	uint32_t used;
	uint32_t n_pads;
};

struct hel_outcome hel_sim_call(uint32_t number, const uint64_t *arguments)
{
	(void)number;
	(void)arguments;
	UNREACHABLE();
}

static void fake_kernel_init(struct fake_kernel *kernel, struct hel_queue_params params)
{
	uint64_t size = hel_queue_memory_size(&params);

	*kernel = (struct fake_kernel){ .params = params, .chunk = ~0u };
	kernel->memory = aligned_alloc(4096, size);
	memset(kernel->memory, 0, size);
	kernel->header = (struct hel_queue_header *)kernel->memory;
}

static struct hel_chunk *fake_kernel_chunk(struct fake_kernel *kernel)
{
	return (struct hel_chunk *)(kernel->memory + hel_queue_chunks_offset(&kernel->params) +
		(uint64_t)kernel->chunk * kernel->params.chunk_size);
}

/* Append one element with @size bytes of data; false if no chunk is supplied. */
static bool fake_kernel_complete(struct fake_kernel *kernel, uint64_t context, uint32_t size)
{
	uint32_t total = sizeof(struct hel_element) + (uint32_t)align_up(size, 8);
	uint32_t room = kernel->params.chunk_size - sizeof(struct hel_chunk);

	CHECK(total <= room);
	if (kernel->chunk != ~0u && kernel->used + total > room) {
		fake_kernel_chunk(kernel)->progress |= HEL_CHUNK_DONE;
		kernel->chunk = ~0u;
	}
	if (kernel->chunk == ~0u) {
		if (kernel->supply_head == kernel->header->supply_tail) {
			return false;
		}
		kernel->chunk = kernel->header->supply[kernel->supply_head % HEL_SUPPLY_MAX];
		kernel->supply_head++;
		kernel->used = 0;
		CHECK(kernel->chunk < kernel->params.n_chunks);
		CHECK_EQ(fake_kernel_chunk(kernel)->progress, 0);
	}
	struct hel_chunk *chunk = fake_kernel_chunk(kernel);
	struct hel_element *element = (struct hel_element *)(chunk->elements + kernel->used);

	*element = (struct hel_element){ .size = total, .context = context };
	memset(element + 1, (int)(context & 0xff), align_up(size, 8));
	kernel->used += total;
	chunk->progress = kernel->used;
	kernel->header->n_completions++;
	return true;
}

/* Take one record; false if there is none. */
static bool fake_kernel_submission(struct fake_kernel *kernel, struct hel_record *out_record)
{
	while (kernel->header->submit_head != kernel->header->submit_tail) {
		uint32_t position = kernel->header->submit_head % kernel->params.submit_size;
		const struct hel_record *record = (const struct hel_record *)(kernel->memory +
			sizeof(struct hel_queue_header) + position);

		CHECK(record->size >= 8 && record->size % 8 == 0);
		CHECK(position + record->size <= kernel->params.submit_size);
		kernel->header->submit_head += record->size;
		if (record->opcode != HEL_SUBMIT_PAD) {
			*out_record = *record;
			return true;
		}
		kernel->n_pads++;
	}
	return false;
}

static const struct hel_queue_params small = {
	.n_chunks = 2, .chunk_size = 1024, .submit_size = 512
};

TEST(queue_layout)
{
	CHECK_EQ(sizeof(struct hel_queue_header), 512);
	CHECK_EQ(hel_queue_chunks_offset(&small), 4096);
	CHECK_EQ(hel_queue_memory_size(&small), 8192);
	CHECK_EQ(hel_queue_chunks_offset(&(struct hel_queue_params){
			 .n_chunks = 1, .chunk_size = 1024, .submit_size = 4096 }),
		8192);
	/* Small chunks lie behind the ring. */
	struct hel_queue_params one_page = { .n_chunks = 2, .chunk_size = 512, .submit_size = 512 };

	CHECK_EQ(hel_queue_chunks_offset(&one_page), 1024);
	CHECK_EQ(hel_queue_memory_size(&one_page), 4096);
}

TEST(queue_submits_and_pads)
{
	struct fake_kernel kernel;
	struct hel_queue_client client;
	struct hel_record record;
	struct random random;

	random_init(&random, test_seed(1));
	fake_kernel_init(&kernel, small);
	hel_queue_client_init(&client, 1, kernel.memory, &small);
	for (uint64_t i = 0, seen = 0; i < 1000;) {
		uint32_t size = (uint32_t)random_between(&random, 16, 200);
		void *room = hel_queue_reserve(&client, HEL_SUBMIT_NOP, size, i);

		if (room != NULL) {
			CHECK_EQ((uintptr_t)room % 8, 0);
			memset((struct hel_record *)room + 1, 0xff, size - 16);
			i++;
		}
		if (room == NULL || random_chance(&random, 3)) {
			hel_queue_commit(&client);
			while (fake_kernel_submission(&kernel, &record)) {
				CHECK_EQ(record.context, seen);
				CHECK_EQ(record.opcode, HEL_SUBMIT_NOP);
				seen++;
			}
			CHECK_EQ(seen, i);
			CHECK(!hel_queue_has_submissions(&client));
		}
	}
	CHECK(kernel.n_pads > 0);
	free(kernel.memory);
}

TEST(queue_refuses_when_full)
{
	struct fake_kernel kernel;
	struct hel_queue_client client;
	struct hel_record record;

	fake_kernel_init(&kernel, small);
	hel_queue_client_init(&client, 1, kernel.memory, &small);
	for (int i = 0; i < 32; i++) {
		CHECK(hel_queue_reserve(&client, HEL_SUBMIT_NOP, 16, 0) != NULL);
	}
	CHECK(hel_queue_reserve(&client, HEL_SUBMIT_NOP, 16, 0) == NULL);
	CHECK(!fake_kernel_submission(&kernel, &record));
	hel_queue_commit(&client);
	CHECK(hel_queue_has_submissions(&client));
	while (fake_kernel_submission(&kernel, &record)) {
	}
	CHECK(hel_queue_reserve(&client, HEL_SUBMIT_NOP, 16, 0) != NULL);
	free(kernel.memory);
}

TEST(queue_takes_in_order_and_recycles)
{
	struct fake_kernel kernel;
	struct hel_queue_client client;
	struct random random;
	uint64_t n_completed = 0;
	uint64_t n_taken = 0;

	random_init(&random, test_seed(2));
	fake_kernel_init(&kernel, small);
	hel_queue_client_init(&client, 1, kernel.memory, &small);
	CHECK(hel_queue_take(&client) == NULL);
	while (n_taken < 5000) {
		uint32_t size = (uint32_t)random_between(&random, 0, 900);

		if (fake_kernel_complete(&kernel, n_completed, size)) {
			n_completed++;
		}
		if (random_chance(&random, 2)) {
			const struct hel_element *element = hel_queue_take(&client);

			if (element != NULL) {
				CHECK_EQ(element->context, n_taken);
				hel_queue_release(&client, element);
				n_taken++;
				CHECK_EQ(client.n_taken, n_taken);
			}
		}
	}
	free(kernel.memory);
}

TEST(queue_keeps_chunks_of_kept_elements)
{
	struct fake_kernel kernel;
	struct hel_queue_client client;
	const struct hel_element *kept;
	const struct hel_element *other;

	fake_kernel_init(&kernel, small);
	hel_queue_client_init(&client, 1, kernel.memory, &small);
	CHECK(fake_kernel_complete(&kernel, 7, 600));
	CHECK(fake_kernel_complete(&kernel, 8, 600));
	kept = hel_queue_take(&client);
	other = hel_queue_take(&client);
	CHECK_EQ(other->context, 8);
	hel_queue_release(&client, other);
	/* the second chunk is full, the first one still in use */
	CHECK(!fake_kernel_complete(&kernel, 9, 600));
	CHECK(hel_queue_take(&client) == NULL);
	CHECK_EQ(kept->context, 7);
	CHECK_EQ(((const uint8_t *)(kept + 1))[599], 7);
	/* the second one came back when it was seen to be full */
	CHECK(fake_kernel_complete(&kernel, 9, 600));
	CHECK(!fake_kernel_complete(&kernel, 10, 600));
	hel_queue_release(&client, kept);
	CHECK(fake_kernel_complete(&kernel, 10, 600));
	CHECK_EQ(hel_queue_take(&client)->context, 9);
	CHECK_EQ(hel_queue_take(&client)->context, 10);
	free(kernel.memory);
}

TEST(results_stay_inside_the_element)
{
	struct {
		struct hel_element element;
		struct hel_result first;
		uint8_t data[8];
		struct hel_result second;
	} completion = {
		.element = { .size = sizeof(completion), .n_results = 2 },
		.first = { .inline_size = 3, .value = 3 },
		.data = "abc",
		.second = { .value = 42 },
	};
	struct hel_results results = hel_results_begin(&completion.element);
	const struct hel_result *result = hel_results_next(&results);

	CHECK_EQ(result->value, 3);
	CHECK_MEM_EQ(hel_result_data(result), "abc", 3);
	CHECK_EQ(hel_results_next(&results)->value, 42);
	CHECK(hel_results_next(&results) == NULL);

	completion.second.inline_size = 1;
	results = hel_results_begin(&completion.element);
	CHECK(hel_results_next(&results) != NULL);
	CHECK(hel_results_next(&results) == NULL);

	completion.element.error = -ERR_BAD_HANDLE;
	results = hel_results_begin(&completion.element);
	CHECK(hel_results_next(&results) == NULL);
}

TEST_MAIN()
