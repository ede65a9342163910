# SPDX-License-Identifier: MIT
"""The last archive of the initrd: the files of --add, and what init shall run.

init reads etc/hati/run, records of "key=value", each ended by a zero byte:

    arg=WORD        the command, a record per word; none at all: a login shell
    env=NAME=VALUE  its environment
    stdio=ports     stdin, stdout and stderr are the launcher's ports; or stdio=console
    rows=N cols=N   size of the terminal
    volume=TAG:PATH[:ro]   a folder that the host shares, and where it is to be seen

If the root is a disk the files of --add come in an archive of their own, etc/hati/added.cpio, which
init unpacks there. It has no directories but empty ones: of the others nobody here knows whether
they exist already, with what mode.
"""

import io
import os
import stat

import cpio
import roots
from machine import volume_tag
from options import UsageError

RUN_FILE = 'etc/hati/run'
ADDED_FILE = 'etc/hati/added.cpio'

_ENVIRONMENT = {
    'HOME': '/root',
    'LOGNAME': 'root',
    'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'SHELL': '/bin/sh',
    'USER': 'root',
}


def run_records(options, is_console, size):
    """The contents of the run file."""
    environment = dict(_ENVIRONMENT)
    environment['TERM'] = os.environ.get('TERM', 'vt100') if is_console else 'dumb'
    for item in options.env:
        name, _, value = item.partition('=')
        environment[name] = value
    records = [f'arg={word}' for word in options.command]
    records += [f'env={name}={environment[name]}' for name in sorted(environment)]
    records += [f"stdio={'console' if is_console else 'ports'}",
                f'rows={size[0]}', f'cols={size[1]}']
    records += [f"volume={volume_tag(number)}:{volume.guest_path}"
                + (':ro' if volume.is_read_only else '')
                for number, volume in enumerate(options.volume)]
    return b''.join(record.encode('utf-8', 'surrogateescape') + b'\0' for record in records)


def _make_parents(writer, index, name):
    parts = name.split('/')[:-1]
    for i in range(len(parts)):
        parent = '/'.join(parts[:i + 1])
        if not index.is_known(parent):
            writer.directory(parent)
            index.add(parent, stat.S_IFDIR | 0o755)
        elif not index.is_directory(parent):
            raise UsageError(f"--add: '/{parent}' is not a directory in the root")


class _WithoutFolders:
    """A writer that leaves out directories that something is in."""

    def __init__(self, writer):
        self._writer = writer
        self._waiting = None   # a directory that may be empty: (name, its attributes)

    def _flush(self, next_name):
        if self._waiting and not next_name.startswith(self._waiting[0] + '/'):
            self._writer.entry(self._waiting[0], *self._waiting[1], **self._waiting[2])
        self._waiting = None

    def entry(self, name, mode, *more, **attributes):
        self._flush(name)
        if stat.S_ISDIR(mode):
            self._waiting = name, (mode, *more), attributes
        else:
            self._writer.entry(name, mode, *more, **attributes)

    def finish(self):
        self._flush('')
        self._writer.finish()


def _added_archive(options):
    """The files of --add as an archive for a root that only the guest knows."""
    stream = io.BytesIO()
    writer = _WithoutFolders(cpio.Writer(stream))
    for host_path, guest_path in options.add:
        roots.write_tree(writer, roots.Index(), cpio.normal_name(guest_path),
                         os.path.realpath(host_path), keep_owner=False)
    writer.finish()
    return stream.getvalue()


def write(output, options, index, is_console, size):
    """Writes the overlay archive to a binary stream."""
    writer = cpio.Writer(output)
    for host_path, guest_path in options.add if not options.image else ():
        name = index.resolve(guest_path, os.path.isdir(host_path))
        _make_parents(writer, index, name)
        # a link named on the command line means the file behind it
        roots.write_tree(writer, index, name, os.path.realpath(host_path), keep_owner=False)
    _make_parents(writer, index, RUN_FILE)
    writer.file(RUN_FILE, run_records(options, is_console, size), 0o600)
    if options.image and options.add:
        writer.file(ADDED_FILE, _added_archive(options), 0o600)
    writer.finish()
