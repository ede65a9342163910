# SPDX-License-Identifier: MIT
"""Archives in the "newc" form of cpio, the form of an initial RAM disk.

An initrd is any number of such archives one after the other; a later entry replaces an earlier
one of the same name. The writer is deterministic: the same entries give the same bytes.

The bytes of large files begin at a multiple of PAGE_SIZE from the start of their archive: zeros
after the name, which count as a part of it, fill up to there. If the archive does so, too, in its
image, the guest makes files of these pages without copying them.
"""

import stat

# 2026-01-01, the time of every file that is not given one
DEFAULT_MTIME = 1767225600
PAGE_SIZE = 4096
# smaller files are copied to the guest's heap, see posix/server/fs/contents.c
_PAGED_SIZE = 16384
_TRAILER = 'TRAILER!!!'
_HEADER_SIZE = 110
_MAGICS = (b'070701', b'070702')


class CpioError(Exception):
    """The archive is not one, or ends too early."""


def _pad(length):
    return b'\0' * (-length % 4)


class Writer:
    """Writes one archive to a binary stream. Parents have to be written before children."""

    def __init__(self, stream):
        self._stream = stream
        self._written = 0
        self._inode = 0
        self._links = {}   # what names of one file share: its number

    def _put(self, data):
        self._stream.write(data)
        self._written += len(data)

    def _header(self, name, mode, size, uid, gid, mtime, n_links, rdev, inode):
        raw_name = name.encode('utf-8', 'surrogateescape') + b'\0'
        if stat.S_ISREG(mode) and size > _PAGED_SIZE:
            raw_name += b'\0' * (-(self._written + _HEADER_SIZE + len(raw_name)) % PAGE_SIZE)
        fields = (inode, mode, uid, gid, n_links, mtime, size, 0, 0,
                  rdev[0], rdev[1], len(raw_name), 0)
        head = b'070701' + b''.join(b'%08x' % field for field in fields)
        self._put(head + raw_name + _pad(len(head) + len(raw_name)))

    def entry(self, name, mode, data=b'', *, uid=0, gid=0, mtime=DEFAULT_MTIME, rdev=(0, 0),
              link=None):
        """Adds one entry; mode holds the type, data a file's bytes or a symlink's target.

        Entries with the same `link` are names of one file, whose bytes are those of the first.
        """
        self._inode += 1
        n_links = 2 if stat.S_ISDIR(mode) or link is not None else 1
        inode = self._inode
        if link is not None:
            data = b'' if link in self._links else data
            inode = self._links.setdefault(link, inode)
        self._header(name, mode, len(data), uid, gid, int(mtime) & 0xffffffff, n_links, rdev,
                     inode)
        self._put(data)
        self._put(_pad(len(data)))

    def directory(self, name, permissions=0o755, **attributes):
        self.entry(name, stat.S_IFDIR | permissions, **attributes)

    def file(self, name, data, permissions=0o644, **attributes):
        self.entry(name, stat.S_IFREG | permissions, data, **attributes)

    def symlink(self, name, target, **attributes):
        raw_target = target.encode('utf-8', 'surrogateescape')
        self.entry(name, stat.S_IFLNK | 0o777, raw_target, **attributes)

    def finish(self):
        """Writes the end mark and fills up to 512 bytes."""
        self._header(_TRAILER, 0, 0, 0, 0, 0, 1, (0, 0), 0)
        self._put(b'\0' * (-self._written % 512))


class Entry:
    """One entry of an archive that is read: name, mode, and for symlinks the target."""

    __slots__ = ('name', 'mode', 'target')

    def __init__(self, name, mode, target):
        self.name = name
        self.mode = mode
        self.target = target


def normal_name(name):
    """'./usr//bin/' -> 'usr/bin'; the root is ''."""
    return '/'.join(part for part in name.split('/') if part not in ('', '.'))


def read_index(stream):
    """Yields an Entry for each member of a seekable stream of one or more archives."""
    while True:
        head = stream.read(_HEADER_SIZE)
        while head[:4] == b'\0\0\0\0':   # filling between archives
            stream.seek(4 - len(head), 1)
            head = stream.read(_HEADER_SIZE)
        if not head:
            return
        if len(head) < _HEADER_SIZE or head[:6] not in _MAGICS:
            raise CpioError('not a cpio archive of the "newc" form')
        try:
            fields = [int(head[6 + 8 * i:14 + 8 * i], 16) for i in range(13)]
        except ValueError as error:
            raise CpioError('damaged cpio header') from error
        mode, size, name_size = fields[1], fields[6], fields[11]
        raw_name = stream.read(name_size)
        stream.seek(-(_HEADER_SIZE + name_size) % 4, 1)
        name = raw_name.rstrip(b'\0').decode('utf-8', 'surrogateescape')
        target = None
        if stat.S_ISLNK(mode):
            target = stream.read(size).decode('utf-8', 'surrogateescape')
        else:
            stream.seek(size, 1)
        stream.seek(-size % 4, 1)
        if name != _TRAILER:
            yield Entry(normal_name(name), mode, target)
