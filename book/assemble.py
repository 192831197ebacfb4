"""Gather the book's source in book/_source/: chapters and results beside what is written here.

They keep their places relative to each other, so that their links still lead there.
"""

import json
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
RESULTS_PAGES = 'README', 'claims'  # what isn't there yet is left out
LINK = re.compile(r'\[([^\]]*)\]\(([^)#\s]+)\)')
PICTURE = re.compile(r'<img src="([^"]+\.(?:png|webp))"')
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
        notebook = json.loads((ROOT / path).read_text())
        for cell in notebook['cells']:
            describe(cell)
        (SOURCE / path).parent.mkdir(parents=True, exist_ok=True)
        (SOURCE / path).write_text(json.dumps(notebook))
    return [str(path.with_suffix('')) for path in found]


def describe(cell):
    """Put the text alternative of a cell's figure where MyST-NB reads it."""
    for output in cell.get('outputs', ()):
        words = output.get('metadata', {}).get('image/png', {}).get('alt')
        if words:
            cell['metadata']['mystnb'] = {'image': {'alt': words}}


def results_page(name, text):
    """Write a page of results/ with the pictures and links that a book has; its path."""

    def picture(match):
        small = Path(match[1]).with_suffix('.webp')
        target = SOURCE / '_extra/results' / small
        target.parent.mkdir(parents=True, exist_ok=True)
        # A seventh of the PNG, and loaded when it comes into sight: a page has dozens.
        if small == Path(match[1]):  # an animation
            shutil.copyfile(ROOT / 'results' / small, target)
        else:
            image = Image.open(ROOT / 'results' / match[1]).convert('RGB')
            if small.stem == 'reconstructions':
                image.save(target, quality=75)
            else:  # curves and samples, which are folded away
                image.reduce(2).save(target, quality=50)
        return f'<img loading="lazy" src="{small}"'

    def link(match):
        label, target = match.groups()
        path = ROOT / 'results' / target
        if path.is_dir():
            return f'{label} `results/{target}`'
        known = '://' in target or path.suffix in ('.ipynb', '.md')
        return match[0] if known else label

    text = LINK.sub(link, PICTURE.sub(picture, text))
    (SOURCE / f'results/{name}.md').write_text(text)
    return f'results/{name}'


def results():
    """The pages of results/, each with those of its sections, as entries of the contents."""
    entries = []
    for name in RESULTS_PAGES:
        path = ROOT / f'results/{name}.md'
        if path.is_file():
            front, *sections = re.split(r'^## ', path.read_text(), flags=re.M)
            pages = [results_page(*section_page(section)) for section in sections]
            entry = {'file': results_page(name, front), 'sections': [{'file': p} for p in pages]}
            entries.append(entry if pages else {'file': entry['file']})
    return entries


def section_page(section):
    """Name and text of a section's own page; a link in its heading becomes the first line."""
    heading, _, body = section.partition('\n')
    title = LINK.sub(r'\1', heading)
    name = re.sub(r'\W+', '-', title.lower()).strip('-')
    return name, f'# {title}\n\n{heading if title != heading else ""}\n{body}'


def mathjax():
    """The parts of MathJax that _config.yml names, out of the installed package."""
    es5 = Path(metadata.distribution('django-static-mathjax').locate_file(MATHJAX))
    target = SOURCE / '_extra/mathjax'
    for part in ('a11y', 'input/tex', 'output/chtml'):
        shutil.copytree(es5 / part, target / part)
    for name in ('startup', 'core', 'loader', 'input/tex', 'output/chtml'):
        shutil.copyfile(es5 / f'{name}.js', target / f'{name}.js')


def contents(chapters, solutions, results_pages):
    """The table of contents (_toc.yml)."""
    parts = [
        ('Play', ['explorer/index']),
        ('Chapters', chapters),
        ('Solutions', solutions),
        ('Results', results_pages),
        ('Reference', ['pages/glossary', 'pages/bibliography', CORE]),
    ]
    return {
        'format': 'jb-book',
        'root': 'index',
        'parts': [
            {
                'caption': caption,
                'numbered': int(pages is chapters),  # to this depth; text speaks of their numbers
                'chapters': [p if isinstance(p, dict) else {'file': p} for p in pages],
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
    toc = contents(chapters, solutions, results())
    (SOURCE / '_toc.yml').write_text(yaml.safe_dump(toc, sort_keys=False))
    copy('book/pages.css', '_static/pages.css')
    copy('book/templates/layout.html', '_templates/layout.html')
    mathjax()
    export.export(ROOT, SOURCE)


if __name__ == '__main__':
    assemble()
