"""Picture files in a folder or a zip: their names, their bytes, and a key to their contents."""

import hashlib
import struct
import zipfile
from functools import partial
from pathlib import PurePosixPath, PureWindowsPath

from d2lvae.base.errors import CourseError

SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp')
MAX_FILE = 64 * 2**20  # bytes of one picture file
MAX_ZIP = 4 * 2**30  # bytes of all pictures together, unpacked
MAX_RATIO = 200  # unpacked to packed, of members over 1 MB; pictures are packed already
READ_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
DAMAGED = (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError, OSError)


def content_key(path):
    """SHA-256 of a zip's bytes, or of the names and bytes of a folder's pictures."""
    if path.is_file():
        return zip_key(path)
    digest = hashlib.sha256()
    for name, read in folder_pictures(path):
        try:
            content = read()
        except (OSError, ValueError) as e:
            content = type(e).__name__.encode()
        digest.update(name.encode(errors='surrogateescape') + b'\0')
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def zip_key(path):
    try:
        with path.open('rb') as file:
            return hashlib.file_digest(file, 'sha256').hexdigest()
    except OSError as e:
        raise CourseError(f'{path} cannot be read ({e.strerror}): make it readable.') from e


def pictures_in(path):
    """Pairs of a name and a function that reads the file's bytes, sorted by name."""
    return zip_pictures(path) if path.is_file() else folder_pictures(path)


def is_picture(name):
    """Whether a file's relative name says that it is a picture, and not one of the system's."""
    path = PurePosixPath(name)
    hidden = any(part.startswith('.') or part == '__MACOSX' for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def folder_pictures(folder):
    found = ((p.relative_to(folder).as_posix(), p) for p in folder.rglob('*'))
    return [
        (name, partial(read_file, path))
        for name, path in sorted(found)
        if is_picture(name) and path.is_file()
    ]


def read_file(path):
    with path.open('rb') as file:
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise ValueError('larger than 64 MB')
    return content


def zip_pictures(path):
    """The picture files of a zip, each read into memory when it is asked for, never unpacked.

    Raises CourseError if the zip is damaged, encrypted, or made to do harm.
    """
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGED as e:
        raise CourseError(
            f'{path} is not a zip, or a damaged one ({e}): put a whole one in its place.'
        ) from e
    members = archive.infolist()
    refuse_strange_names(path, members)
    pictures = [
        (name, info)
        for info in members
        if is_picture(name := info.filename.replace('\\', '/')) and not info.is_dir()
    ]
    refuse_bombs(path, [info for _, info in pictures])
    pictures.sort(key=lambda pair: pair[0])
    return [(name, partial(read_member, archive, info)) for name, info in pictures]


def read_member(archive, info):
    with archive.open(info) as member:
        return member.read(MAX_FILE)  # a limit, because the stated size of a member may be false


def refuse_strange_names(path, members):
    for info in members:
        name = PureWindowsPath(info.filename)  # which knows / and \ and drives
        if name.anchor or '..' in name.parts:
            raise CourseError(
                f'{path} was not read, because its member {info.filename} reaches outside of its '
                'folder: use a zip from a source that you trust.'
            )


def refuse_bombs(path, pictures):
    for info in pictures:
        if info.flag_bits & 1:
            raise CourseError(f'{path} is encrypted: unpack it, and give the folder instead.')
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
    if sum(info.file_size for info in pictures) > MAX_ZIP:
        raise CourseError(
            f'{path} was not read, because its pictures would unpack to more than '
            f'{MAX_ZIP // 2**30} GB: use a part of them.'
        )
