# SPDX-License-Identifier: MIT
"""Which part may include which: the direction of dependencies, and no cycles.

A part is a folder of the tree; an include path's first word names what it belongs to (<base/...>
is lib/base, <thor/...> kernel/thor). What a part may include is a set of such words.
"""

import os
import re

_INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')

# headers of the compiler's own, which need no libc
_FREESTANDING = {
    'float.h', 'limits.h', 'stdalign.h', 'stdarg.h', 'stdatomic.h', 'stdbool.h', 'stddef.h',
    'stdint.h', 'stdnoreturn.h', 'cpuid.h', 'immintrin.h', 'x86intrin.h', 'stdckdint.h',
}

_SERVER = {'abi', 'acpi-tables', 'base', 'async', 'elf', 'hel', 'helix', 'kernlet', 'mmio',
           'bragi-rt', 'virtio', 'protocols', 'drivers'}

# (folder, words that it may include, may it use libc); the first that fits counts
_LAYERS = (
    ('abi', {'abi'}, False),
    ('lib/base', {'abi', 'base'}, False),
    ('lib/async', {'abi', 'base', 'async'}, False),
    ('lib/elf', {'abi', 'base', 'elf'}, False),
    ('lib/acpi-tables', {'abi', 'acpi-tables', 'base'}, False),
    ('lib/kernlet', {'abi', 'base', 'elf', 'kernlet'}, False),
    ('lib/hel', {'abi', 'base', 'hel'}, False),
    ('lib/bragi-rt', {'abi', 'base', 'bragi-rt'}, False),
    ('lib/helix', {'abi', 'base', 'async', 'hel', 'helix'}, False),
    ('lib/mmio', {'base', 'mmio'}, False),
    ('lib/virtio', {'abi', 'base', 'async', 'bragi-rt', 'hel', 'helix', 'mmio', 'virtio',
                    'protocols'}, False),
    ('boot/eir', {'abi', 'base', 'async', 'elf', 'eir'}, False),
    ('kernel/thor/arch/sim', {'abi', 'base', 'async', 'elf', 'thor'}, True),
    ('kernel/thor', {'abi', 'base', 'async', 'elf', 'thor'}, False),
    ('protocols', {'abi', 'base', 'async', 'hel', 'helix', 'bragi-rt', 'protocols'}, False),
    ('drivers/lib', _SERVER, False),
    ('drivers', _SERVER, False),
    ('servers/acpi', _SERVER | {'acpi'}, False),   # ACPICA, which is not in the tree
    ('servers', _SERVER, False),
    ('posix/server', _SERVER | {'posix'}, False),
    ('posix/shim', {'abi', 'base', 'hel', 'bragi-rt', 'protocols', 'posix'}, False),
    ('posix/init', {'abi', 'base'}, True),
    ('user', {'abi', 'base', 'async', 'hel', 'helix', 'bragi-rt', 'protocols'}, True),
)
_ROOTS = {'thor': 'kernel/thor', 'eir': 'boot/eir', 'abi': 'abi', 'protocols': 'protocols',
          'drivers': 'drivers', 'servers': 'servers', 'posix': 'posix', 'boot': 'boot'}


def includes_of(source):
    """[(line number, '<' or '"', path)]"""
    found = []
    for number, line in enumerate(source.lines, 1):
        match = _INCLUDE.match(line)
        if match:
            found.append((number, match[1], match[2]))
    return found


def _layer_of(path):
    for layer in _LAYERS:
        if path.startswith(layer[0] + '/'):
            return layer
    return None


def file_of(path):
    """The tracked path that an include in angle brackets means."""
    word, _, rest = path.partition('/')
    if word == 'thor' and rest.startswith('arch/'):
        return f'kernel/thor/arch/x86_64/include/{path}'
    return f'{_ROOTS.get(word, "lib/" + word)}/{rest}'


def _layer_error(source, quote, path):
    layer = _layer_of(source.path)
    if layer is None or source.is_test():
        return None
    _, words, has_libc = layer
    if quote == '"':
        return "'..' in an include" if '..' in path.split('/') else None
    word, slash, _ = path.partition('/')
    if slash and word in words:
        target = file_of(path)
        own = '/'.join(source.path.split('/')[:3])
        if target.startswith(('drivers/', 'servers/', 'posix/')) and \
                not target.startswith(('drivers/lib/', own)) and 'posix/' not in own:
            return f'<{path}> belongs to another program'
        return None
    if has_libc or path in _FREESTANDING:
        return None
    return f'<{path}> may not be included here'


def layering(sources):
    for source in sources:
        if not source.path.endswith(('.c', '.h', '.S')):
            continue
        for number, quote, path in includes_of(source):
            error = _layer_error(source, quote, path)
            if error:
                yield source.path, number, error


def cycles(sources):
    """Headers that include each other, directly or not."""
    headers = {source.path: source for source in sources if source.path.endswith('.h')}
    edges = {}
    for path, source in headers.items():
        targets = []
        for _, quote, name in includes_of(source):
            target = os.path.normpath(os.path.join(source.folder, name)) if quote == '"' \
                else file_of(name)
            if target in headers:
                targets.append(target)
        edges[path] = targets
    done = set()
    for start in headers:
        yield from _cycles_from(start, edges, done, [])


def _cycles_from(path, edges, done, trail):
    if path in trail:
        yield path, 1, 'include cycle: ' + ' -> '.join(trail[trail.index(path):] + [path])
        return
    if path in done:
        return
    for target in edges[path]:
        yield from _cycles_from(target, edges, done, trail + [path])
    done.add(path)
