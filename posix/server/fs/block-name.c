/* SPDX-License-Identifier: MIT */
/* What disks are called and numbered: see block-name.h. */
#include <abi/linux/errno.h>
#include <abi/linux/stat.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/fs/block-name.h>

constexpr uint32_t MAJOR_RAM = 1;
constexpr uint32_t MAJOR_LOOP = 7;
constexpr uint32_t MAJOR_VD = 254; /* the first that Linux gives away */
constexpr uint32_t MAJOR_EXTRA = 259;
constexpr uint32_t PARTITIONS_MAX = 16; /* with numbers of their own: of vd and sd */

/* Each for 16 disks. */
static const uint16_t sd_majors[] = { 8, 65, 66, 67, 68, 69, 70, 71, 128, 129, 130, 131, 132, 133,
	134, 135 };

struct named_place {
	struct tree_node node;
	uint64_t address;
	uint32_t unit; /* 0 if all units have one number */
	bool has_index;
	uint32_t index;
};

/* ---- places ---------------------------------------------------------------------------------- */

static enum block_family family_of_driver(const char *driver)
{
	static const struct {
		const char *driver;
		enum block_family family;
	} known[] = {
		{ "virtio", BLOCK_FAMILY_VD },
		{ "nvme", BLOCK_FAMILY_NVME },
		{ "ram", BLOCK_FAMILY_RAM },
		{ "loop", BLOCK_FAMILY_LOOP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (str_equal(known[i].driver, driver)) {
			return known[i].family;
		}
	}
	return BLOCK_FAMILY_SD;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static uint32_t digit_of(char c)
{
	return is_digit(c)             ? (uint32_t)(c - '0')
		: c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
				       : UINT32_MAX;
}

/* An address of a PCI function, ssss:bb:dd.f; NULL: there is none, else what is behind it. */
static const char *parse_address(const char *text, uint64_t *out_address)
{
	static const char form[] = "xxxx:xx:xx.x";
	uint64_t address = 0;

	for (size_t i = 0; form[i] != '\0'; i++) {
		if (form[i] != 'x') {
			if (text[i] != form[i]) {
				return NULL;
			}
			continue;
		}
		uint32_t digit = digit_of(text[i]);

		if (digit > 15) {
			return NULL;
		}
		address = address << 4 | digit;
	}
	*out_address = address;
	return text + sizeof(form) - 1;
}

/* All numbers of a text, one in the bits above the next: "p3" is 3, "p1n2" is 0x1'0002. */
static uint32_t parse_units(const char *text)
{
	uint32_t units = 0;

	while (*text != '\0') {
		uint32_t unit = 0;

		if (!is_digit(*text)) {
			text++;
			continue;
		}
		for (; is_digit(*text); text++) {
			unit = (unit * 10 + (uint32_t)(*text - '0')) & 0xffff;
		}
		units = units << 16 | unit;
	}
	return units;
}

void block_place_parse(const char *name, struct block_place *out_place)
{
	struct block_place place = { .address = UINT64_MAX };
	size_t length = 0;

	while (length < sizeof(place.driver) - 1 && name[length] != '\0' && name[length] != '-' &&
		!is_digit(name[length])) {
		place.driver[length] = name[length];
		length++;
	}
	const char *rest = name + length;
	const char *behind = *rest == '-' ? parse_address(rest + 1, &place.address) : NULL;

	if (behind != NULL) {
		place.has_address = true;
		memcpy(place.address_text, rest + 1, (size_t)(behind - rest - 1));
		rest = behind;
	}
	place.family = family_of_driver(place.driver);
	place.unit = parse_units(rest);
	*out_place = place;
}

/* ---- numbers of disks ------------------------------------------------------------------------ */

static int place_compare(const struct tree_node *a, const struct tree_node *b)
{
	const struct named_place *one = container_of(a, struct named_place, node);
	const struct named_place *other = container_of(b, struct named_place, node);

	if (one->address != other->address) {
		return one->address < other->address ? -1 : 1;
	}
	return one->unit < other->unit ? -1 : one->unit > other->unit;
}

static int place_compare_key(const void *key, const struct tree_node *node)
{
	return place_compare(&((const struct named_place *)key)->node, node);
}

void block_names_init(struct block_names *names)
{
	*names = (struct block_names){ 0 };
}

void block_names_deinit(struct block_names *names)
{
	for (size_t i = 0; i < BLOCK_FAMILIES; i++) {
		while (!tree_is_empty(&names->places[i])) {
			struct tree_node *node = tree_first(&names->places[i]);

			tree_remove(&names->places[i], node);
			helix_free(container_of(node, struct named_place, node));
		}
	}
}

static int64_t names_find(
	struct block_names *names, const struct block_place *place, struct named_place **out_named)
{
	const struct named_place key = {
		.address = place->address,
		.unit = place->family == BLOCK_FAMILY_NVME ? 0 : place->unit,
	};
	struct tree *places = &names->places[place->family];
	struct named_place *named =
		TREE_ENTRY(tree_find(places, &key, place_compare_key), struct named_place, node);

	if (named == NULL) {
		if (names->n_places[place->family] >= BLOCK_NAME_PLACES_MAX) {
			return -LINUX_ENOSPC;
		}
		named = helix_malloc(sizeof(*named));
		if (named == NULL) {
			return -LINUX_ENOMEM;
		}
		*named = key;
		tree_insert(places, &named->node, place_compare);
		names->n_places[place->family]++;
	}
	*out_named = named;
	return 0;
}

int64_t block_names_expect(struct block_names *names, const char *name)
{
	struct block_place place;
	struct named_place *named;

	block_place_parse(name, &place);
	return names_find(names, &place, &named);
}

/* How many places are before it. */
static uint32_t place_rank(const struct named_place *named)
{
	uint32_t rank = 0;

	for (const struct tree_node *node = tree_prev(&named->node); node != NULL;
		node = tree_prev(node)) {
		rank++;
	}
	return rank;
}

int64_t block_names_index(struct block_names *names, const char *name, uint32_t *out_index)
{
	struct block_place place;
	struct named_place *named;

	block_place_parse(name, &place);
	int64_t error = names_find(names, &place, &named);

	if (error < 0) {
		return error;
	}
	if (!named->has_index) {
		uint64_t *taken = names->taken[place.family];
		/* these say which one they are */
		bool is_numbered =
			place.family == BLOCK_FAMILY_RAM || place.family == BLOCK_FAMILY_LOOP;
		uint64_t index = is_numbered ? place.unit : place_rank(named);

		if (index >= BLOCK_NAME_PLACES_MAX || bitmap_test(taken, index)) {
			index = bitmap_find_clear(taken, BLOCK_NAME_PLACES_MAX, 0);
		}
		/* as many numbers as places, and each place has one at most */
		bitmap_set(taken, index);
		named->index = (uint32_t)index;
		named->has_index = true;
	}
	*out_index = named->index;
	return 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* a ... z, aa ... zz, aaa ... */
static size_t print_letters(uint32_t index, char *buffer, size_t size)
{
	char letters[8];
	size_t at = sizeof(letters) - 1;

	letters[at] = '\0';
	for (uint32_t rest = index + 1; rest > 0; rest = (rest - 1) / 26) {
		letters[--at] = (char)('a' + (rest - 1) % 26);
	}
	return format_to(buffer, size, "%s", letters + at);
}

size_t block_name_print(const struct block_place *place, uint32_t index, uint32_t partition,
	char *buffer, size_t size)
{
	char disk[32];
	size_t used = 2;
	bool ends_with_digit = true;

	switch (place->family) {
	case BLOCK_FAMILY_NVME:
		format_to(disk, sizeof(disk), "nvme%un%u", index, place->unit);
		break;
	case BLOCK_FAMILY_RAM: format_to(disk, sizeof(disk), "ram%u", index); break;
	case BLOCK_FAMILY_LOOP: format_to(disk, sizeof(disk), "loop%u", index); break;
	default:
		memcpy(disk, place->family == BLOCK_FAMILY_VD ? "vd" : "sd", used);
		print_letters(index, disk + used, sizeof(disk) - used);
		ends_with_digit = false;
	}
	if (partition == 0) {
		return format_to(buffer, size, "%s", disk);
	}
	return format_to(buffer, size, ends_with_digit ? "%sp%u" : "%s%u", disk, partition);
}

/* ---- device numbers -------------------------------------------------------------------------- */

/* Those that follow from the disk's own number; false: there is none. */
static bool fixed_number(
	enum block_family family, uint32_t index, uint32_t partition, uint64_t *out_rdev)
{
	uint32_t sd_group = index / 16;

	switch (family) {
	case BLOCK_FAMILY_VD:
		*out_rdev = linux_makedev(MAJOR_VD, index * PARTITIONS_MAX + partition);
		return partition < PARTITIONS_MAX;
	case BLOCK_FAMILY_SD:
		if (partition >= PARTITIONS_MAX || sd_group >= ARRAY_SIZE(sd_majors)) {
			return false;
		}
		*out_rdev =
			linux_makedev(sd_majors[sd_group], index % 16 * PARTITIONS_MAX + partition);
		return true;
	case BLOCK_FAMILY_RAM: *out_rdev = linux_makedev(MAJOR_RAM, index); return partition == 0;
	case BLOCK_FAMILY_LOOP: *out_rdev = linux_makedev(MAJOR_LOOP, index); return partition == 0;
	default: return false;
	}
}

int64_t block_names_take_number(struct block_names *names, const struct block_place *place,
	uint32_t index, uint32_t partition, uint64_t *out_rdev)
{
	if (fixed_number(place->family, index, partition, out_rdev)) {
		return 0;
	}
	size_t minor = bitmap_find_clear(names->extra, BLOCK_NAME_EXTRA_MAX, 0);

	if (minor == BITMAP_NONE) {
		return -LINUX_ENOSPC;
	}
	bitmap_set(names->extra, minor);
	*out_rdev = linux_makedev(MAJOR_EXTRA, (uint32_t)minor);
	return 0;
}

void block_names_give_number(struct block_names *names, uint64_t rdev)
{
	if (linux_major(rdev) == MAJOR_EXTRA && linux_minor(rdev) < BLOCK_NAME_EXTRA_MAX) {
		bitmap_clear(names->extra, linux_minor(rdev));
	}
}

size_t block_majors_print(char *buffer, size_t size)
{
	size_t used = format_to(buffer, size, "  1 ramdisk\n  7 loop\n");

	for (size_t i = 0; i < ARRAY_SIZE(sd_majors); i++) {
		used += format_to(buffer + min_size(used, size), size - min_size(used, size),
			"%3u sd\n", sd_majors[i]);
	}
	return used +
		format_to(buffer + min_size(used, size), size - min_size(used, size),
			"%3u virtblk\n%3u blkext\n", MAJOR_VD, MAJOR_EXTRA);
}
