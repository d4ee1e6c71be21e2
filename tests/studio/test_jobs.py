"""The queue, in this process, with a fit that is quick."""

import asyncio
import json

import pytest

from dip_jax_studio.jobs import DONE, EVENTS, FAILED, LOG, OUT, PAUSED, RECORD, Job, Queue, read_job
from dip_jax_studio.store import Store, read_record, write_record
from tests.studio.fake_fit import NEVER_STEPS
from tests.studio.running import FAKE, png

OWNER = "0" * 32


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "studio")
    yield store
    store.close()


def make_job(store, *flags, **more):
    folder = store.make(OWNER, "jobs")
    (folder / "picture.png").write_bytes(png())
    fields = {"name": "photo.png", "given": "picture.png", "damage": "grain"} | more
    return Job(folder, OWNER, flags=["--task=denoise", *flags], **fields)


async def finish(job):
    del job


def run(store, use, finish=finish):
    """Calls ``use`` with a queue that runs."""

    async def main():
        queue = Queue(store, finish, FAKE)
        queue.start()
        try:
            await use(queue)
        finally:
            await queue.close()

    asyncio.run(main())


async def until(happened):
    async with asyncio.timeout(60):
        while not happened():
            await asyncio.sleep(0.02)


def step(percent, loss=1.0):
    return {"event": "step", "percent": percent, "loss": loss}


def test_the_end_of_the_studio_begins_no_job_and_cuts_none_short(store):
    finished = []

    async def finish_slowly(job):
        await asyncio.sleep(0.5)
        finished.append(job)

    first, second = (make_job(store, "--steps=400") for _ in range(2))

    async def use(queue):
        for job in (first, second):
            queue.add(job)
        await until(lambda: first.step.get("step", 0) >= 2)

    run(store, use, finish_slowly)
    assert finished == [first]
    assert read_record(first.folder / RECORD)["state"] == PAUSED
    assert first.result is not None
    assert not (second.folder / LOG).exists()


def test_the_end_of_the_studio_ends_a_fit_that_has_just_begun(store):
    job = make_job(store, f"--seed={NEVER_STEPS}")

    async def use(queue):
        queue.add(job)
        await until(lambda: job.state == "running")

    run(store, use)
    assert job.state == PAUSED
    assert "no picture to keep yet" in job.problem


def test_a_fit_that_saves_for_too_long_is_killed(store, monkeypatch):
    monkeypatch.setattr("dip_jax_studio.jobs._SAVING", 0.2)
    job = make_job(store, f"--seed={NEVER_STEPS}")

    async def use(queue):
        queue.add(job)
        await until(lambda: job.begin)

    run(store, use)
    assert job.state == PAUSED


def test_a_mistake_of_the_studio_fails_one_job_only(store, capsys):
    first, second = make_job(store), make_job(store)

    async def finish_badly(job):
        if job is first:
            raise ZeroDivisionError("as planned")

    async def use(queue):
        for job in (first, second):
            queue.add(job)
        await until(lambda: second.state == DONE)

    run(store, use, finish_badly)
    assert first.state == FAILED
    assert first.problem.startswith("the fit ended unexpectedly")
    assert read_record(first.folder / RECORD)["state"] == FAILED
    assert "as planned" in capsys.readouterr().err


def test_a_fit_that_the_queue_lost_is_ended(store, monkeypatch, capsys):
    def fail(job, event):
        raise ZeroDivisionError("as planned")

    monkeypatch.setattr(Job, "add", fail)
    job, processes = make_job(store, f"--seed={NEVER_STEPS}"), []

    async def use(queue):
        queue.add(job)
        await until(lambda: queue._process)
        processes.append(queue._process)
        await until(lambda: job.state == FAILED)
        async with asyncio.timeout(30):
            await processes[0].wait()

    run(store, use)
    assert processes[0].returncode < 0
    assert "as planned" in capsys.readouterr().err


def finish_and_forget(store, *kept):
    """Returns the folder of a fit that is done, but whose server was killed before it noted that.

    Args:
      store: for the job.
      kept: the events that it had written by then.
    """
    job = make_job(store)

    async def use(queue):
        queue.add(job)
        await until(lambda: job.state == DONE)

    run(store, use)
    record = read_record(job.folder / RECORD)
    write_record(job.folder / RECORD, record | {"state": "running", "done": {}, "step": {}})
    lines = (job.folder / EVENTS).read_text().splitlines(keepends=True)
    there = [line for line in lines if json.loads(line)["event"] in kept]
    (job.folder / EVENTS).write_text("".join(there))
    return job.folder


def test_a_server_that_is_killed_after_the_last_event(store):
    folder = finish_and_forget(store, "start", "step", "done")
    job = read_job(folder, OWNER)
    assert (job.state, job.step["step"], job.done["steps"]) == (PAUSED, 5, 5)
    assert job.result == folder / OUT / "restored.png"
    assert job.begin["steps"] == 5


@pytest.mark.parametrize("before", [{}, {"files": [], "steps": 1, "interrupted": True}])
def test_a_server_that_is_killed_before_the_last_event(store, before):
    folder = finish_and_forget(store, "start", "step")
    record = read_record(folder / RECORD)
    write_record(folder / RECORD, record | {"done": before})

    async def use(queue):
        (job,) = queue.list(OWNER)
        assert job.result is None
        queue.go_on(job)
        await until(lambda: job.state not in ("waiting", "running"))
        assert (job.state, job.problem, job.done["steps"]) == (DONE, "", 5)
        assert job.result == folder / OUT / "restored.png"

    run(store, use)


def test_events_that_are_cut_short_or_none_are_left_out(store):
    job = make_job(store, problem="the disk was full")
    job.save()
    lines = [json.dumps(step(10)), '{"event": "st', "3", json.dumps(step(20))]
    lines.append(json.dumps({"event": "failed", "problem": "of an earlier run"}))
    (job.folder / EVENTS).write_text("\n".join(lines))
    again = read_job(job.folder, OWNER)
    assert [percent for percent, _ in again.curve] == [10, 20]
    assert again.problem == "the disk was full"


def test_the_curve_of_a_run_that_begins_anew_goes_forward(store):
    job = make_job(store)
    for percent, loss in ((20, 4.0), (40, 3.0), (60, 2.0), (40, 2.5), (50, 2.2)):
        job.add(step(percent, loss))
    assert job.curve == [(20, 4.0), (40, 2.5), (50, 2.2)]


def test_the_shown_command_names_the_files_that_the_user_gets(store):
    job = make_job(store, "--mask=mask.png", name="old photo.jpg")
    assert "--mask=mask.png" in job.command()
    assert "'--mask=old photo_mask.png'" in job.shown_command()
    assert job.file_name("mask.png") == "old photo_mask.png"
