"""Gather the book's source in book/_source/: chapters and results beside what is written here.

They keep their places relative to each other, so that their links still lead there.
"""

import re
import shutil
from importlib import metadata
from pathlib import Path

import yaml
from explorer import export
from PIL import Image

BOOK = Path(__file__).resolve().parent
ROOT, SOURCE = BOOK.parent, BOOK / '_source'

SOLUTIONS = 'solutions/*.ipynb', 'notebooks/solutions/*.ipynb'
# Pages of results/ beside the gallery; those that are not there yet are left out.
RESULTS_PAGES = ('claims',)
NO_WRAP = '\n<style>td, th { white-space: nowrap }</style>\n'  # tables of numbers scroll instead
LINK = re.compile(r'(!?)\[([^\]]*)\]\(([^)#\s]+)\)')
CORE = 'api/d2lvae/index'  # AutoAPI's page, with those of the modules below it
MATHJAX = 'mathjax/static/mathjax/es5'


def copy(relative, target=None):
    target = SOURCE / (target or relative)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / relative, target)


def notebooks(*patterns):
    """Copy notebooks; their sorted paths without the suffix, as the contents want them."""
    found = sorted(path.relative_to(ROOT) for glob in patterns for path in ROOT.glob(glob))
    for path in found:
        copy(path)
    return [str(path.with_suffix('')) for path in found]


def slug(title):
    return 'run-' + re.sub(r'[^\w.+-]+', '-', title)


def results_page(text, folder, runs=()):
    """Markdown of results/ with links that a book has: to pages of runs, and to pictures."""

    def linked(match):
        sign, label, target = match.groups()
        if target.rstrip('/') in runs:
            return f'[{label}]({slug(target.rstrip("/"))}.md)'
        if target.endswith('.png') and (ROOT / folder / target).is_file():
            copy(f'{folder}/{target}')
            return match[0]
        outside = '://' in target or target.startswith('mailto:')
        page = target.endswith(('.md', '.ipynb')) and (SOURCE / folder / target).is_file()
        return match[0] if outside or page else label

    return LINK.sub(linked, text)


def gallery():
    """results/README.md as one page of tables and a page for each run; the pages of the contents.

    One page alone would hold all pictures, tens of megabytes.
    """
    front, *sections = re.split(r'^## ', (ROOT / 'results/README.md').read_text(), flags=re.M)
    pages = {title.strip(): body for title, _, body in (s.partition('\n') for s in sections)}
    front = results_page(f'{front}{NO_WRAP}', 'results', pages) + strips(pages)
    (SOURCE / 'results/README.md').write_text(front)
    for title, body in pages.items():
        text = f'---\norphan: true\n---\n# {title}\n\n[All results](README.md)\n{body}'
        (SOURCE / 'results' / f'{slug(title)}.md').write_text(results_page(text, 'results', pages))
    for name in RESULTS_PAGES:
        if (path := ROOT / f'results/{name}.md').is_file():
            (SOURCE / f'results/{name}.md').write_text(
                results_page(path.read_text(), 'results', pages)
            )
    found = [
        name for name in ('README', *RESULTS_PAGES) if (SOURCE / f'results/{name}.md').exists()
    ]
    return [f'results/{name}' for name in found]


def strips(runs):
    """The reconstructions of every run, small enough for one page: WebP with a little loss."""
    lines = ['\n\n## Reconstructions\n\nHeld-out pictures above what each run makes of them.\n']
    for run in runs:
        path = ROOT / 'results' / run / 'reconstructions.png'
        if path.is_file():
            strip = SOURCE / 'results' / run / 'strip.webp'
            strip.parent.mkdir(parents=True, exist_ok=True)
            Image.open(path).convert('RGB').save(strip, quality=80, method=6)
            lines.append(
                f'[`{run}`]({slug(run)}.md)\n\n'
                f'![held-out pictures above their reconstructions]({run}/strip.webp)\n'
            )
    return '\n'.join(lines)


def mathjax():
    """The parts of MathJax that _config.yml names, out of the installed package."""
    es5 = Path(metadata.distribution('django-static-mathjax').locate_file(MATHJAX))
    target = SOURCE / '_extra/mathjax'
    for part in ('a11y', 'input/tex', 'output/chtml'):
        shutil.copytree(es5 / part, target / part)
    for name in ('startup', 'core', 'loader', 'input/tex', 'output/chtml'):
        shutil.copyfile(es5 / f'{name}.js', target / f'{name}.js')


def contents(chapters, solutions, results):
    """The table of contents (_toc.yml)."""
    parts = [
        ('Play', ['explorer/index']),
        ('Chapters', chapters),
        ('Solutions', solutions),
        ('Results', results),
        ('Reference', ['pages/glossary', 'pages/bibliography', CORE]),
    ]
    return {
        'format': 'jb-book',
        'root': 'index',
        'parts': [
            {
                'caption': caption,
                'numbered': int(pages is chapters),  # to this depth; text speaks of their numbers
                'chapters': [{'file': page} for page in pages],
            }
            for caption, pages in parts
            if pages
        ],
    }


def assemble():
    # The old pages too: AutoAPI writes nothing for code that it saw in an earlier build.
    for folder in (SOURCE, BOOK / '_build'):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(BOOK / 'pages', SOURCE / 'pages', ignore=shutil.ignore_patterns('index.md'))
    copy('book/pages/index.md', 'index.md')
    for name in ('_config.yml', 'references.bib', 'extension.py', 'favicon.svg'):
        copy(f'book/{name}', name)
    chapters, solutions = notebooks('notebooks/*.ipynb'), notebooks(*SOLUTIONS)
    (SOURCE / 'results').mkdir()
    toc = contents(chapters, solutions, gallery())
    (SOURCE / '_toc.yml').write_text(yaml.safe_dump(toc, sort_keys=False))
    copy('book/pages.css', '_static/pages.css')
    mathjax()
    export.export(ROOT, SOURCE)


if __name__ == '__main__':
    assemble()
