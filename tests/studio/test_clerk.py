"""Orders to the desk."""

import asyncio
import sys

import pytest

from dip_jax_studio.clerk import Clerk
from dip_jax_studio.problem import Problem
from tests.studio.running import png

pytestmark = pytest.mark.slow


def run(use, **options):
    async def main():
        clerk = Clerk(**options)
        try:
            return await use(clerk)
        finally:
            await clerk.close()

    return asyncio.run(main())


def test_answers_and_problems():
    async def use(clerk):
        assert not clerk.ready
        await clerk.start()
        assert clerk.ready
        assert ".png" in (await clerk.ask("about"))["suffixes"]
        with pytest.raises(Problem, match="does not exist"):
            await clerk.ask("look", path="gone.png", shown="shown.png")

    run(use)


def test_a_desk_that_dies_or_hangs_is_replaced(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    order = {"path": str(tmp_path / "a.png"), "shown": str(tmp_path / "shown.png")}

    async def use(clerk):
        await clerk.start()
        first = clerk._desk
        with pytest.raises(Problem, match="could not be read"):
            await clerk.ask("no such order")  # a fault of ours ends it
        assert (await clerk.ask("look", **order))["width"] == 27
        assert clerk._desk is not first
        clerk._seconds = 0.0001
        with pytest.raises(Problem, match="took too long"):
            await clerk.ask("look", **order)
        clerk._seconds = 60
        asking = asyncio.create_task(clerk.ask("look", **order))
        await asyncio.sleep(0.1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        told = await asyncio.gather(*(clerk.ask("look", **order) for _ in range(3)))
        assert [each["height"] for each in told] == [20, 20, 20]

    run(use)


@pytest.mark.parametrize("line", ["no json", "3", ""])
def test_a_desk_that_answers_nonsense_is_replaced(line, monkeypatch):
    program = (sys.executable, "-c", f"input(); print({line!r}, flush=True); input()")
    monkeypatch.setattr("dip_jax_studio.clerk.call", lambda _: program)

    async def use(clerk):
        with pytest.raises(Problem, match="could not be read"):
            await clerk.ask("about")
        assert clerk._desk is None
        assert not clerk.ready

    run(use)


def test_too_many_orders_at_once(monkeypatch):
    monkeypatch.setattr("dip_jax_studio.clerk._WAITING", 2)

    async def use(clerk):
        orders = [asyncio.create_task(clerk.ask("about")) for _ in range(3)]
        results = await asyncio.gather(*orders, return_exceptions=True)
        assert [isinstance(each, Problem) for each in results] == [False, False, True]
        assert results[2].status == 503

    run(use)
