"""A studio that runs during the tests of a file, and a visitor."""

import pytest


def pytest_collection_modifyitems(items):
    """The studio's processes are started beside jax's threads, which matters to none of them."""
    for item in items:
        if "studio" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings("ignore:os.fork"))


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    from tests.studio.running import FAKE, Running

    running = Running(tmp_path_factory.mktemp("studio") / "folder", FAKE)
    yield running
    running.close()


@pytest.fixture
def visitor(studio):
    with studio.visitor() as client:
        yield client
        for job in client.get("/api/jobs").json()["jobs"]:
            client.delete(f"/api/jobs/{job['id']}")
