/* SPDX-License-Identifier: MIT */
/* Queues of bytes: order, loans, memory. */
#include <base/testing.h>
#include <helix/memory.h>
#include <posix/server/file/byte-queue.h>
#include <posix/server/tests/fakes.h>

static struct byte_queue queue;

static void append(const char *text)
{
	CHECK(byte_queue_append(&queue, text, strlen(text)));
}

static void append_block(const char *text)
{
	void *block = helix_malloc(strlen(text));

	memcpy(block, text, strlen(text));
	CHECK(byte_queue_append_block(&queue, block, strlen(text)));
}

static const char *take(size_t size)
{
	static char text[64];

	text[byte_queue_take(&queue, text, size)] = '\0';
	return text;
}

TEST(bytes_come_out_in_order)
{
	byte_queue_init(&queue);
	append("abc");
	append_block("DEF");
	append("ghi");
	CHECK_EQ(queue.n_bytes, 9);
	CHECK_STR_EQ(take(4), "abcD");
	CHECK_STR_EQ(take(60), "EFghi");
	CHECK_STR_EQ(take(60), "");
	byte_queue_deinit(&queue);
	CHECK_EQ(fake_n_blocks, 0);
}

TEST(loans_outlive_the_queue)
{
	void *first, *second;

	byte_queue_init(&queue);
	append("hello");
	append_block("BLOCK");
	const char *hello = byte_queue_borrow(&queue, 5, &first);
	const char *block = byte_queue_borrow(&queue, 5, &second);

	CHECK_EQ(queue.n_bytes, 0);
	append("x");
	byte_queue_deinit(&queue);
	CHECK_MEM_EQ(hello, "hello", 5);
	CHECK_MEM_EQ(block, "BLOCK", 5);
	byte_queue_return(second);
	byte_queue_return(first);
	CHECK_EQ(fake_n_blocks, 0);
}

TEST(what_lies_in_two_places_cannot_be_borrowed)
{
	void *loan;

	byte_queue_init(&queue);
	append_block("abc");
	append("def");
	CHECK(byte_queue_borrow(&queue, 4, &loan) == NULL);
	CHECK_EQ(queue.n_bytes, 6);
	CHECK_STR_EQ(take(4), "abcd");
	CHECK_MEM_EQ(byte_queue_borrow(&queue, 2, &loan), "ef", 2);
	byte_queue_return(loan);
	CHECK(byte_queue_borrow(&queue, 1, &loan) == NULL);
	byte_queue_deinit(&queue);
	CHECK_EQ(fake_n_blocks, 0);
}

TEST(many_small_pieces_take_little_memory)
{
	byte_queue_init(&queue);
	for (int i = 0; i < 100000; i++) {
		void *loan;

		append("abcdefg");
		CHECK_MEM_EQ(byte_queue_borrow(&queue, 7, &loan), "abcdefg", 7);
		byte_queue_return(loan);
	}
	CHECK(fake_n_blocks <= 1);
	for (int i = 0; i < 8192; i++) {
		append("abcdefgh");
	}
	CHECK(fake_n_blocks <= 18);
	byte_queue_deinit(&queue);
	CHECK_EQ(fake_n_blocks, 0);
}

TEST(without_memory_nothing_is_appended)
{
	static char text[8000];
	void *block = helix_malloc(10);

	byte_queue_init(&queue);
	append("abc");
	fake_fail_allocation = 1;
	CHECK(!byte_queue_append(&queue, text, sizeof(text)));
	CHECK_EQ(queue.n_bytes, 3);
	fake_fail_allocation = 1;
	CHECK(!byte_queue_append_block(&queue, block, 10));
	fake_fail_allocation = 0;
	helix_free(block);
	CHECK_STR_EQ(take(10), "abc");
	byte_queue_deinit(&queue);
	CHECK_EQ(fake_n_blocks, 0);
}

TEST(random_pieces)
{
	uint64_t seed = test_seed(7);
	static uint8_t bytes[20000];
	uint8_t next_in = 0, next_out = 0;
	void *loans[16] = { NULL };

	byte_queue_init(&queue);
	for (int i = 0; i < 20000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		size_t size = (size_t)(seed >> 33) % 9000 + 1;

		if ((seed >> 60 & 1) && queue.n_bytes < 65536) {
			for (size_t k = 0; k < size; k++) {
				bytes[k] = next_in++;
			}
			if (seed >> 61 & 1) {
				void *block = helix_malloc(size);

				memcpy(block, bytes, size);
				CHECK(byte_queue_append_block(&queue, block, size));
			} else {
				CHECK(byte_queue_append(&queue, bytes, size));
			}
			continue;
		}
		const uint8_t *taken = NULL;
		void **loan = &loans[i % 16];

		if (*loan != NULL) {
			byte_queue_return(*loan);
			*loan = NULL;
		}
		size = size < queue.n_bytes ? size : queue.n_bytes;
		if (size > 0 && (seed >> 62 & 1)) {
			taken = byte_queue_borrow(&queue, size, loan);
		}
		if (taken == NULL) {
			size = byte_queue_take(&queue, bytes, size);
			taken = bytes;
		}
		for (size_t k = 0; k < size; k++) {
			CHECK_EQ(taken[k], next_out);
			next_out++;
		}
	}
	for (int i = 0; i < 16; i++) {
		if (loans[i] != NULL) {
			byte_queue_return(loans[i]);
		}
	}
	byte_queue_deinit(&queue);
	CHECK_EQ(fake_n_blocks, 0);
}

TEST_MAIN()
