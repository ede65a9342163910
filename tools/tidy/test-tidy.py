#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Unit tests of tidy: each rule finds what it is for, and nothing else."""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, '../test')]
import cases  # noqa: E402
import includes  # noqa: E402
import tidy  # noqa: E402
from sources import Source  # noqa: E402

_HEAD = '/* SPDX-License-Identifier: MIT */\n'


def lines_found(rule, text, path='lib/base/x.c'):
    """The line numbers at which a rule finds something in one file."""
    return [number for _, number, _ in rule([Source(path, text)])]


def case_width_counts_tabs():
    assert lines_found(tidy.width, '\t' * 12 + 'abcd\n' + '\t' * 12 + 'abcde\n') == [2]
    assert lines_found(tidy.width, '|' + 'x' * 300 + '\n' + 'y' * 141 + '\n', 'docs/x.md') == [2]


def case_long_functions():
    body = 'int f(void)\n{\n' + '\tx();\n' * 68 + '}\n'
    assert lines_found(tidy.function_length, body) == []
    assert lines_found(tidy.function_length, body.replace('\tx();\n', '\tx();\n\ty();\n', 1)) == [2]
    table = 'int t[] = {\n' + '\t1,\n' * 100 + '};\n'
    assert lines_found(tidy.function_length, table) == []
    assert lines_found(tidy.function_length, 'def f():\n' + '    x()\n' * 71, 'tools/x.py') == [1]


def case_long_files():
    assert lines_found(tidy.file_length, 'x\n' * 799) == []
    assert lines_found(tidy.file_length, 'x\n' * 800) == [1]
    assert lines_found(tidy.file_length, 'x\n' * 2000, 'tools/bragi/tests/x.gen.c') == []


def case_licence_line():
    assert lines_found(tidy.licence_line, _HEAD) == []
    script = '#!/bin/sh\n# SPDX-License-Identifier: MIT\n'
    assert lines_found(tidy.licence_line, script, 'a.sh') == []
    assert lines_found(tidy.licence_line, 'int x;\n') == [1]


def case_file_names():
    for path in ('lib/base/Bad.c', 'lib/base/b_d.c', 'lib/base/-b.c'):
        assert lines_found(tidy.file_name, '', path) == [1], path
    for path in ('README.md', 'a/b-c.c', 'meson/x86_64.ini', '.clang-format', 'a/start.S'):
        assert lines_found(tidy.file_name, '', path) == [], path


def case_unfinished_work_names_an_issue():
    assert lines_found(tidy.unfinished, '/* TODO: x */\n/* TODO(#3): x */\n/* FIXME */\n') == [1, 3]
    assert lines_found(tidy.unfinished, 'char t[] = "/tmp/x-XXXXXX";\n') == []


def case_paths_of_one_machine():
    assert lines_found(tidy.foreign_path, 'a\n/wor' + 'k/x\n', 'docs/x.md') == [2]
    assert lines_found(tidy.foreign_path, 'the network/x\n', 'docs/x.md') == []


def case_white_space():
    assert lines_found(tidy.white_space, 'a \nb\t\nc\n') == [1, 2]
    assert lines_found(tidy.white_space, 'a') == [1]
    assert lines_found(tidy.white_space, '    x\n\ty\n * z\n') == [1]


def case_banned_calls():
    assert lines_found(tidy.banned_call, 'strcpy(a, b);\nx_strcpy(a);\nsnprintf(a);\n') == [1]
    assert lines_found(tidy.banned_call, 'strcpy(a, b);\n', 'lib/base/test-x.c') == []


def case_assembly_stays_below_arch():
    text = 'asm volatile("cli");\nasm volatile("" ::: "memory");\n#ifdef __x86_64__\n'
    assert lines_found(tidy.machine_boundary, text, 'kernel/thor/sched/x.c') == [1, 3]
    assert lines_found(tidy.machine_boundary, text, 'kernel/thor/arch/x86_64/x.c') == []


def case_header_guards():
    good = _HEAD + '#ifndef BASE_LIST_H\n#define BASE_LIST_H\n#endif\n'
    assert lines_found(tidy.header_guard, good, 'lib/base/list.h') == []
    assert lines_found(tidy.header_guard, good, 'lib/base/tree.h') == [1]
    assert lines_found(tidy.header_guard, '#pragma once\n', 'lib/base/list.h') == [1]


def case_dead_files():
    build = Source('lib/base/meson.build', "files('a.c')\nforeach name : ['list']\n")
    files = [Source(f'lib/base/{name}', '') for name in ('a.c', 'b.c', 'test-list.c')]
    assert [path for path, _, _ in tidy.dead_file([build, *files])] == ['lib/base/b.c']


def case_dead_tests():
    text = 'import guest\nguest.main([])\n'
    assert lines_found(tidy.dead_test, text, 'tests/system/none.py') == [1]
    assert lines_found(tidy.dead_test, text, 'tests/system/fs.py') == []
    assert lines_found(tidy.dead_test, 'def main():\n    pass\n', 'tests/system/none.py') == []


def layer_errors(path, *headers):
    text = ''.join(f'#include {header}\n' for header in headers)
    return [number for _, number, _ in includes.layering([Source(path, text)])]


def case_layers():
    assert layer_errors('kernel/thor/a.c', '<base/list.h>', '<thor/x.h>', '<stdint.h>') == []
    assert layer_errors('kernel/thor/a.c', '<helix/loop.h>', '<stdio.h>', '<hel/x.h>') == [1, 2, 3]
    assert layer_errors('lib/base/a.c', '<async/op.h>', '<abi/hel/hel.h>') == [1]
    assert layer_errors('abi/hel/a.h', '<base/list.h>') == [1]
    assert layer_errors('posix/shim/a.c', '<helix/loop.h>', '<abi/linux/stat.h>') == [1]
    assert layer_errors('lib/base/a.c', '"../hel/x.h"', '"a.h"') == [1]
    assert layer_errors('lib/base/test-a.c', '<stdio.h>', '<helix/loop.h>') == []


def case_programs_do_not_include_each_other():
    assert layer_errors('drivers/virtio/console/a.c', '<drivers/lib/tty/x.h>') == []
    assert layer_errors('drivers/virtio/console/a.c', '<drivers/block/nvme/x.h>') == [1]


def case_include_cycles():
    files = [Source('lib/base/a.h', '#include <base/b.h>\n'),
             Source('lib/base/b.h', '#include "c.h"\n'),
             Source('lib/base/c.h', '#include <base/a.h>\n'),
             Source('lib/base/d.h', '#include <base/a.h>\n')]
    assert len(list(includes.cycles(files))) == 1
    assert not list(includes.cycles([files[3], Source('lib/base/a.h', '')]))


if __name__ == '__main__':
    cases.run(globals())
