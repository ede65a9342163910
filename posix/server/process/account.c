/* SPDX-License-Identifier: MIT */
/* Accounts of users; see account.h. */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <base/hash.h>
#include <helix/memory.h>
#include <posix/server/process/account.h>

constexpr size_t ACCOUNT_BUCKETS = 256;

static struct hash_node *buckets[ACCOUNT_BUCKETS];
static struct hash_table accounts;

static bool has_uid(const struct hash_node *node, const void *key)
{
	return container_of(node, const struct account, node)->uid == *(const uint32_t *)key;
}

static struct account *account_find(uint32_t uid)
{
	if (accounts.buckets == NULL) {
		hash_table_init(&accounts, buckets, ACCOUNT_BUCKETS, NULL);
	}
	struct hash_node *node = hash_table_find(&accounts, hash_u64(uid), has_uid, &uid);

	return node != NULL ? container_of(node, struct account, node) : NULL;
}

struct account *account_get(uint32_t uid)
{
	struct account *account = account_find(uid);

	if (account != NULL) {
		account->references++;
		return account;
	}
	account = helix_malloc(sizeof(*account));
	if (account != NULL) {
		*account = (struct account){ .references = 1, .uid = uid };
		hash_table_insert(&accounts, &account->node, hash_u64(uid));
	}
	return account;
}

void account_ref(struct account *account)
{
	account->references++;
}

void account_unref(struct account *account)
{
	if (account != NULL && --account->references == 0) {
		hash_table_remove(&accounts, &account->node);
		helix_free(account);
	}
}

uint64_t account_count(uint32_t uid, enum account_kind kind)
{
	const struct account *account = account_find(uid);

	return account == NULL ? 0 : account->n[kind];
}

int64_t account_charge(uint32_t uid, enum account_kind kind, uint64_t n, uint64_t limit,
	struct account **out_account)
{
	struct account *account = account_get(uid);

	if (account == NULL) {
		return -LINUX_ENOMEM;
	}
	if (n > limit || account->n[kind] > limit - n) {
		account_unref(account);
		return -LINUX_EDQUOT;
	}
	account->n[kind] += n;
	*out_account = account;
	return 0;
}

void account_discharge(struct account *account, enum account_kind kind, uint64_t n)
{
	ASSERT(account->n[kind] >= n);
	account->n[kind] -= n;
	account_unref(account);
}
