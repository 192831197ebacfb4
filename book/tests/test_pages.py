"""Every page as a reader gets it: complete, alone, and with links that lead somewhere."""

from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

from conftest import HTML, LOCAL, SIZES

PAGES = sorted(path.relative_to(HTML).as_posix() for path in HTML.rglob('*.html'))
PAGES = [page for page in PAGES if not page.startswith('_')]
MOST_BYTES = 3e6
UNSET = """
return [...document.querySelectorAll('.math')]
  .filter((f) => !f.querySelector('mjx-container') || f.querySelector('mjx-merror'))
  .map((formula) => formula.textContent);
"""
BROKEN_PICTURES = """
return [...document.images].filter((i) => i.complete && i.src && !i.naturalWidth).map((i) => i.src);
"""
# Boxes that scroll by themselves, as wide tables do, don't count.
WIDTH = 'return document.documentElement.scrollWidth;'


def soup(page):
    return BeautifulSoup((HTML / page).read_text(), 'html.parser')


@pytest.fixture(scope='module')
def anchors():
    return {page: {tag['id'] for tag in soup(page).find_all(id=True)} for page in PAGES}


def test_there_are_all_kinds_of_pages():
    for start in 'index explorer/ notebooks/ results/README results/chapter-01 pages/ api/'.split():
        assert any(page.startswith(start) for page in PAGES), start


@pytest.mark.parametrize('page', PAGES)
def test_page_loads_alone_and_whole(page, site, browser):
    browser.screen(1280, 900)
    browser.visit(f'{site}/{page}')
    browser.js("document.querySelectorAll('img').forEach((i) => { i.loading = 'eager' })")
    browser.wait('return [...document.images].every((image) => image.complete)')
    asked, SIZES[page] = browser.traffic()
    assert [url for url in asked if not url.startswith(LOCAL)] == []
    assert browser.js(UNSET) == []
    assert browser.js(BROKEN_PICTURES) == []
    assert browser.errors() == []
    assert 10_000 < SIZES[page] < MOST_BYTES


@pytest.mark.parametrize('page', PAGES)
def test_every_picture_has_a_text_alternative(page):
    """Sphinx puts the name of the file there, if nobody says what is to be seen."""
    pictures = [tag for tag in soup(page).find_all('img') if '_static' not in tag.get('src', '')]
    assert [tag for tag in pictures if len(tag.get('alt', '').split()) < 2] == []


@pytest.mark.parametrize('page', PAGES)
def test_page_fits_a_phone(page, site, browser):
    browser.screen(360, 740)
    browser.visit(f'{site}/{page}')
    assert browser.js(WIDTH) <= 360


@pytest.mark.parametrize('page', PAGES)
def test_links_lead_somewhere(page, anchors):
    dead = []
    for tag in soup(page).find_all('a', href=True):
        link = urlsplit(tag['href'])
        if link.scheme or link.netloc:
            continue
        target = (HTML / page).parent / unquote(link.path) if link.path else HTML / page
        if not target.is_file():
            dead.append(tag['href'])
        elif link.fragment and target.suffix == '.html':
            name = target.resolve().relative_to(HTML).as_posix()
            if unquote(link.fragment) not in anchors[name]:
                dead.append(tag['href'])
    assert dead == []


def test_chapters_have_formulas_and_figures(site, browser):
    for page in (page for page in PAGES if page.startswith('notebooks/')):
        browser.visit(f'{site}/{page}')
        counts = browser.js(
            "return ['mjx-container', '.cell_output img', '.cell_input pre']"
            '.map((s) => document.querySelectorAll(s).length);'
        )
        assert all(count > 2 for count in counts), (page, counts)


def test_search_finds_a_term(site, browser):
    browser.visit(f'{site}/search.html?q=reparameterisation')
    browser.wait("return document.querySelectorAll('#search-results li a').length > 0")
    assert browser.errors() == []


def test_light_and_dark(site, browser):
    browser.screen(1280, 900)
    browser.visit(f'{site}/index.html')
    seen = set()
    for _ in range(3):  # light, dark, and as the system has it
        browser.js("document.querySelector('.theme-switch-button').click()")
        seen.add(browser.js('return getComputedStyle(document.body).backgroundColor'))
    assert len(seen) == 2
