"""Where things lie: every path of the course is derived from the repository's root."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / 'data'  # downloads, ignored by git
NOTEBOOKS = ROOT / 'notebooks'
RESULTS = ROOT / 'results'  # what the reference runs found, committed
RUNS = ROOT / 'runs'  # everything else that runs write, ignored by git
