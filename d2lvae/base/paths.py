"""Where things lie: every path of the course is derived from the repository's root."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / 'data'  # downloads, ignored by git
NOTEBOOKS = ROOT / 'notebooks'
RESULTS = ROOT / 'results'  # what the reference runs found, committed
# Everything else that runs write, ignored by git; the tests send it to a folder of their own.
RUNS = Path(os.environ.get('D2LVAE_RUNS') or ROOT / 'runs').absolute()
