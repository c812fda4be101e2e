"""What holds for every test."""

import pytest
from diemcau_controller.namespace import inside


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "namespace: sends media, so it needs a network of its own")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that cannot run says so and fails: a silent skip would look like a pass."""
    if item.get_closest_marker("namespace") and not inside():
        pytest.fail("this test sends media and needs a network of its own: use make test", pytrace=False)
