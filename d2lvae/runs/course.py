"""The whole course in one go: every chapter executed, the tables of its runs, one report."""

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import IO, NamedTuple

import nbformat
import pandas as pd
from nbconvert import HTMLExporter
from nbformat.v4 import new_markdown_cell, new_notebook
from traitlets.config import Config

from d2lvae.base import files, paths
from d2lvae.base.errors import CourseError, LockedError
from d2lvae.runs import one_seed, tables

TITLE = 'Learned losses: the executed course'
# nbconvert leaves out the text alternatives of figures, and shows cells that are tagged as hidden.
PAGE = """{%- extends 'lab/index.html.j2' -%}
{%- block data_png scoped -%}
{%- set alt = (output | get_metadata('alt', 'image/png') or 'A figure') | escape_html -%}
{{ super() | replace('<img ', '<img alt="' ~ alt ~ '" ') }}
{%- endblock -%}"""
HIDDEN = Config(
    TagRemovePreprocessor={'enabled': True, 'remove_cell_tags': ['hide-cell', 'remove-cell']}
)
CAPTION = (
    'Held-out numbers of the small runs that the chapters made on this machine, means and '
    '95 % intervals over their seeds:'
)


def run_course(
    notebooks=paths.NOTEBOOKS, results=paths.RUNS / 'results', output=paths.RUNS / 'course'
):
    """Execute every chapter into `output`, and write the report beside the executed copies.

    They run side by side, a process with one thread on each core. Nothing of the repository is
    changed. The tables hold every smoke run in `results`, because a chapter that finds its runs
    finished does not make them again.

    Raises
    ------
    CourseError
        At the end, with the chapters that failed and why; the others are executed all the same.
    """
    chapters = sorted(notebooks.glob('*.ipynb'))
    if not chapters:
        raise CourseError(f'{notebooks} holds no chapter: restore the folder from git.')
    output.mkdir(parents=True, exist_ok=True)
    copies = {chapter: output / chapter.name for chapter in chapters}
    failures = {}
    with tempfile.TemporaryDirectory() as profile:
        for chapter, reason, seconds in side_by_side(copies, environment(profile)):
            print(f'{chapter.stem}: {reason or "done"}, {seconds:.0f} s', flush=True)
            if reason:
                failures[chapter.stem] = reason
    failures = dict(sorted(failures.items()))
    held_out = held_out_tables(results)
    print(f'\n{CAPTION}\n')
    for kind, table in held_out.items():
        print(f'{kind}\n{table.to_string(index=False)}\n')
    page = report([copy for copy in copies.values() if copy.exists()], held_out, failures)
    files.write_whole(output / 'report.html', page.encode())
    print(f'Report: {output / "report.html"}\nExecuted chapters: {output}')
    if failures:
        raise CourseError(
            f'Failed: {sentence(failures)}. The executed copies in {output} show where.'
        )


def environment(profile):
    """What a chapter's process is started with: nothing that its user has set for other notebooks.

    A kernel would draw nothing with another backend, be one of another Python, and start with the
    user's IPython `profile`.
    """
    others = {k: v for k, v in os.environ.items() if k not in ('MPLBACKEND', 'JUPYTER_PATH')}
    return others | {
        'JUPYTER_PREFER_ENV_PATH': '1',
        'IPYTHONDIR': profile,
        'D2LVAE_RUNS': str(paths.RUNS),
        'OMP_NUM_THREADS': '1',
    }


class Chapter(NamedTuple):
    """A chapter that is being executed by a process of its own."""

    process: subprocess.Popen
    stderr: IO
    start: float


def side_by_side(copies, environment):
    """(chapter, reason of a failure or None, seconds) of each chapter as it ends.

    A chapter that finds a seed locked is begun again when another one, which may have held it, has
    ended.
    """
    num_cores, last_end = len(os.sched_getaffinity(0)), 0
    to_begin, locked, running = list(copies), [], {}
    try:
        while to_begin or running:
            while to_begin and len(running) < num_cores:
                chapter = to_begin.pop(0)
                running[chapter] = begin(chapter, copies[chapter], environment)
            for chapter in [c for c, r in running.items() if r.process.poll() is not None]:
                start, reason = running[chapter].start, end(running.pop(chapter))
                is_locked = reason and reason.startswith(LockedError.__name__)
                if is_locked and last_end > start:
                    to_begin.append(chapter)
                elif is_locked and running:
                    locked.append(chapter)
                else:
                    last_end = time.monotonic()
                    to_begin, locked = to_begin + locked, []
                    yield chapter, reason, last_end - start
            time.sleep(0.2)
    finally:
        for chapter in running.values():
            chapter.process.kill()


def begin(chapter, copy, environment):
    stderr = tempfile.TemporaryFile('w+')
    command = [sys.executable, '-m', 'd2lvae.runs.chapter', chapter, copy]
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr
    )
    return Chapter(process, stderr, time.monotonic())


def end(chapter):
    """What went wrong with a chapter whose process has ended, or None."""
    chapter.process.stdin.close()
    with chapter.stderr as stderr:
        stderr.seek(0)
        return one_seed.complaint(chapter.process.returncode, stderr.read())


def sentence(failures):
    return '; '.join(f'{name} ({reason})' for name, reason in failures.items())


def held_out_tables(results):
    """The held-out columns of the README's tables by their kind, a row for each smoke run."""
    held_out, summaries = {}, []
    for path in sorted(results.glob('[!.]*/[!.]*/summary.json')):
        try:
            summaries.append(json.loads(path.read_text()))
        except ValueError:
            print(f'{path} is damaged and left out: the run that wrote it makes it again.')
    for kind, columns in tables.COLUMNS.items():
        small = [s for s in summaries if s['scale'] == 'smoke' and tables.kind_of(s['run']) == kind]
        if small:
            held_out[kind] = held_out_table(small, columns)
    return held_out


def held_out_table(summaries, columns):
    columns = {head: column for head, column in columns.items() if column[0] != 'train_loss'}
    rows = tables.rows_of({summary['run']: summary for summary in summaries}, columns)
    return pd.DataFrame(rows, columns=['run', 'seeds', *columns])


def report(copies, held_out, failures):
    """One HTML page: the tables, links, and every executed chapter with its pictures inside.

    Only the typesetting of the equations is fetched when the page is read.
    """
    links = [f'- [{copy.stem}](#{copy.stem})' for copy in copies]
    failed = [f'**Failed: {sentence(failures)}.**'] if failures else []
    head = [
        f'# {TITLE}',
        *failed,
        '\n'.join(links),
        CAPTION,
        *(
            f'### {kind}\n\n{tables.markdown_table(list(table), table.values.tolist())}'
            for kind, table in held_out.items()
        ),
    ]
    cells = [new_markdown_cell(text) for text in head]
    for copy in copies:
        cells.append(new_markdown_cell(f'<a id="{copy.stem}"></a>'))
        cells += nbformat.read(copy, as_version=4).cells
    for i, cell in enumerate(cells):
        cell.id = f'cell-{i}'  # ids of two chapters can be the same
    book = new_notebook(cells=cells, metadata={'title': TITLE, 'language_info': {'name': 'python'}})
    return HTMLExporter(raw_template=PAGE, config=HIDDEN).from_notebook_node(book)[0]
