/* SPDX-License-Identifier: MIT */
/* Sparse sets of page indices: see page-set.h. */
#include <thor/memory/page-set.h>

constexpr uint64_t PAGE_SET_BITS = 64;
constexpr uint64_t PAGE_SET_WORD_END = (uint64_t)1 << 52; /* above all keys */

void page_set_init(struct page_set *set, struct account *account)
{
	page_tree_init(&set->words, account);
}

static uint64_t page_set_bit(uint64_t index)
{
	return (uint64_t)1 << index % PAGE_SET_BITS;
}

bool page_set_has(const struct page_set *set, uint64_t index)
{
	return (page_tree_get(&set->words, index / PAGE_SET_BITS) & page_set_bit(index)) != 0;
}

int page_set_add(struct page_set *set, uint64_t index)
{
	uint64_t word = page_tree_get(&set->words, index / PAGE_SET_BITS);

	return page_tree_set(&set->words, index / PAGE_SET_BITS, word | page_set_bit(index));
}

static uint32_t page_set_count(void *context UNUSED, const struct page_tree_run *run)
{
	uint32_t n_words = 0;

	PAGE_TREE_FOR_EACH(word, n_words, run)
	{
		(void)word;
	}
	return n_words;
}

void page_set_remove(struct page_set *set, uint64_t index)
{
	uint64_t key = index / PAGE_SET_BITS;
	uint64_t *word = page_tree_slot(&set->words, key);

	if (word == NULL || (*word & page_set_bit(index)) == 0) {
		return;
	}
	if (*word != page_set_bit(index)) {
		*word &= ~page_set_bit(index);
		return;
	}
	page_tree_remove(&set->words, key, key + 1, page_set_count, NULL);
}

void page_set_clear(struct page_set *set, uint64_t index)
{
	while (index % PAGE_SET_BITS != 0) {
		page_set_remove(set, index++);
	}
	page_tree_remove(
		&set->words, index / PAGE_SET_BITS, PAGE_SET_WORD_END, page_set_count, NULL);
}

bool page_set_next(const struct page_set *set, uint64_t index, uint64_t *out_index)
{
	uint64_t key = index / PAGE_SET_BITS;
	uint64_t word = page_tree_get(&set->words, key) & ~(page_set_bit(index) - 1);

	if (word == 0 && !page_tree_next(&set->words, key + 1, PAGE_SET_WORD_END, &key, &word)) {
		return false;
	}
	*out_index = key * PAGE_SET_BITS + (uint64_t)__builtin_ctzll(word);
	return true;
}
