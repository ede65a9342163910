# SPDX-License-Identifier: MIT
"""What to tell the user when the guest has ended badly: the panic, with names for addresses."""

import os
import re
import shutil
import subprocess

_TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_SYMBOLIZER = 'llvm-symbolizer-19'
_PANIC = re.compile(r'\bpanic: ')
_SLIDE = re.compile(r'thor: slide 0x([0-9a-f]+)')
# an address of the kernel image: the last 2 GiB
_ADDRESS = re.compile(r'\b(?:0x)?(ffffffff[89a-f][0-9a-f]{7})\b')
_N_PANIC_LINES_MAX = 100
_N_TAIL_LINES = 12


def read_log(path):
    """The log's lines; none if it cannot be read."""
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return [line.rstrip('\r\n') for line in file]
    except OSError:
        return []


def panic_lines(lines):
    """The lines from the first that speaks of a panic on."""
    for number, line in enumerate(lines):
        if _PANIC.search(line):
            return lines[number:number + _N_PANIC_LINES_MAX]
    return []


def tail(lines):
    return lines[-_N_TAIL_LINES:]


def slide_of(lines):
    """How far KASLR has moved the kernel, as thor has printed it."""
    for line in lines:
        match = _SLIDE.search(line)
        if match:
            return int(match[1], 16)
    return 0


def _is_return_address(line):
    """Frames of a backtrace hold return addresses: the call stands one byte before."""
    return not re.search(r'\b(rip|pc|fault|cr2)\b', line, re.IGNORECASE)


def _lookup(addresses, elf_path):
    """{address: 'function at file:line'} for linked addresses."""
    if not addresses or not os.path.exists(elf_path) or not shutil.which(_SYMBOLIZER):
        return {}
    result = subprocess.run(
        [_SYMBOLIZER, f'--obj={elf_path}', '--functions=linkage', '--pretty-print',
         '--no-inlines', *[f'0x{address:x}' for address in addresses]],
        capture_output=True, text=True, check=False)
    texts = [line for line in result.stdout.splitlines() if line.strip()]
    if len(texts) != len(addresses):
        return {}
    return {address: _shortened(text) for address, text in zip(addresses, texts)
            if '??' not in text}


def _shortened(text):
    """'f at /tree/build/../kernel/x.c:3:9' -> 'f at kernel/x.c:3'"""
    match = re.fullmatch(r'(.*) at (/.*?):(\d+)(?::\d+)?', text.strip())
    if not match:
        return text.strip()
    path = os.path.normpath(match[2])
    if path.startswith(_TOP + '/'):
        path = path[len(_TOP) + 1:]
    return f'{match[1]} at {path}:{match[3]}'


def symbolized(lines, slide, elf_path):
    """The lines, each followed by the names of the kernel addresses that it holds."""
    wanted = []
    for line in lines:
        shift = 1 if _is_return_address(line) else 0
        wanted.append([int(text, 16) - slide - shift for text in _ADDRESS.findall(line)])
    names = _lookup(sorted({address for row in wanted for address in row}), elf_path)
    output = []
    for line, addresses in zip(lines, wanted):
        known = [names[address] for address in addresses if address in names]
        if len(addresses) == 1 and known:
            output.append(f'{line}  {known[0]}')
            continue
        output.append(line)
        output += [f'        {text}' for text in known]
    return output
