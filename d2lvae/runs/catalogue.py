"""The catalogue: the study's rows, and our own recipes, as experiments by name."""

import functools

from d2lvae.base.errors import CourseError
from d2lvae.runs.recipes import recipes
from d2lvae.runs.results import load_summary
from d2lvae.runs.study import GROUPS, SMOKE, entries_of_study, study

__all__ = ['GROUPS', 'SMOKE', 'entries', 'find', 'group', 'state', 'study', 'summary']


@functools.cache
def entries():
    """Every experiment that can be run, by the study's name of its folder, or by ours."""
    return entries_of_study() | {entry.experiment.folder: entry for entry in recipes()}


def group(name):
    """The entries of a group's sweep: its rows of the study, each followed by our recipes for it.

    A recipe for a row of another group comes where that row would.
    """
    rows = list(entries_of_study())
    members = [entry for entry in entries().values() if name in entry.groups]
    return sorted(members, key=lambda entry: rows.index(entry.study_row))


def find(name):
    """An entry by its folder's name, or by the last part of it; CourseError if there is none."""
    matches = [
        entry
        for folder, entry in entries().items()
        if name in {n for f in (folder, entry.experiment.folder) for n in (f, f.split('/')[1])}
    ]
    if len(matches) == 1:
        return matches[0]
    raise CourseError(f'There is no run {name}: `python -m d2lvae` lists them all.')


@functools.cache
def entries_by_our_folder():
    return {entry.experiment.folder: entry for entry in entries().values()}


def summary(folder):
    """The stored summary of a run, by the study's name of its folder or by ours, or None."""
    entry = entries().get(folder) or entries_by_our_folder().get(folder)
    published = entry and entry.experiment.published
    return load_summary(published) if published and published.exists() else None


def state(folder):
    """Of a row or recipe, in words."""
    stored = summary(folder)
    return f'done, seeds {" ".join(map(str, stored["seeds"]))}' if stored else 'to run'
