"""A browser for the tests of pages."""

import pytest

from tests.browser import Browser


@pytest.fixture(scope="module")
def window():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def browser(window):
    """Nothing may have been said in the console when the test is over, and nothing asked of the network."""
    window.resize(1440, 900)
    window.complaints()
    yield window
    assert window.complaints() == []
    assert window.run("return performance.getEntriesByType('resource').map(({name}) => name)") == []
