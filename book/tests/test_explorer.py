"""The explorer as a reader uses it, by mouse, finger and keyboard."""

import json
import os
import subprocess

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from conftest import BOOK, HTML, ROOT

PYTHON = os.environ.get('COURSE_PYTHON', ROOT / '.venv/bin/python')
CANVAS = """
const canvas = document.getElementById(arguments[0]);
return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data];
"""
LATENTS = 'return [1, 2, 3, 4, 5].map((i) => Number(document.getElementById(`z${i}`).value))'


@pytest.fixture(params=[(1280, 900), (360, 740)], ids=['desktop', 'phone'])
def page(request, site, browser):
    browser.screen(*request.param)
    browser.visit(f'{site}/explorer/index.html')
    yield browser
    assert browser.errors() == []
    assert browser.js('return document.documentElement.scrollWidth') <= request.param[0]


def find(page, name):
    element = page.driver.find_element(By.ID, name)
    page.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
    return element


def digit(page):
    return np.array(page.js(CANVAS, 'digit')).reshape(28, 28, 4)[..., 0] / 255


def text(page, name):
    return find(page, name).text


def test_decoder_equals_that_of_python(page):
    latents = np.random.default_rng(0).normal(size=(40, 5)) * 1.5
    found = subprocess.run(
        [PYTHON, BOOK / 'tests/decode.py'],
        input=json.dumps(latents.tolist()),
        env=os.environ | {'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = json.loads(found.stdout)
    pictures = page.js(
        'return arguments[0].map((z) => [...window.explorer.decode(z)])', expected['latents']
    )
    difference = np.abs(np.subtract(pictures, expected['pictures']))
    assert len(pictures) == 60 and np.ptp(pictures) > 0.9
    assert difference.max() < 1 / 255


@pytest.mark.parametrize('number', range(1, 6))
def test_slider_redraws_the_digit_and_moves_the_ring(page, number):
    before, ring = digit(page), page.js(CANVAS, 'map')
    slider = find(page, f'z{number}')
    slider.send_keys(Keys.PAGE_UP if float(slider.get_property('value')) < 2 else Keys.PAGE_DOWN)
    assert np.abs(digit(page) - before).max() > 0.05
    assert page.js(CANVAS, 'map') != ring
    assert text(page, f'z{number}-value') == f'{float(slider.get_property("value")):.2f}'
    drawn = page.js('return [...window.explorer.decode(arguments[0])]', page.js(LATENTS))
    assert np.abs(digit(page).ravel() - drawn).max() < 0.03  # sliders show two decimals


def test_ring_is_dragged(page):
    before, latents = digit(page), page.js(LATENTS)
    ring = find(page, 'map')
    ActionChains(page.driver).move_to_element(ring).click_and_hold().move_by_offset(
        70, -50
    ).perform()
    on_the_way = digit(page)
    ActionChains(page.driver).move_by_offset(-120, 20).release().perform()
    assert page.js(LATENTS) != latents
    assert np.abs(on_the_way - before).max() > 0.1
    assert np.abs(digit(page) - on_the_way).max() > 0.1
    released = page.js(LATENTS)
    ActionChains(page.driver).move_by_offset(40, 40).perform()
    assert page.js(LATENTS) == released


def test_ring_moves_where_it_is_put(page):
    for place in ([0.5, 1], [-1.2, 0.3]):
        page.js("document.getElementById('zero').click()")
        ring = find(page, 'map')
        width = ring.size['width']
        ActionChains(page.driver).move_to_element_with_offset(
            ring, round(place[0] / 3.6 * width / 2), -round(place[1] / 3.6 * width / 2)
        ).click().perform()
        found = page.js('return window.explorer.project(arguments[0])', page.js(LATENTS))
        assert np.abs(np.subtract(found[:2], place)).max() < 0.08


def test_ring_by_keyboard(page):
    before = page.js(LATENTS)
    find(page, 'map').send_keys(Keys.ARROW_RIGHT, Keys.ARROW_UP)
    moved = page.js('return window.explorer.project(arguments[0])', page.js(LATENTS))
    start = page.js('return window.explorer.project(arguments[0])', before)
    assert np.subtract(moved, start)[:2] == pytest.approx([0.08, 0.08], abs=0.02)
    assert np.subtract(moved, start)[2:] == pytest.approx(0, abs=0.02)


def test_buttons_of_the_latents(page):
    find(page, 'zero').click()
    assert page.js(LATENTS) == [0] * 5
    find(page, 'draw').click()
    assert len(set(page.js(LATENTS))) == 5
    assert 'from the nearest held-out digit' in text(page, 'nearest')


def test_weight_moves_the_face_along_the_ladder(page):
    weight = find(page, 'weight')
    shown = []
    for _ in range(int(weight.get_property('max')) + 1):
        row = page.driver.find_element(By.CSS_SELECTOR, '#ladder-numbers .x-current')
        picture = page.driver.find_element(By.ID, 'ladder-made')
        page.wait("return document.getElementById('ladder-made').complete")
        assert picture.get_property('naturalWidth') > 20
        shown.append((picture.get_property('src'), row.text))
        assert '▶' in row.text and text(page, 'weight-value') in row.text
        weight.send_keys(Keys.ARROW_RIGHT)
    assert len(set(shown)) == len(shown) >= 3
    real = find(page, 'ladder-real').get_property('src')
    find(page, 'face').send_keys(Keys.ARROW_RIGHT)
    assert find(page, 'ladder-real').get_property('src') != real


def test_ladder_shows_the_numbers_of_its_runs(page):
    rungs = page.js('return window.explorerData.ladder.rungs')
    cells = page.driver.find_elements(By.CSS_SELECTOR, '#ladder-numbers tbody tr')
    assert len(cells) == len(rungs)
    for rung, row in zip(rungs, cells, strict=True):
        metrics = json.loads((ROOT / 'results' / rung['run'] / 'summary.json').read_text())[
            'metrics'
        ]
        assert f'{metrics["psnr"]["mean"]:.2f}' in row.get_property('textContent')


def test_blind_test_counts_and_reveals(page):
    result = find(page, 'blind-result')
    faces = len(page.js('return window.explorerData.blind.real'))
    assert not result.is_displayed()
    for _ in range(faces):
        answers = page.driver.find_elements(By.CSS_SELECTOR, '#blind-answers button')
        assert [answer.text for answer in answers] == ['Answer A', 'Answer B', 'Answer C']
        page.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", answers[1])
        answers[1].click()
    assert result.is_displayed()
    tables = result.find_elements(By.TAG_NAME, 'table')
    judges = [row.text.split() for row in tables[0].find_elements(By.CSS_SELECTOR, 'tbody tr')]
    assert [judge[0] for judge in judges] == ['you', 'PSNR', 'SSIM', 'sharpness']
    assert all(sum(map(int, judge[1:])) == faces for judge in judges)
    assert len(tables[1].find_elements(By.CSS_SELECTOR, 'tbody tr')) == 3
    find(page, 'blind-again').click()
    assert not result.is_displayed()


def test_blind_test_by_keyboard_alone(page):
    find(page, 'blind-reveal')
    page.js("document.querySelector('#blind-answers button').focus()")
    for _ in range(2):
        page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.driver.switch_to.active_element.send_keys(Keys.TAB)
    assert text(page, 'blind-progress') == 'Face 3 of 10'
    find(page, 'blind-reveal').send_keys(Keys.ENTER)
    assert text(page, 'blind-progress') == 'Revealed after 2 of 10 faces'
    assert page.js("return document.activeElement.id === 'blind-result'")


def test_order_of_the_answers_is_drawn(page):
    orders = set()
    for _ in range(12):
        find(page, 'blind-again').click()
        orders.add(
            page.js(
                "return [...document.querySelectorAll('#blind-answers img')]"
                ".map((image) => image.src.split('/').pop().split('-')[0]).join()"
            )
        )
    assert len(orders) > 1


def test_works_from_a_file(browser):
    browser.screen(1280, 900)
    browser.visit((HTML / 'explorer/index.html').as_uri())
    before = digit(browser)
    find(browser, 'draw').click()
    assert np.abs(digit(browser) - before).max() > 0.05
    assert browser.errors() == []
