#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write a table of all messages that the generated headers declare, for fuzz-protocols.

	decoders.py OUTPUT HEADER...
"""
import os
import re
import sys

DECODER = re.compile(r'^MUST_USE int (\w+)_decode\(struct (\w+) \*', re.MULTILINE)

FUNCTION = '''static void fuzz_{name}(const uint8_t *data, size_t size, size_t split)
{{
	struct {name} message;
	struct bragi_arena arena;
	uint8_t *copy = malloc(size + 1);
	size_t copy_size;

	fuzz_arena(&arena);
	if ({name}_decode(&message, data, size, &arena) == 0) {{
		/* Unknown tags are dropped, so the copy may be shorter, but never longer. */
		ASSERT({name}_encode(&message, copy, size, &copy_size) == 0);
		ASSERT({name}_decode(&message, copy, copy_size, &arena) == 0 ||
			copy_size == size || arena.used > 0);
	}}
	fuzz_arena(&arena);
	(void)!{name}_decode_parts(&message, data, split, data + split, size - split, &arena);
	free(copy);
}}

'''


def main():
	output, headers = sys.argv[1], sys.argv[2:]
	names = []
	for header in headers:
		with open(header, encoding='utf-8') as file:
			names += [name for name, _ in DECODER.findall(file.read())]
	with open(output, 'w', encoding='utf-8') as file:
		for header in headers:
			file.write(f'#include "{os.path.basename(header)}"\n')
		file.write('\n')
		for name in names:
			file.write(FUNCTION.format(name=name))
		file.write('static void (*const fuzz_messages[])'
			'(const uint8_t *data, size_t size, size_t split) = {\n')
		for name in names:
			file.write(f'\tfuzz_{name},\n')
		file.write('};\n')


if __name__ == '__main__':
	main()
