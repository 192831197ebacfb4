"""A server for the built book, and a headless Chromium that asks nobody else for anything."""

import json
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

BOOK = Path(__file__).resolve().parents[1]
ROOT, HTML = BOOK.parent, BOOK / '_build/html'
CHROMIUM = 'chromium', 'chromium-browser', 'google-chrome'
FLAGS = (
    '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-component-update'
    ' --disable-background-networking --disable-sync --window-size=1280,900'
).split()
LOCAL = 'http://127.0.0.1', 'data:', 'blob:'
SETTLED = """
const done = arguments[0];
Promise.resolve(window.MathJax?.startup?.promise)
  .then(() => document.fonts.ready)
  .then(() => requestAnimationFrame(() => requestAnimationFrame(() => done(true))));
"""
SIZES = {}  # page: bytes that it loads, with all pictures


def pytest_configure(config):
    if not HTML.is_dir():
        pytest.exit('There are no pages yet: make them with `make book`.', returncode=2)
    if not program(CHROMIUM) or not program(['chromedriver']):
        pytest.exit(
            'The tests drive Chromium, which was not found: install the system packages chromium '
            'and chromium-driver, and repeat.',
            returncode=2,
        )


def program(names):
    return next(filter(None, map(shutil.which, names)), None)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope='session')
def site():
    """The address of the built book."""
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(Quiet, directory=HTML))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()


class Browser:
    """Chromium, with what it asked for and complained of since the last visit."""

    def __init__(self, driver):
        self.driver = driver

    def visit(self, address):
        """Open a page and wait until formulas and fonts are there."""
        self.driver.get_log('browser'), self.driver.get_log('performance')  # of the page before
        self.driver.get(address)
        self.driver.execute_async_script(SETTLED)

    def js(self, script, *args):
        return self.driver.execute_script(script, *args)

    def wait(self, script):
        return WebDriverWait(self.driver, 20).until(lambda driver: driver.execute_script(script))

    def errors(self):
        return [e['message'] for e in self.driver.get_log('browser') if e['level'] == 'SEVERE']

    def traffic(self):
        """The addresses that were asked for, and the bytes that came."""
        events = [
            json.loads(entry['message'])['message'] for entry in self.driver.get_log('performance')
        ]
        asked = [
            event['params']['request']['url']
            for event in events
            if event['method'] == 'Network.requestWillBeSent'
        ]
        arrived = [e['params'] for e in events if e['method'] == 'Network.loadingFinished']
        return asked, sum(int(params['encodedDataLength']) for params in arrived)

    def screen(self, width, height):
        """Lay the page out for a screen of this size, smaller than windows can be too."""
        self.driver.execute_cdp_cmd(
            'Emulation.setDeviceMetricsOverride',
            {'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': width < 600},
        )


@pytest.fixture(scope='session')
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = program(CHROMIUM)
    profile = tmp_path_factory.mktemp('profile')
    # No name but the server's is looked up, so that a request to elsewhere fails at once.
    resolver = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'
    for flag in (*FLAGS, f'--user-data-dir={profile}', resolver):
        options.add_argument(flag)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
    driver = webdriver.Chrome(options, Service(program(['chromedriver'])))
    driver.set_script_timeout(60)
    # Each visit counts all that a page loads.
    driver.execute_cdp_cmd('Network.enable', {})
    driver.execute_cdp_cmd('Network.setCacheDisabled', {'cacheDisabled': True})
    yield Browser(driver)
    driver.quit()


def pytest_terminal_summary(terminalreporter):
    if SIZES:
        terminalreporter.section('the largest pages')
        for page in sorted(SIZES, key=SIZES.get, reverse=True)[:8]:
            terminalreporter.line(f'{SIZES[page] / 1e6:.2f} MB  {page}')
