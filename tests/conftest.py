"""What holds for every test."""

import signal

import pytest
from diemcau_controller.namespace import inside
from xdist.remote import Producer

from tests.dealing_out import Dealer, rank


def pytest_configure(config: pytest.Config) -> None:
    # A job in the background is started deaf to Ctrl-C, and so would be everything that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "namespace: sends media, so it needs a network of its own")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first."""
    items.sort(key=lambda item: rank(item.path))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Dealer:
    return Dealer(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that cannot run says so and fails: a silent skip would look like a pass."""
    if item.get_closest_marker("namespace") and not inside():
        pytest.fail("this test sends media and needs a network of its own: use make test", pytrace=False)
