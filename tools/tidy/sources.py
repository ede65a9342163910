# SPDX-License-Identifier: MIT
"""The files that tidy looks at: what git tracks, read once."""

import os
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_CODE_ENDINGS = ('.c', '.h', '.S', '.py', '.sh', '.bragi', '.ld', '.awk', '.ini', '.exp')
_CODE_NAMES = ('meson.build', 'Makefile', 'meson_options.txt', 'hati', 'run')


class Source:
    """One tracked text file."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.split('\n')
        self.name = os.path.basename(path)
        self.folder = os.path.dirname(path)

    def is_c(self):
        return self.path.endswith(('.c', '.h'))

    def is_code(self):
        return self.path.endswith(_CODE_ENDINGS) or self.name in _CODE_NAMES

    def is_test(self):
        return self.name.startswith(('test-', 'fuzz-')) or '/tests/' in '/' + self.path \
            or self.path == 'lib/base/testing.h'

    def is_generated(self):
        return '.gen.' in self.name


def _read_list(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as file:
        return [line.strip() for line in file if line.strip() and not line.startswith('#')]


def foreign_style():
    """Paths of programs that came from elsewhere and keep their own style."""
    return set(_read_list('tools/tidy/foreign-style'))


def exemptions():
    """{(rule, path)}: where a rule makes the code worse, by list."""
    return {tuple(line.split()[:2]) for line in _read_list('tools/tidy/exempt')}


def load():
    """All tracked text files that exist, but those in a foreign style."""
    listing = subprocess.run(['git', '-C', TOP, 'ls-files', '-z'], check=True,
                             capture_output=True)
    skipped = foreign_style()
    sources = []
    for raw_path in listing.stdout.split(b'\0'):
        path = raw_path.decode('utf-8', 'surrogateescape')
        full_path = os.path.join(TOP, path)
        if not path or path in skipped or not os.path.isfile(full_path):
            continue
        with open(full_path, 'rb') as file:
            data = file.read()
        if b'\0' not in data:
            sources.append(Source(path, data.decode('utf-8', 'replace')))
    return sources
