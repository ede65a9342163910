# SPDX-License-Identifier: MIT
"""The guest's root file system: a directory or an archive becomes a cpio archive.

Whatever --root names ends as a seekable file that holds a cpio archive, and an index of it, which
the overlay needs: a file that is added below a symbolic link such as /bin has to go where the
link leads, and only missing parents may be made.
"""

import gzip
import lzma
import os
import shutil
import stat
import tarfile
import tempfile

import cpio
from options import UsageError

_N_LINKS_MAX = 40


class Index:
    """The names of an archive, to follow symbolic links in."""

    def __init__(self):
        self._modes = {'': stat.S_IFDIR | 0o755}
        self._targets = {}

    def add(self, name, mode, target=None):
        self._modes[name] = mode
        self._targets.pop(name, None)
        if stat.S_ISLNK(mode):
            self._targets[name] = target

    def is_known(self, name):
        return name in self._modes

    def is_empty(self):
        return len(self._modes) == 1

    def is_directory(self, name):
        return stat.S_ISDIR(self._modes.get(name, 0))

    def resolve(self, path, follow_last):
        """The name behind all symbolic links, that of the last component only if asked to."""
        done, rest = [], cpio.normal_name(path).split('/')
        n_links = 0
        while len(rest) > (0 if follow_last else 1):
            part = rest.pop(0)
            if part == '..':
                del done[-1:]
                continue
            name = '/'.join(done + [part])
            target = self._targets.get(name)
            if target is None:
                done.append(part)
                continue
            n_links += 1
            if n_links > _N_LINKS_MAX:
                raise UsageError(f"'{path}': too many symbolic links in the root")
            if target.startswith('/'):
                done = []
            rest = [word for word in target.split('/') if word not in ('', '.')] + rest
        return '/'.join(done + rest)


def _entry_of_file(writer, name, host_path, keep_owner):
    status = os.lstat(host_path)
    owner = {'uid': status.st_uid, 'gid': status.st_gid} if keep_owner else {}
    mode = status.st_mode
    if stat.S_ISREG(mode):
        link = (status.st_dev, status.st_ino) if status.st_nlink > 1 else None
        with open(host_path, 'rb') as file:
            writer.entry(name, mode, file.read(), mtime=status.st_mtime, link=link, **owner)
    elif stat.S_ISLNK(mode):
        target = os.fsencode(os.readlink(host_path))
        writer.entry(name, mode, target, mtime=status.st_mtime, **owner)
    elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        rdev = (os.major(status.st_rdev), os.minor(status.st_rdev))
        writer.entry(name, mode, mtime=status.st_mtime, rdev=rdev, **owner)
    elif not stat.S_ISSOCK(mode):
        writer.entry(name, mode, mtime=status.st_mtime, **owner)


def write_tree(writer, index, name, host_path, keep_owner):
    """Writes a file, or a directory with all below it, under the given name.

    A directory that the root has already keeps its mode and owner.
    """
    try:
        mode = os.lstat(host_path).st_mode
        if name and not (stat.S_ISDIR(mode) and index.is_directory(name)):
            _entry_of_file(writer, name, host_path, keep_owner)
            index.add(name, mode, os.readlink(host_path) if stat.S_ISLNK(mode) else None)
        if not stat.S_ISDIR(mode):
            return
        for child in sorted(os.listdir(host_path)):
            child_name = f'{name}/{child}' if name else child
            write_tree(writer, index, child_name, os.path.join(host_path, child), keep_owner)
    except OSError as error:
        raise UsageError(f"cannot read '{error.filename or host_path}': "
                         f'{error.strerror}') from error


def _from_directory(path, output):
    index = Index()
    writer = cpio.Writer(output)
    write_tree(writer, index, '', path, keep_owner=os.geteuid() == 0)
    writer.finish()
    return index


def _write_tar_member(writer, name, archive, member, link):
    owner = {'uid': member.uid, 'gid': member.gid, 'mtime': member.mtime}
    permissions = member.mode & 0o7777
    if member.isdir():
        writer.entry(name, stat.S_IFDIR | permissions, **owner)
        return stat.S_IFDIR | permissions
    if member.issym():
        writer.symlink(name, member.linkname, **owner)
        return stat.S_IFLNK | 0o777
    if member.isfile() or member.islnk():
        data = archive.extractfile(member).read()   # of a hard link: those of its target
        writer.entry(name, stat.S_IFREG | permissions, data, link=link, **owner)
        return stat.S_IFREG | permissions
    kinds = {tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK,
             tarfile.FIFOTYPE: stat.S_IFIFO}
    if member.type not in kinds:
        return None
    mode = kinds[member.type] | permissions
    writer.entry(name, mode, rdev=(member.devmajor, member.devminor), **owner)
    return mode


def _from_tar(path, output):
    index = Index()
    writer = cpio.Writer(output)
    try:
        with tarfile.open(path) as archive:
            targets = {cpio.normal_name(member.linkname) for member in archive if member.islnk()}
            for member in archive:
                name = cpio.normal_name(member.name)
                if not name or '..' in name.split('/'):
                    continue
                first = cpio.normal_name(member.linkname) if member.islnk() else name
                link = first if first in targets else None
                mode = _write_tar_member(writer, name, archive, member, link)
                if mode is not None:
                    index.add(name, mode, member.linkname)
    except (tarfile.TarError, EOFError, lzma.LZMAError, OSError, KeyError) as error:
        raise UsageError(f"--root: '{path}' is damaged: {error}") from error
    writer.finish()
    return index


def _from_cpio(path, stream):
    index = Index()
    try:
        for entry in cpio.read_index(stream):
            index.add(entry.name, entry.mode, entry.target)
    except cpio.CpioError as error:
        raise UsageError(f"--root: '{path}' is {error}") from error
    stream.seek(0)
    return index


def _unpacked(path, opener):
    output = tempfile.TemporaryFile()
    try:
        with opener(path) as source:
            shutil.copyfileobj(source, output, 1 << 20)
    except (EOFError, lzma.LZMAError, OSError) as error:
        raise UsageError(f"--root: '{path}' is damaged: {error}") from error
    output.seek(0)
    return output


def open_root(path):
    """(a binary file that holds a cpio archive, its Index) for a directory or an archive."""
    if os.path.isdir(path):
        output = tempfile.TemporaryFile()
        index = _from_directory(path, output)
        output.seek(0)
        return output, index
    try:
        with open(path, 'rb') as file:
            magic = file.read(6)
    except OSError as error:
        raise UsageError(f"--root: cannot read '{path}': {error.strerror}") from error

    stream = None
    if magic[:2] == b'\x1f\x8b':
        stream = _unpacked(path, gzip.open)
    elif magic == b'\xfd7zXZ\0':
        stream = _unpacked(path, lzma.open)
    else:
        stream = open(path, 'rb')
    magic = stream.read(6)
    stream.seek(0)
    if magic in (b'070701', b'070702'):
        return stream, _from_cpio(path, stream)
    stream.close()
    if tarfile.is_tarfile(path):
        output = tempfile.TemporaryFile()
        index = _from_tar(path, output)
        if not index.is_empty():   # a file of zeros looks like an empty tar archive
            output.seek(0)
            return output, index
        output.close()
    raise UsageError(f"--root: '{path}' is neither a directory nor a cpio or tar archive, and no "
                     'raw disk image')
