"""Files and folders that appear whole or not at all."""

import contextlib
import errno
import itertools
import os
import shutil
import sys
import tempfile
from pathlib import Path

import filelock
import safetensors.numpy
from mxnet import np

from d2lvae.base.errors import CourseError, LockedError

DISK_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, 524)  # 524: ENOTSUPP of NFS
ADVICE = {
    errno.ENOTDIR: 'move what is in the way',
    errno.EEXIST: 'move what is in the way',
    errno.EACCES: 'allow writing there, or set D2LVAE_RUNS to another folder for all runs',
    errno.EPERM: 'allow writing there, or set D2LVAE_RUNS to another folder for all runs',
    errno.EROFS: 'allow writing there, or set D2LVAE_RUNS to another folder for all runs',
    errno.ENAMETOOLONG: 'give the data set or the run a shorter name',
}


@contextlib.contextmanager
def disk_errors(path):
    """Turn what the operating system says while writing to `path` into a sentence."""
    try:
        yield
    except OSError as e:
        if e.errno in DISK_FULL:
            raise CourseError(
                f'The disk is full: {path} was not written, and what was there '
                'before is unharmed. Make room and start again to go on.'
            ) from e
        advice = ADVICE.get(e.errno, 'mend that, and start again to go on')
        raise CourseError(
            f'{path} cannot be written ({e.strerror or e}: {e.filename}): {advice}.'
        ) from e


def write_whole(path, content):
    """Write bytes to a temporary name and rename it, so that no half-written file is ever seen."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f'.{path.name}.{os.getpid()}')
        try:
            temporary.write_bytes(content)
            sync(temporary)
            os.replace(temporary, path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def sync(path):
    """Have a file's content, or a folder's names, on the disk.

    A file that is renamed before its content is there is empty after a power failure.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # of folders on some file systems
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replaced_folder(path):
    """Yield an empty folder that takes the place of `path` when the block ends without an error.

    A process that dies in between leaves the earlier folder whole, at worst under its second name,
    from which `recover` brings it back.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        recover(path)
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, 'not a folder', str(path))
        new = Path(tempfile.mkdtemp(prefix=f'.{path.name}.new', dir=path.parent))
        try:
            yield new
            new.chmod(0o755)
            for written in [*new.rglob('*'), new]:
                sync(written)
            if path.exists():
                path.rename(earlier(path))
            new.rename(path)
            sync(path.parent)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(earlier(path), ignore_errors=True)


def earlier(path):
    return path.with_name(f'.{path.name}.earlier')


def recover(path):
    """Undo what a `replaced_folder` that was killed between its two renames has left."""
    if earlier(path).exists():
        if path.exists():
            shutil.rmtree(earlier(path))
        else:
            earlier(path).rename(path)
    for unfinished in path.parent.glob(f'.{path.name}.new*'):
        shutil.rmtree(unfinished, ignore_errors=True)


def set_aside(path):
    """Rename what an accident has damaged, and say so, so that it can be made again."""
    names = (path.with_name(f'.{path.name}.damaged{n}') for n in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    path.rename(aside)
    print(
        f'{path} is damaged, as after a power failure: it lies in {aside.name} now, and is made '
        'again.',
        file=sys.stderr,
    )


@contextlib.contextmanager
def locked(folder, what, wait=False):
    """Hold `folder` for this process; LockedError at once if another one holds it and not `wait`.

    The lock is the operating system's and ends with its process, however that ends.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # A soft lock would not end with its process.
        timeout = -1 if wait else 0
        lock = filelock.FileLock(folder / '.lock', timeout=timeout, fallback_to_soft=False)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise LockedError(
                f'{what} is being run by another process: wait until that one has '
                'ended, or stop it and start again to go on from there.'
            ) from None
        except OSError as e:
            if e.errno in NO_LOCKS:
                raise CourseError(
                    f'{folder} is on a file system without locks ({e.strerror}), on which two '
                    'processes could train one seed: set D2LVAE_RUNS to a folder on another.'
                ) from e
            raise
    try:
        yield
    finally:
        lock.release()


def save_weights(net, path, dtype='float32', **arrays):
    """A network's parameters, and other arrays, as safetensors: no pickle, and always one order.

    Gluon's own `save_parameters` is not used, because it loses the end of the file without a word
    when the disk is full.
    """
    weights = {name: p.data().asnumpy() for name, p in net._collect_params_with_prefix().items()}
    content = {name: a.astype(dtype) for name, a in {**weights, **arrays}.items()}
    write_whole(path, safetensors.numpy.save(content))


def load_weights(net, path):
    """Fill an initialised network from `save_weights`; CourseError if the file does not fit."""
    try:
        weights = safetensors.numpy.load_file(path)
        for name, p in net._collect_params_with_prefix().items():
            p.set_data(np.array(weights[name].astype('float32')))
    except (OSError, KeyError, AssertionError, ValueError, safetensors.SafetensorError) as e:
        raise CourseError(
            f'{path} does not hold the weights of this network ({e}): delete its '
            'folder and run it again.'
        ) from e
