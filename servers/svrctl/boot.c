/* SPDX-License-Identifier: MIT */
/* Reading and ordering manifests: see boot.h. */
#include "boot.h"

#include <base/cpio.h>
#include <base/errors.h>
#include <base/string.h>
#include <helix/memory.h>

static const char manifest_folder[] = "boot/hati/manifests/";
static const char manifest_suffix[] = ".server";

static const char *const builtins[] = { "log", "statistics", "clock", "authority", "initrd",
	"boot-info" };

bool boot_is_builtin(const char *capability)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++) {
		if (str_equal(capability, builtins[i])) {
			return true;
		}
	}
	return false;
}

static bool boot_is_manifest(const struct cpio_entry *entry)
{
	size_t suffix_length = sizeof(manifest_suffix) - 1;

	return (entry->mode & CPIO_MODE_TYPE) == CPIO_MODE_REGULAR &&
		str_starts_with(entry->name, manifest_folder) &&
		entry->name_length > suffix_length &&
		str_equal(entry->name + strlen(entry->name) - suffix_length, manifest_suffix);
}

static bool boot_is_taken(const struct boot_plan *plan, const struct manifest *manifest)
{
	for (size_t i = 0; i < plan->n_servers; i++) {
		const struct manifest *other = &plan->servers[i];

		if (str_equal(other->name, manifest->name) ||
			(other->provides[0] != '\0' &&
				str_equal(other->provides, manifest->provides))) {
			return true;
		}
	}
	return false;
}

static bool boot_provides(const struct manifest *servers, size_t n_servers, const char *service)
{
	for (size_t i = 0; i < n_servers; i++) {
		if (str_equal(servers[i].provides, service)) {
			return true;
		}
	}
	return false;
}

/* Whether all that @manifest needs is there when the first @n_started have been started. */
static bool boot_can_start(
	const struct boot_plan *plan, size_t n_started, const struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->n_needs; i++) {
		if (!boot_is_builtin(manifest->needs[i]) &&
			!boot_provides(plan->servers, n_started, manifest->needs[i])) {
			return false;
		}
	}
	return true;
}

/* Selection sort: what can start now comes next; what never can is left out. */
static void boot_order(struct boot_plan *plan,
	void (*complain)(const char *name, const char *reason, unsigned line))
{
	size_t n_started = 0;

	for (size_t i = n_started; i < plan->n_servers; i++) {
		if (boot_can_start(plan, n_started, &plan->servers[i])) {
			struct manifest chosen = plan->servers[i];

			memmove(&plan->servers[n_started + 1], &plan->servers[n_started],
				(i - n_started) * sizeof(chosen));
			plan->servers[n_started] = chosen;
			n_started++;
			i = n_started - 1; /* look at all the others again */
		}
	}
	for (size_t i = n_started; i < plan->n_servers; i++) {
		complain(plan->servers[i].name, "nobody provides what it needs", 0);
	}
	plan->n_servers = n_started;
}

int boot_read(const void *archive, size_t size,
	bool (*has_option)(const char *name, const char *value),
	void (*complain)(const char *name, const char *reason, unsigned line),
	struct boot_plan *out_plan)
{
	struct cpio_iterator iterator;
	struct cpio_entry entry;
	struct boot_plan plan = {
		.servers = helix_calloc(BOOT_SERVERS_MAX, sizeof(struct manifest)),
	};

	if (plan.servers == NULL) {
		return -ERR_NO_MEMORY;
	}
	cpio_begin(&iterator, archive, size);
	while (cpio_iterate(&iterator, &entry) == CPIO_ENTRY && plan.n_servers < BOOT_SERVERS_MAX) {
		struct manifest *manifest = &plan.servers[plan.n_servers];
		unsigned line = 0;

		if (!boot_is_manifest(&entry)) {
			continue;
		}
		int error = manifest_parse(entry.data, entry.size, manifest, &line);

		if (error != 0) {
			complain(entry.name, error_text(error), line);
		} else if (boot_is_taken(&plan, manifest)) {
			complain(entry.name, "another one has its name or service", 0);
		} else if (manifest->when_name[0] == '\0' ||
			has_option(manifest->when_name, manifest->when_value)) {
			plan.n_servers++;
		}
	}
	boot_order(&plan, complain);
	*out_plan = plan;
	return 0;
}
