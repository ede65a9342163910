#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks what a reviewer should not have to: names, widths, lengths, includes, dead files.

Prints "ok RULE" or "not ok RULE: N places" for each rule, and each place before it. Exceptions
stand in tools/tidy/exempt (one rule in one file) and tools/tidy/foreign-style (files from
elsewhere).
"""

import ast
import os
import re
import sys

import includes
import sources as tree

WIDTH_MAX = 100
PAGE_WIDTH_MAX = 140
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
N_PLACES_SHOWN = 40


def width(files):
    """Lines are at most 100 columns wide, a tab being 8; pages 140, tables any."""
    for source in files:
        is_page = source.path.endswith('.md')
        if source.is_generated() or not (source.is_code() or is_page):
            continue
        limit = PAGE_WIDTH_MAX if is_page else WIDTH_MAX
        for number, line in enumerate(source.lines, 1):
            n_columns = len(line.expandtabs(8))
            if n_columns > limit and not (is_page and line.startswith('|')):
                yield source.path, number, f'{n_columns} columns'


def file_length(files):
    for source in files:
        if source.is_code() and not source.is_generated() and \
                len(source.lines) - 1 >= FILE_LINES_MAX:
            yield source.path, 1, f'{len(source.lines) - 1} lines'


def _c_functions(source):
    """(line, length) of each function: a brace in column 0 opens only those."""
    start = None
    for number, line in enumerate(source.lines, 1):
        if line == '{':
            start = number
        elif line.startswith('}') and start is not None:
            yield start, number - start + 1
            start = None


def function_length(files):
    for source in files:
        if source.is_c():
            lengths = _c_functions(source)
        elif source.path.endswith('.py'):
            lengths = [(node.lineno, node.end_lineno - node.lineno + 1)
                       for node in ast.walk(ast.parse(source.text))
                       if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        else:
            continue
        for number, n_lines in lengths:
            if n_lines > FUNCTION_LINES_MAX:
                yield source.path, number, f'a function of {n_lines} lines'


def licence_line(files):
    for source in files:
        if source.is_code() and not source.is_generated() and source.text.strip() and \
                not any('SPDX-License-Identifier: MIT' in line for line in source.lines[:3]):
            yield source.path, 1, 'no SPDX line at the top'


_FILE_NAME = re.compile(r'\.?[a-z0-9][a-z0-9.+-]*(\.S)?')
_OTHER_NAMES = {'README.md', 'HACKING.md', 'LICENSE', 'Makefile', 'meson_options.txt'}


def _as_told(source):
    """The name without what is a name elsewhere: an architecture, a call of hel, a module."""
    if source.path.startswith('docs/hel/') or source.path.endswith('.py'):
        return source.name.replace('_', '-')
    return source.name.replace('x86_64', 'x86')


def file_name(files):
    for source in files:
        if source.name not in _OTHER_NAMES and \
                not _FILE_NAME.fullmatch(_as_told(source)):
            yield source.path, 1, 'names are lower case with dashes'


_UNFINISHED = re.compile(r'\b(TODO|FIXME|XXX)\b(?!\(#\d+\)| #\d+)')


def unfinished(files):
    """A TODO names its issue: TODO(#12)."""
    for source in files:
        if source.path.startswith('tools/tidy/') or not source.is_code():
            continue
        for number, line in enumerate(source.lines, 1):
            match = _UNFINISHED.search(line)
            if match and not re.search(r'XXXX', line):
                yield source.path, number, f'{match[1]} without an issue number'


# paths that exist on one machine only
_FOREIGN_PATH = re.compile(r'/wor[k]/|\.\./share[d]\b|/tmp/[w]/')


def foreign_path(files):
    for source in files:
        for number, line in enumerate(source.lines, 1):
            match = _FOREIGN_PATH.search(line)
            if match:
                yield source.path, number, f"'{match[0]}' is outside the tree"


def white_space(files):
    for source in files:
        if source.text and not source.text.endswith('\n'):
            yield source.path, len(source.lines), 'no end of line at the end'
        for number, line in enumerate(source.lines, 1):
            if line != line.rstrip() and not source.path.endswith('.tsv'):
                yield source.path, number, 'white space at the end of the line'
            elif source.is_c() and re.match(r' {4}', line):
                yield source.path, number, 'C is indented with tabs'


_BANNED_CALL = re.compile(r'(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|alloca)\s*\(')


def banned_call(files):
    for source in files:
        if not source.is_c() or source.is_test():
            continue
        for number, line in enumerate(source.lines, 1):
            match = _BANNED_CALL.search(line.split('//')[0])
            if match and not line.lstrip().startswith('*'):
                yield source.path, number, f'{match[1]}() does not know the size of its buffer'


_MACHINE_WORD = re.compile(r'__(?:x86_64|i386|aarch64|riscv)\w*__|'
                           # assembly, but for an empty barrier: its text is not empty below
                           r'\b(?:asm|__asm__)\b(?:\s+(?:volatile|goto))*\s*\(\s*"x"')


def machine_boundary(files):
    """thor's portable code holds no assembly and no architecture's name."""
    for source in files:
        if not source.path.startswith('kernel/thor/') or '/arch/' in source.path \
                or not source.is_c():
            continue
        for number, line in enumerate(source.lines, 1):
            code = re.sub(r'"[^"]+"', '"x"', re.sub(r'//.*|/\*.*?(\*/|$)', '', line))
            if _MACHINE_WORD.search(code) and not line.lstrip().startswith('*'):
                yield source.path, number, 'belongs below kernel/thor/arch'


def header_guard(files):
    for source in files:
        if not source.path.endswith('.h') or source.name.endswith('.gen.h'):
            continue
        guards = re.findall(r'^#ifndef (\w+_H)\n#define \1$', source.text, re.MULTILINE)
        stem = re.sub(r'[^A-Z0-9]', '_', source.name[:-2].upper())
        if not guards or not guards[0].endswith(f'{stem}_H'):
            yield source.path, 1, f'no header guard that ends with {stem}_H'


def dead_file(files):
    """Each C file is named by a meson.build, in its folder or above."""
    builds = {source.folder: source.text for source in files if source.name == 'meson.build'}
    for source in files:
        if not source.path.endswith(('.c', '.S')) or source.is_generated():
            continue
        folder, is_named = source.folder, False
        stem = os.path.splitext(source.name)[0]
        while not is_named:
            text = builds.get(folder, '')
            bare = stem.removeprefix('test-').removeprefix('fuzz-')
            is_named = source.name in text or re.search(rf"'(test-)?{re.escape(stem)}'", text) or \
                re.search(rf"'{re.escape(bare)}'", text)
            if not folder:
                break
            folder = os.path.dirname(folder)
        if not is_named:
            yield source.path, 1, 'no meson.build names it'


_REPORTS = re.compile(r'^guest\.(main|report)\w*\(|^if __name__ == ', re.MULTILINE)


def dead_test(files):
    """A script of tests/system that reports cases is executable: others are not run."""
    for source in files:
        if source.folder == 'tests/system' and source.path.endswith('.py') and \
                _REPORTS.search(source.text) and \
                not os.access(os.path.join(tree.TOP, source.path), os.X_OK):
            yield source.path, 1, 'a test that is not executable is not run'


RULES = {
    'width': width,
    'file-length': file_length,
    'function-length': function_length,
    'licence-line': licence_line,
    'file-name': file_name,
    'unfinished': unfinished,
    'foreign-path': foreign_path,
    'white-space': white_space,
    'banned-call': banned_call,
    'machine-boundary': machine_boundary,
    'header-guard': header_guard,
    'dead-file': dead_file,
    'dead-test': dead_test,
    'include-layering': includes.layering,
    'include-cycle': includes.cycles,
}


def main():
    files = tree.load()
    exempt = tree.exemptions()
    n_failed = 0
    for rule, check in RULES.items():
        places = [place for place in check(files) if (rule, place[0]) not in exempt]
        for path, number, text in places[:N_PLACES_SHOWN]:
            print(f'{path}:{number}: {text}')
        if places:
            n_failed += 1
            first = f'{places[0][0]}:{places[0][1]}: {places[0][2]}'
            print(f'not ok tidy-{rule}: {len(places)} places, the first is {first}')
        else:
            print(f'ok tidy-{rule}')
    return 1 if n_failed else 0


if __name__ == '__main__':
    sys.exit(main())
