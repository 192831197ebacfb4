"""Files and folders are whole or not there, whatever happens while they are written."""

import contextlib
import errno
import fcntl
import os
import resource
import signal
import stat
from pathlib import Path

import numpy as onp
import pytest
from mxnet import np
from safetensors.numpy import load_file
from tiny import equal, python, vae_and_disc, waiting_python, weights

from d2lvae.base import files
from d2lvae.base.errors import CourseError

LIMIT = 1000  # bytes of a file, in place of a full disk


@contextlib.contextmanager
def full_disk(limit=LIMIT):
    """No file can grow beyond the limit: the operating system's EFBIG, where a disk has ENOSPC."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def content(folder):
    """Every file below a folder, hidden ones too, and its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def fill(folder, text):
    for name in ('a', 'b'):
        (folder / name).write_text(text)


@pytest.fixture
def folder(tmp_path):
    """A folder with earlier content."""
    folder = tmp_path / 'result'
    folder.mkdir()
    fill(folder, 'earlier')
    return folder


# One file


def test_write_whole_makes_its_folder_and_replaces_what_was_there(tmp_path):
    path = tmp_path / 'new' / 'folder' / 'file'
    for text in (b'first', b'second'):
        files.write_whole(path, text)
        assert content(tmp_path) == {'new/folder/file': text}


def test_a_full_disk_leaves_the_earlier_file_and_nothing_else(tmp_path):
    path = tmp_path / 'file'
    files.write_whole(path, b'earlier')
    with full_disk(), pytest.raises(CourseError, match=f'The disk is full: {path} was not') as e:
        files.write_whole(path, b'x' * (LIMIT + 1))
    assert '\n' not in str(e.value)
    assert content(tmp_path) == {'file': b'earlier'}


def test_an_error_before_the_renaming_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / 'file'
    files.write_whole(path, b'earlier')

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'replace', interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_whole(path, b'later')
    assert content(tmp_path) == {'file': b'earlier'}


def test_a_file_in_the_place_of_a_folder_ends_with_a_sentence(tmp_path):
    (tmp_path / 'results').write_text('in the way')
    for path in (tmp_path / 'results' / 'file', tmp_path / 'results' / 'run' / 'file'):
        with pytest.raises(CourseError, match='cannot be written .*: move what is in the way') as e:
            files.write_whole(path, b'x')
        assert str(tmp_path / 'results') in str(e.value) and '\n' not in str(e.value)


WRONG = {  # what the operating system says, and what to do
    errno.ENAMETOOLONG: 'a shorter name',
    errno.EACCES: 'allow writing there',
    errno.EROFS: 'set D2LVAE_RUNS to another folder',
    errno.EIO: 'start again to go on',
    errno.ESTALE: 'start again to go on',
}


@pytest.mark.parametrize('number', WRONG)
def test_whatever_the_system_says_of_writing_becomes_a_sentence(tmp_path, monkeypatch, number):
    def replace(source, target):
        raise OSError(number, os.strerror(number), str(target))

    files.write_whole(tmp_path / 'file', b'earlier')
    monkeypatch.setattr(os, 'replace', replace)
    with pytest.raises(CourseError, match=WRONG[number]) as e:
        files.write_whole(tmp_path / 'file', b'later')
    assert str(tmp_path / 'file') in str(e.value) and os.strerror(number) in str(e.value)
    assert '\n' not in str(e.value) and content(tmp_path) == {'file': b'earlier'}


@pytest.mark.parametrize('name', ['n' * 300, f'folder/{"n" * 300}/file', 'n' * 254])
def test_a_name_that_is_too_long_ends_with_a_sentence(tmp_path, name):
    with pytest.raises(CourseError, match='give the data set or the run a shorter name'):
        files.write_whole(tmp_path / name, b'x')
    assert content(tmp_path) == {}


# What a power failure leaves: everything must be on the disk before it gets its name.


@pytest.fixture
def events(monkeypatch):
    """What is synchronised and renamed, in its order: names of files and folders."""
    events = []

    def recorded(name, target_of):
        original = getattr(os, name)

        def call(*arguments):
            events.append((name, target_of(*arguments)))
            return original(*arguments)

        monkeypatch.setattr(os, name, call)

    recorded('fsync', lambda descriptor: os.readlink(f'/proc/self/fd/{descriptor}'))
    recorded('replace', lambda source, target: str(target))
    recorded('rename', lambda source, target: str(target))
    return events


def test_a_file_is_on_the_disk_before_it_is_renamed_and_its_name_afterwards(tmp_path, events):
    files.write_whole(tmp_path / 'file', b'x')
    (first, written), renamed, last = events
    assert first == 'fsync' and Path(written).name.startswith('.file.')
    assert renamed == ('replace', str(tmp_path / 'file')) and last == ('fsync', str(tmp_path))


def test_everything_in_a_folder_is_on_the_disk_before_it_is_renamed(folder, events):
    with files.replaced_folder(folder) as new:
        (new / 'deeper').mkdir()
        fill(new / 'deeper', 'later')
        fill(new, 'later')
    names = 'a', 'b', 'deeper', 'deeper/a', 'deeper/b'
    place = events.index(('rename', str(files.earlier(folder))))
    synced = {path for event, path in events[:place] if event == 'fsync'}
    assert synced == {str(new), *(str(new / name) for name in names)}
    assert events[place + 1 :] == [('rename', str(folder)), ('fsync', str(folder.parent))]


def test_a_file_system_that_cannot_synchronise_folders_is_written_all_the_same(folder, monkeypatch):
    def fsync(descriptor):
        if os.path.isdir(f'/proc/self/fd/{descriptor}'):
            raise OSError(errno.EINVAL, 'Invalid argument')

    monkeypatch.setattr(os, 'fsync', fsync)
    files.write_whole(folder / 'a', b'later')
    assert (folder / 'a').read_bytes() == b'later'


def test_an_error_of_the_disk_while_synchronising_leaves_the_earlier_file(tmp_path, monkeypatch):
    def fsync(_):
        raise OSError(errno.EIO, 'Input/output error')

    files.write_whole(tmp_path / 'file', b'earlier')
    monkeypatch.setattr(os, 'fsync', fsync)
    with pytest.raises(CourseError, match='Input/output error'):
        files.write_whole(tmp_path / 'file', b'later')
    assert content(tmp_path) == {'file': b'earlier'}


# A folder


def test_replaced_folder_takes_the_place_when_the_block_ends(folder):
    with files.replaced_folder(folder) as new:
        fill(new, 'later')
        assert content(folder) == {'a': b'earlier', 'b': b'earlier'}
    assert content(folder.parent) == {'result/a': b'later', 'result/b': b'later'}


def test_replaced_folder_holds_nothing_of_the_earlier_one(folder):
    with files.replaced_folder(folder) as new:
        (new / 'c').write_text('later')
    assert content(folder.parent) == {'result/c': b'later'}


def test_a_new_folder_can_be_read_by_others(tmp_path):
    with files.replaced_folder(tmp_path / 'parent' / 'result') as new:
        fill(new, 'x')
    assert stat.S_IMODE((tmp_path / 'parent' / 'result').stat().st_mode) == 0o755


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
def test_an_error_in_the_block_leaves_the_earlier_folder_and_nothing_else(folder, error):
    with pytest.raises(error), files.replaced_folder(folder) as new:
        (new / 'a').write_text('later')
        raise error
    assert content(folder.parent) == {'result/a': b'earlier', 'result/b': b'earlier'}
    assert [p.name for p in folder.parent.iterdir()] == ['result']


def test_a_full_disk_in_the_block_leaves_the_earlier_folder_and_nothing_else(folder):
    with full_disk(), pytest.raises(CourseError, match=f'The disk is full: {folder} was not'):
        with files.replaced_folder(folder) as new:
            (new / 'a').write_text('later')
            (new / 'b').write_text('x' * (LIMIT + 1))
    assert content(folder.parent) == {'result/a': b'earlier', 'result/b': b'earlier'}


def test_a_file_in_the_place_of_the_parent_ends_with_a_sentence(tmp_path):
    (tmp_path / 'results').write_text('in the way')
    with pytest.raises(CourseError, match='move what is in the way'):
        with files.replaced_folder(tmp_path / 'results' / 'run'):
            pass
    assert content(tmp_path) == {'results': b'in the way'}


def test_a_file_in_the_place_of_the_folder_ends_with_a_sentence_and_stays(tmp_path):
    (tmp_path / 'run').write_text('in the way')
    with pytest.raises(CourseError, match='move what is in the way'):
        with files.replaced_folder(tmp_path / 'run') as new:
            fill(new, 'later')
    assert content(tmp_path) == {'run': b'in the way'}


KILLED = """
import os, signal, sys
from pathlib import Path
from d2lvae.base import files

folder, place = Path(sys.argv[1]), sys.argv[2]
renames = []

def hook(event, arguments):
    if event == 'os.rename':
        renames.append(arguments)
    if (event, len(renames)) == ('os.rename', 2 if place == 'between the renames' else 1) \
            and place != 'after the renames' or (event, len(renames)) == ('shutil.rmtree', 2):
        os.kill(os.getpid(), signal.SIGKILL)

with files.replaced_folder(folder) as new:
    for name in ('a', 'b'):
        (new / name).write_text('later')
        if place == 'in the block':
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
"""


@pytest.mark.parametrize(
    'place, text',
    [
        ('in the block', b'earlier'),
        ('before the renames', b'earlier'),
        ('between the renames', b'earlier'),
        ('after the renames', b'later'),
    ],
)
def test_a_killed_replacement_leaves_one_of_the_two_whole_and_is_cleared_away(folder, place, text):
    process = python('-c', KILLED, str(folder), place, runs=folder.parent)
    _, stderr = process.communicate(timeout=600)
    assert process.returncode == -signal.SIGKILL, stderr
    assert folder.exists() == (place != 'between the renames')
    assert len(list(folder.parent.iterdir())) == 2
    files.recover(folder)
    assert content(folder.parent) == {'result/a': text, 'result/b': text}
    with files.replaced_folder(folder) as new:
        fill(new, 'afterwards')
    assert content(folder.parent) == {'result/a': b'afterwards', 'result/b': b'afterwards'}


def test_recover_leaves_other_folders_alone(folder):
    for name in ('.other.earlier', '.other.newabc', 'result.earlier'):
        (folder.parent / name).mkdir()
        fill(folder.parent / name, 'theirs')
    before = content(folder.parent)
    files.recover(folder)
    assert content(folder.parent) == before


# The lock


HOLDING = """
import sys
from pathlib import Path
from d2lvae.base import files

with files.locked(Path(sys.argv[1]), 'x'):
    print('here', flush=True)
    sys.stdin.readline()
"""


def test_a_folder_is_refused_while_another_process_holds_it_and_not_after_that_was_killed(tmp_path):
    with waiting_python('-c', HOLDING, str(tmp_path / 'run'), runs=tmp_path, stdin=-1):
        with pytest.raises(CourseError, match='The run is being run by another process') as e:
            with files.locked(tmp_path / 'run', 'The run'):
                pytest.fail('the lock was given to two')
        assert '\n' not in str(e.value)
    with files.locked(tmp_path / 'run', 'The run'):
        assert (tmp_path / 'run').is_dir()


def test_a_lock_ends_with_its_block_even_after_an_error(tmp_path):
    with pytest.raises(ValueError, match='inside'), files.locked(tmp_path, 'x'):
        raise ValueError('inside')
    with files.locked(tmp_path, 'x'):
        pass


def test_other_folders_can_be_held_at_the_same_time(tmp_path):
    with files.locked(tmp_path / 'a', 'x'), files.locked(tmp_path / 'b', 'x'):
        assert (tmp_path / 'a').is_dir() and (tmp_path / 'b').is_dir()


def test_a_lock_in_the_place_of_a_file_ends_with_a_sentence(tmp_path):
    (tmp_path / 'run').write_text('in the way')
    with pytest.raises(CourseError, match='move what is in the way'):
        with files.locked(tmp_path / 'run', 'x'):
            pass


@pytest.mark.parametrize(
    'number', [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, 524], ids=errno.errorcode.get
)
def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch, number):
    def flock(*_):
        raise OSError(number, 'No locks available')

    monkeypatch.setattr(fcntl, 'flock', flock)
    with pytest.raises(CourseError, match='a file system without locks .*D2LVAE_RUNS') as e:
        with files.locked(tmp_path / 'run', 'x'):
            pytest.fail('the lock was given')
    assert str(tmp_path / 'run') in str(e.value) and '\n' not in str(e.value)


# Weights


def test_weights_come_back_to_the_last_bit(tmp_path):
    saved, other = vae_and_disc(seed=0)[0], vae_and_disc(seed=1)[0]
    files.save_weights(saved, tmp_path / 'vae.safetensors')
    assert not equal(weights(other), weights(saved))
    files.load_weights(other, tmp_path / 'vae.safetensors')
    assert equal(weights(other), weights(saved))
    X, eps = np.ones((3, 1, 6, 5)), np.ones((3, 2))
    assert onp.array_equal(other(X, eps).asnumpy(), saved(X, eps).asnumpy())


def test_equal_weights_make_equal_files(tmp_path):
    for name in ('a', 'b'):
        files.save_weights(vae_and_disc()[0], tmp_path / name)
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()


def test_half_precision_and_other_arrays_can_be_kept(tmp_path):
    vae = vae_and_disc()[0]
    files.save_weights(vae, tmp_path / 'half', dtype='float16', means=onp.ones((2, 3)))
    stored = load_file(tmp_path / 'half')
    assert {a.dtype for a in stored.values()} == {onp.dtype('float16')}
    assert onp.array_equal(stored['means'], onp.ones((2, 3)))
    expected = {n: w.astype('float16').astype('float32') for n, w in weights(vae).items()}
    files.load_weights(vae, tmp_path / 'half')
    assert equal(weights(vae), expected)


def test_weights_on_a_full_disk_end_with_a_sentence_and_leave_the_earlier_ones(tmp_path):
    path = tmp_path / 'vae.safetensors'
    files.save_weights(vae_and_disc(seed=0)[0], path)
    before = content(tmp_path)
    with full_disk(), pytest.raises(CourseError, match='The disk is full'):
        files.save_weights(vae_and_disc(seed=1)[0], path)
    assert content(tmp_path) == before


def truncated(path):
    path.write_bytes(path.read_bytes()[:-1])


def foreign(path):
    path.write_bytes(b'no weights at all')


def of_another_network(path):
    files.save_weights(vae_and_disc()[1], path)


def of_another_size(path):
    stored = load_file(path)
    net = vae_and_disc()[0]
    files.save_weights(net, path, **{name: a[:1] for name, a in stored.items()})


@pytest.mark.parametrize('spoil', [truncated, foreign, of_another_network, os.remove])
def test_a_file_without_these_weights_ends_with_a_sentence_that_names_it(tmp_path, spoil):
    path = tmp_path / 'vae.safetensors'
    vae = vae_and_disc()[0]
    files.save_weights(vae, path)
    spoil(path)
    with pytest.raises(CourseError, match=f'{path} does not hold the weights of this') as e:
        files.load_weights(vae, path)
    assert '\n' not in str(e.value)


def test_weights_of_another_size_end_with_a_sentence(tmp_path):
    vae = vae_and_disc()[0]
    path = tmp_path / 'vae.safetensors'
    files.save_weights(vae, path)
    of_another_size(path)
    with pytest.raises(CourseError, match=f'{path} does not hold the weights of this') as e:
        files.load_weights(vae, path)
    assert '\n' not in str(e.value)
