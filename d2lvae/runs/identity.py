"""What a run is: its parameters, its pictures, and the code that is not this package's.

They are kept beside the checkpoints from the first step on, and compared ever after.
"""

import inspect
import json
import linecache
from contextvars import ContextVar
from functools import partial

import yaml

from d2lvae.base import files
from d2lvae.base.errors import CourseError

REGISTERING = ContextVar('registering', default=False)


def data_facts(data):
    """What identifies the pictures of a run, as in `summary.json`."""
    return {
        'name': data.name,
        'fingerprint': data.fingerprint,
        'train': len(data.train_images),
        'held_out': len(data.held_out_images),
    }


def keep(experiment, data):
    """Write down what an experiment is beside its checkpoints, or compare; changes nothing then.

    Raises
    ------
    CourseError
        If what lies there was begun with other parameters, pictures or code, or by a version of
        this course that did not record its pictures.
    """
    work, remedy = experiment.work, 'move or delete that folder, or give the run another name.'
    parameters, facts = work / 'parameters.yaml', work / 'data.json'
    if not parameters.exists():
        for name, source in experiment.own().items():
            files.write_whole(work / name, source.encode())
        files.write_whole(facts, json.dumps(data_facts(data), indent=1).encode())
        files.write_whole(parameters, yaml.safe_dump(experiment.parameters()).encode())
        return
    if not experiment.is_stored_in(parameters):
        raise CourseError(f'{work} was begun with other parameters: {remedy}')
    if not facts.exists():
        raise CourseError(
            f'{work} was begun by an earlier version of this course, which did not record the '
            f'pictures: {remedy}'
        )
    try:
        known = json.loads(facts.read_text())
    except ValueError as e:
        raise CourseError(f'{facts} is damaged, as after a power failure: {remedy}') from e
    check_pictures(work, known, data, remedy)
    if own_files(work) != experiment.own():
        raise CourseError(f'{work} was begun with other code of yours: {remedy}')


def check_pictures(folder, facts, data, remedy):
    """CourseError if a folder is about other pictures than those of `data`."""
    if facts['fingerprint'] != data.fingerprint:
        raise CourseError(
            f'{folder} is about other pictures than those that {data.name} has now '
            f'({data.source}): put the earlier ones back, or {remedy}'
        )


# Code of one's own


def own_sources(things):
    """Sources of what is not this package's, by a file's name; `things` by a parameter's name.

    A thing is a class, a function, or a tuple of them. Its source is the cell, or the file, that
    defines it.
    """
    sources = {}
    for name, thing in things.items():
        for part in thing if isinstance(thing, tuple) else (thing,):
            part = part.func if isinstance(part, partial) else part
            if part is not None and not part.__module__.startswith('d2lvae.'):
                sources[f'own_{name}.py'] = source_of(part)
    return sources


def source_of(thing):
    """The whole cell or file that defines a function or a class."""
    try:
        code = thing if inspect.isfunction(thing) else first_method(thing)
        path = inspect.getsourcefile(code) or code.__code__.co_filename
        linecache.checkcache(path)
        lines = linecache.getlines(path)
    except (TypeError, OSError, StopIteration):
        lines = []
    if not lines:
        raise CourseError(
            f'The source of {thing.__name__} is not to be found: define it in a cell of the '
            'notebook or in a file.'
        )
    return ''.join(lines)


def first_method(cls):
    return next(f for f in vars(cls).values() if inspect.isfunction(f))


def own_files(folder):
    return {path.name: path.read_text('utf-8') for path in folder.glob('own_*.py')}


def register(sources):
    """Run sources that register losses, networks or data sets, as the cells that they were.

    Raises CourseError if one does not run by itself.
    """
    for name, source in sources.items():
        linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
        token = REGISTERING.set(True)
        try:
            exec(compile(source, name, 'exec'), {'__name__': 'own'})
        except Exception as e:
            raise CourseError(
                f'The cell that defines your own {name.removeprefix("own_").removesuffix(".py")} '
                f'does not run by itself ({type(e).__name__}: {e}): put its imports and all that '
                'it needs into it.'
            ) from e
        finally:
            REGISTERING.reset(token)


def refuse_while_registering():
    """CourseError in a cell that is run to register something, and would train or sweep as well."""
    if REGISTERING.get():
        raise CourseError('it trains too: give what you register a cell of its own')
