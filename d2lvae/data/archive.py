"""Picture files in a folder or a zip: their names, their bytes, and a key to their contents."""

import hashlib
import os
import re
import stat
import struct
import sys
import zipfile
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from d2lvae.base.errors import CourseError

FORMATS = {  # what is read, by the first bytes, whatever a file is called
    'JPEG': rb'\xff\xd8\xff',
    'PNG': rb'\x89PNG\r\n\x1a\n',
    'WEBP': rb'RIFF....WEBP',
}
OTHER_FORMATS = rb'GIF8[79]a|II\*\0|MM\0\*|8BPS|\0\0\0.(ftyp(hei|hev|mif|msf|avi)|JXL |jP  )'
SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp')
OTHER_SUFFIXES = frozenset(  # of files that somebody would miss
    '.jfif .jpe .apng .avif .bmp .gif .heic .heif .ico .jp2 .jxl .pgm .ppm .psd .svg .tga .tif '
    '.tiff .zip .7z .rar .tar .gz'.split()
)
NO_PICTURE = f'none of {", ".join(FORMATS)}'
HEAD = 16  # bytes that tell a format
MAX_FILE = 64 * 2**20  # bytes of one picture file
MAX_ZIP = 4 * 2**30  # bytes of all pictures together, unpacked
MAX_RATIO = 200  # unpacked to packed, of members over 1 MB; pictures are packed already
READ_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
DAMAGED = (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError, OSError)


class File(NamedTuple):
    """A file by its name within the folder or zip; `open` gives its bytes as a stream."""

    name: str
    open: partial
    info: zipfile.ZipInfo | None = None  # of a member of a zip

    def head(self):
        with self.open() as stream:
            return stream.read(HEAD)

    def read(self):
        with self.open() as stream:
            content = stream.read(MAX_FILE + 1)  # a limit, as a member's stated size may be false
        if len(content) > MAX_FILE:
            raise ValueError(f'larger than {MAX_FILE // 2**20} MB')
        return content


def given(path):
    """The path of one's own pictures; CourseError if it is empty, which would be this folder."""
    if not str(path):
        raise CourseError('The path of the pictures is empty: give one, or . for this folder.')
    return Path(os.path.expanduser(path))


def content_key(path, pictures):
    """SHA-256 of a zip's bytes, or of the names and bytes of a folder's pictures."""
    if path.is_file():
        with path.open('rb') as file:
            return hashlib.file_digest(file, 'sha256').hexdigest()
    digest = hashlib.sha256()
    for picture in pictures:
        try:
            content = picture.read()
        except (OSError, ValueError) as e:
            content = type(e).__name__.encode()
        digest.update(picture.name.encode(errors='surrogateescape') + b'\0')
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def pictures_in(path):
    """What of a folder or zip is to be read, and what of it is not.

    Returns
    -------
    pictures : list of File
        What is a picture by its name or by its first bytes, sorted by name.
    left_out : list of tuple of str
        Names and reasons of links to nothing, unreadable folders, hidden pictures, other formats.

    Raises
    ------
    CourseError
        If there is no such path, or it can't be read, or is a zip that is damaged, encrypted, or
        made to do harm.
    """
    try:
        if path.is_file():
            files, left_out = zip_files(path), []
        elif path.is_dir():
            files, left_out = folder_files(path)
        else:
            what = 'a link to nothing' if path.is_symlink() else 'neither a file nor a folder'
            raise CourseError(f'{path} is {what}: give the path of the pictures.')
    except OSError as e:
        raise CourseError(
            f'{path} cannot be read ({e.strerror}): make it readable, or give another path.'
        ) from e
    pictures = []
    for file in sorted(files, key=lambda file: file.name):
        why_not = reason_against(file)
        if why_not:
            left_out.append((file.name, why_not))
        elif why_not is not None:
            pictures.append(file)
    refuse_bombs(path, [picture.info for picture in pictures if picture.info])
    return pictures, left_out


def reason_against(file):
    """'' if a file is a picture to be read, the reason if it is left out, None if it is none."""
    suffix = PurePosixPath(file.name).suffix.lower()
    if is_hidden(file.name) and suffix not in SUFFIXES:
        return None
    try:
        if is_hidden(file.name):
            return 'hidden' if format_of(file.head()) else None
        if suffix in SUFFIXES or format_of(file.head()):
            return ''
        other = suffix in OTHER_SUFFIXES or re.match(OTHER_FORMATS, file.head(), re.DOTALL)
        return NO_PICTURE if other else None
    except Exception as e:  # damaged members bring errors of any kind out of their unpackers
        return reason(e)


def is_hidden(name):
    """Whether a file is the system's, as macOS and version control put them beside others."""
    return any(part.startswith('.') or part == '__MACOSX' for part in PurePosixPath(name).parts)


def format_of(head):
    return next((f for f, start in FORMATS.items() if re.match(start, head, re.DOTALL)), None)


def reason(error):
    """What is wrong with a file, without its path, which would differ between machines."""
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__


def tell(sentence):
    # Printed, so that a notebook has the sentence alone, on standard error, which nbval doesn't
    # compare: `warnings` would add the path of this file and be silent the second time, and
    # `logging` writes a prefix, as MXNet sets it up.
    print(sentence, file=sys.stderr)


def folder_files(folder):
    """All files below a folder, through links too, and names and reasons of what can't be entered.

    Each folder is read once, under its own name if it has one here: a link may lead into a circle,
    and pictures that came twice would be trained with and held out.
    """
    files, left_out, seen, folders, links = [], [], set(), [folder], []
    while folders or links:
        here = folders.pop() if folders else links.pop(0)
        try:
            status = here.stat()
            if (status.st_dev, status.st_ino) in seen:
                raise OSError(0, 'a link to a folder that is read already')
            seen.add((status.st_dev, status.st_ino))
            paths = sorted(here.iterdir())
        except OSError as e:
            if here == folder:
                raise
            left_out.append((here.relative_to(folder).as_posix(), reason(e)))
            continue
        for path in paths:
            name, kind = path.relative_to(folder).as_posix(), kind_of(path)
            if kind == 'folder':
                (links if path.is_symlink() else folders).append(path)
            elif kind == 'file':
                files.append(File(name, partial(open, path, 'rb')))
            elif not is_hidden(name):
                left_out.append((name, kind))
    return files, left_out


def kind_of(path):
    """'folder', 'file', or why a path is neither."""
    try:
        mode = path.stat().st_mode
    except OSError as e:
        return 'a link to nothing' if isinstance(e, FileNotFoundError) else reason(e)
    if stat.S_ISDIR(mode):
        return 'folder'
    return 'file' if stat.S_ISREG(mode) else 'no regular file'


def zip_files(path):
    """The members of a zip, each read into memory when it is asked for, never unpacked."""
    with path.open('rb') as file:
        head = file.read(HEAD)
    if format_of(head):
        raise CourseError(f'{path} is a single picture: give a folder or a zip of pictures.')
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGED as e:
        raise CourseError(
            f'{path} is not a zip, or a damaged one ({e}): put a whole one in its place.'
        ) from e
    members = archive.infolist()
    refuse_strange_names(path, members)
    if any(info.flag_bits & 1 for info in members):
        raise CourseError(f'{path} is encrypted: unpack it, and give the folder instead.')
    return [
        File(info.filename.replace('\\', '/'), partial(archive.open, info), info)
        for info in members
        if not info.is_dir()
    ]


def refuse_strange_names(path, members):
    for info in members:
        name = PureWindowsPath(info.filename)  # which knows / and \
        if name.root or '..' in name.parts:  # a drive alone may be a time, as in 12:30.png
            raise CourseError(
                f'{path} was not read, because its member {info.filename} reaches outside of its '
                'folder: use a zip from a source that you trust.'
            )


def refuse_bombs(path, members):
    for info in members:
        if info.compress_type not in READ_METHODS:
            raise CourseError(
                f'{path} is packed in a way that is not read here: unpack it, and give the folder '
                'instead.'
            )
        if info.file_size > min(MAX_FILE, max(2**20, MAX_RATIO * info.compress_size)):
            raise CourseError(
                f'{path} was not read, because its member {info.filename} would unpack to '
                f'{info.file_size / 2**20:.0f} MB, which no picture needs: remove it from the zip.'
            )
    if sum(info.file_size for info in members) > MAX_ZIP:
        raise CourseError(
            f'{path} was not read, because its pictures would unpack to more than '
            f'{MAX_ZIP // 2**30} GB: use a part of them.'
        )
