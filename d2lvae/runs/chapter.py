"""One chapter executed, in a process of its own: `python -m d2lvae.runs.chapter CHAPTER COPY`.

What the course needs beside it, its tables and its report, would take seconds to import.
"""

import sys
from pathlib import Path

import papermill
from traitlets.config import Config

from d2lvae.base.errors import one_line
from d2lvae.runs.one_seed import end_with_parent

ENCRYPTED = Config(KernelManager={'transport_encryption': 'auto'})  # or every kernel warns


def execute(chapter, copy):
    """Execute a chapter into `copy`, which a failure leaves with the error; its reason, or None."""
    copy.unlink(missing_ok=True)
    try:
        papermill.execute_notebook(
            chapter,
            copy,
            kernel_name='python3',
            cwd=chapter.parent,
            progress_bar=False,
            config=ENCRYPTED,
        )
    except papermill.PapermillExecutionError as e:
        return ' '.join(f'{e.ename}: {e.evalue}'.split())
    except Exception as e:  # a dead kernel, a damaged file: each library has classes of its own
        return one_line(e)


if __name__ == '__main__':
    end_with_parent()
    sys.exit(execute(*map(Path, sys.argv[1:])))
