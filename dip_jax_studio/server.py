"""The requests that the page makes."""

import asyncio
import contextlib
import json
import os
import shutil
import traceback
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from dip_jax_studio import damage
from dip_jax_studio.clerk import Clerk
from dip_jax_studio.damage import find_kind, make_flags, parse_box, suffix_of
from dip_jax_studio.guard import Guard, make_cookie
from dip_jax_studio.jobs import MASK, OUT, PAUSED, PROGRAM, SNAPSHOT, STOPPED, Job, Queue
from dip_jax_studio.problem import Problem
from dip_jax_studio.store import Store, new_token, read_record, remove, write_record

PAGE = Path(__file__).parent / "page"
_FILES = {
    "/": ("index.html", "text/html"),
    "/studio.css": ("studio.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
} | {
    f"/{name}.js": (f"{name}.js", "text/javascript")
    for name in ("studio", "ask", "brush", "stage", "form", "jobs", "viewer")
}
_SHOWN, _FACTS, _PAINT = "shown.png", "facts.json", "painted.png"
_PICTURES = {
    "before": "before.png",
    "now": SNAPSHOT,
    "after": "after.png",
    "uncertainty": "uncertainty.png",
}
_SAVED = {"mask.png": MASK, "run.json": f"{OUT}/run.json"}
_LAID_OUT_ALIKE = (".png", ".tif")
"""Suffixes of results that the command writes into its folder as it does beside a picture: there,
arrays are laid out otherwise."""
_FORMATS = {"png": ".png", "tif": ".tif", "jpg": ".jpg"}
_MOST_JSON, _MOST_MASK, _MOST_NAME = 2**16, 2**27, 200  # bytes, bytes, letters
_KEPT = 8  # uploads of a browser; jobs have copies of theirs
_SWEEP = 3600.0  # seconds between two
_SPARE = 2**28  # bytes that the disk must have left
_NOT_FOUND = "there is no such page"
Handler = Callable[[Request], Awaitable[Response]]


class Studio:
    """The application.

    Args:
      folder: where pictures and jobs are kept.
      port: where the server listens.
      names: of hosts, besides addresses, by which the page may be called.
      loopback: whether the page may be called by addresses of this machine only.
      most_bytes: of an upload.
      days: after which what was not used is removed.
      program: the words that run the command.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 8765,
        names: frozenset[str] = frozenset(),
        loopback: bool = True,
        most_bytes: int = 500_000_000,
        days: float = 7.0,
        program: Sequence[str] = PROGRAM,
    ):
        self._store = Store(folder)
        self._port, self._most_bytes, self._days = port, most_bytes, days
        self._clerk = Clerk()
        self._queue = Queue(self._store, self._show_result, program)
        handlers = {
            Problem: _tell_problem,
            HTTPException: _tell_status,
            ClientDisconnect: _tell_nothing,
            Exception: _tell_fault,
        }
        application = Starlette(
            routes=self._routes(), lifespan=self._live, exception_handlers=handlers
        )
        # Outermost, so that answers to errors pass through it too.
        self.app = Guard(application, port, names, loopback=loopback)

    def _routes(self) -> list[Route]:
        own: list[tuple[str, str, Handler]] = [
            ("POST", "/api/session", self._begin_session),
            ("GET", "/api/about", self._about),
            ("POST", "/api/pictures", self._add_picture),
            ("GET", "/api/pictures/{picture}", self._tell_picture),
            ("GET", "/api/pictures/{picture}/shown", self._picture_shown),
            ("PUT", "/api/pictures/{picture}/mask", self._put_mask),
            ("GET", "/api/pictures/{picture}/mask", self._get_mask),
            ("POST", "/api/pictures/{picture}/marks", self._mark),
            ("DELETE", "/api/pictures/{picture}", self._remove_picture),
            ("GET", "/api/jobs", self._list_jobs),
            ("POST", "/api/jobs", self._add_job),
            ("GET", "/api/jobs/{job}", self._tell_job),
            ("POST", "/api/jobs/{job}/{action}", self._do),
            ("DELETE", "/api/jobs/{job}", self._remove_job),
            ("GET", "/api/jobs/{job}/picture/{which}", self._job_picture),
            ("GET", "/api/jobs/{job}/file/{name}", self._job_file),
            ("GET", "/api/jobs/{job}/download", self._download),
        ]
        routes = [Route(path, handler, methods=[method]) for method, path, handler in own]
        return [*routes, *(Route(path, _page_file) for path in _FILES)]

    @contextlib.asynccontextmanager
    async def _live(self, app: Starlette) -> AsyncIterator[None]:
        del app
        tasks = [
            asyncio.create_task(self._clerk.start()),
            asyncio.create_task(self._sweep()),
        ]
        self._queue.start()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await self._queue.close()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._clerk.close()
            self._store.close()

    async def _sweep(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._store.sweep, self._days, self._queue.busy)
                self._queue.forget()
            except Exception:  # the next sweep may succeed
                traceback.print_exc()
            await asyncio.sleep(_SWEEP)

    async def _begin_session(self, request: Request) -> Response:
        answer = JSONResponse({})
        if request.scope["owner"] is None:
            answer.headers["set-cookie"] = make_cookie(self._port, new_token())
        return answer

    async def _about(self, request: Request) -> Response:
        del request
        return JSONResponse({"kinds": damage.as_page_data(), "most_bytes": self._most_bytes})

    # Pictures

    async def _add_picture(self, request: Request) -> Response:
        owner = _owner(request)
        name = _file_name(request.headers.get("x-name", ""))
        folder = self._store.make(owner, "pictures")
        try:
            path = folder / f"picture{suffix_of(name)}"
            await self._receive(request, path, self._most_bytes)
            facts = await self._clerk.ask("look", path=str(path), shown=str(folder / _SHOWN))
        except BaseException:
            remove(folder)
            raise
        record = facts | {"id": folder.name, "name": name, "file": path.name}
        write_record(folder / _FACTS, record)
        for old in self._store.list(owner, "pictures")[:-_KEPT]:
            remove(old)
        return JSONResponse(record)

    def _picture(self, request: Request) -> tuple[Path, dict[str, Any]]:
        """Returns the folder of the picture that a request names, and what is known of it."""
        folder = self._store.find(_owner(request), "pictures", request.path_params["picture"])
        return folder, _read_facts(folder)

    async def _tell_picture(self, request: Request) -> Response:
        folder, record = self._picture(request)
        os.utime(folder)  # it is in use
        return JSONResponse(record | {"painted": (folder / MASK).exists()})

    async def _picture_shown(self, request: Request) -> Response:
        return _send_file(self._picture(request)[0] / _SHOWN)

    async def _put_mask(self, request: Request) -> Response:
        folder, record = self._picture(request)
        used = request.query_params.get("used") == "1"
        painted = folder / f"{os.urandom(4).hex()}.{_PAINT}"
        try:
            await self._receive(request, painted, _MOST_MASK)
            size = {"width": record["width"], "height": record["height"]}
            out = str(folder / MASK)
            answer = await self._clerk.ask("paint", path=str(painted), out=out, used=used, **size)
        finally:
            painted.unlink(missing_ok=True)
        return JSONResponse(answer)

    async def _get_mask(self, request: Request) -> Response:
        folder, _ = self._picture(request)
        if not (folder / MASK).exists():
            raise Problem("nothing is painted yet", 404)
        await self._clerk.ask("repaint", path=str(folder / MASK), out=str(folder / _PAINT))
        return _send_file(folder / _PAINT)

    async def _mark(self, request: Request) -> Response:
        folder, record = self._picture(request)
        asked = request.query_params
        fields: dict[str, Any] = {"picture": str(folder / record["file"])}
        source = asked.get("from")
        kept: Path | None = None
        if source == "file":
            suffix = suffix_of(_file_name(request.headers.get("x-name", "")))
            kept = folder / f"{os.urandom(4).hex()}.mask{suffix}"
            fields |= {"mask": str(kept), "invert": asked.get("invert") == "1"}
        elif source == "color":
            fields |= {"color": _color(asked.get("color")), "tolerance": _tolerance(asked)}
        elif source != "alpha":
            raise Problem("say where marks come from: file, color or alpha")
        out = folder / f"{os.urandom(4).hex()}.{_PAINT}"
        try:
            if kept is not None:
                await self._receive(request, kept, self._most_bytes)
            answer = await self._clerk.ask("mark", out=str(out), **fields)
            body = await asyncio.to_thread(out.read_bytes)
        finally:
            out.unlink(missing_ok=True)
            if kept is not None:
                kept.unlink(missing_ok=True)
        headers = {"x-remarks": _quote_remarks(answer["remarks"])}
        return Response(body, media_type="image/png", headers=headers)

    async def _remove_picture(self, request: Request) -> Response:
        remove(self._picture(request)[0])
        return JSONResponse({})

    # Jobs

    async def _list_jobs(self, request: Request) -> Response:
        own = self._queue.list(_owner(request))
        return JSONResponse(
            {
                "jobs": [job.tell() | {"ahead": self._queue.ahead(job)} for job in own],
                "ready": self._clerk.ready,
            }
        )

    async def _add_job(self, request: Request) -> Response:
        owner = _owner(request)
        form = await _read_form(request)
        kind = find_kind(form.get("damage"))
        values = form.get("settings", {})
        if not isinstance(values, dict):
            raise Problem("the settings must be an object")
        flags = make_flags(kind, form.get("preset"), values)
        source = self._store.find(owner, "pictures", str(form.get("picture")))
        record = _read_facts(source)
        box = form.get("box")
        if box is not None:
            flags.append(f"--preview={parse_box(box, record['width'], record['height'])}")
        if kind.mask:
            if not (source / MASK).exists() and not record["holes"]:
                raise Problem("paint what is damaged first, or load a mask")
            if (source / MASK).exists():
                flags.append(f"--mask={MASK}")
        self._queue.check_room(owner)
        folder = self._store.make(owner, "jobs")
        try:
            _link(source / record["file"], folder / record["file"])
            if kind.mask and (source / MASK).exists():
                _link(source / MASK, folder / MASK)
            before = str(folder / _PICTURES["before"])
            path = str(folder / record["file"])
            await self._clerk.ask("show", path=path, box=box, out=before)
        except BaseException:
            remove(folder)
            raise
        job = Job(
            folder,
            owner,
            name=record["name"],
            given=record["file"],
            damage=kind.name,
            flags=flags,
            box=box,
            suffix=record["suffix"],
            strength=kind.strength,
            factor=damage.factor_of(kind, values),
        )
        self._queue.add(job)
        return JSONResponse(job.tell(whole=True))

    def _job(self, request: Request) -> Job:
        return self._queue.find(_owner(request), request.path_params["job"])

    async def _tell_job(self, request: Request) -> Response:
        job = self._job(request)
        os.utime(job.folder)  # it is in use
        return JSONResponse(job.tell(whole=True) | {"ahead": self._queue.ahead(job)})

    async def _do(self, request: Request) -> Response:
        job = self._job(request)
        actions: dict[str, Callable[[], None]] = {
            "pause": lambda: self._queue.end(job, PAUSED),
            "stop": lambda: self._queue.end(job, STOPPED),
            "go_on": lambda: self._queue.go_on(job),
        }
        action = actions.get(request.path_params["action"])
        if action is None:
            raise Problem(_NOT_FOUND, 404)
        action()
        return JSONResponse(job.tell())

    async def _remove_job(self, request: Request) -> Response:
        self._queue.remove(self._job(request))
        return JSONResponse({})

    async def _job_picture(self, request: Request) -> Response:
        job = self._job(request)
        name = _PICTURES.get(request.path_params["which"])
        if name is None:
            raise Problem(_NOT_FOUND, 404)
        try:  # at once: the fit replaces the file
            body = await asyncio.to_thread((job.folder / name).read_bytes)
        except OSError:
            raise Problem("there is nothing to show yet", 404) from None
        return Response(body, media_type="image/png")

    async def _job_file(self, request: Request) -> Response:
        job = self._job(request)
        name = request.path_params["name"]
        if name not in _SAVED:
            raise Problem(_NOT_FOUND, 404)
        return _send_file(job.folder / _SAVED[name], job.file_name(name))

    async def _download(self, request: Request) -> Response:
        job = self._job(request)
        asked = request.query_params
        result = job.result
        if result is None:
            raise Problem("there is no result yet", 404)
        wanted = asked.get("format", "same")
        if wanted not in ("same", *_FORMATS):
            raise Problem(f"format: choose same, {', '.join(_FORMATS)}")
        suffix = job.suffix if wanted == "same" else _FORMATS[wanted]
        strength = _strength(asked.get("strength", "100"))
        if strength < 100 and not job.strength:
            raise Problem("strength has no meaning for this result")
        strip = asked.get("strip") == "1"
        name = job.file_name(f"{'preview' if job.preview else 'restored'}{suffix}")
        ready = suffix == result.suffix and (job.preview or suffix in _LAID_OUT_ALIKE)
        if ready and strength == 100 and not strip:
            return _send_result(result, name, [])
        out = job.folder / f"{os.urandom(4).hex()}.export{suffix}"
        try:
            answer = await self._clerk.ask(
                "export",
                given=str(job.folder / job.given),
                restored=str(result),
                record=None if job.record is None else str(job.record),
                box=job.box,
                strength=strength,
                factor=job.factor,
                strip=strip,
                out=str(out),
            )
        except BaseException:
            out.unlink(missing_ok=True)
            raise
        after = BackgroundTask(out.unlink, missing_ok=True)
        return _send_result(out, name, answer["remarks"], after)

    async def _show_result(self, job: Job) -> None:
        """Makes what the page shows of a new result."""
        assert job.result is not None
        after = str(job.folder / _PICTURES["after"])
        await self._clerk.ask("show", path=str(job.result), out=after)
        path = job.folder / OUT / "uncertainty.npy"
        job.most_uncertain = None
        if path.exists():
            out = str(job.folder / _PICTURES["uncertainty"])
            job.most_uncertain = (await self._clerk.ask("heat", path=str(path), out=out))["most"]

    async def _receive(self, request: Request, path: Path, most: int) -> None:
        """Writes a request's body to a file.

        Raises:
          Problem: if it is empty or too large, or the disk is full.
        """
        problem = f"is larger than {most / 1e6:g} MB; scale it down or crop it first"
        told = request.headers.get("content-length", "0")
        if told.isdecimal() and int(told) > most:
            raise Problem(f"the file {problem}", 413)
        size = 0
        try:
            statistics = os.statvfs(path.parent) if hasattr(os, "statvfs") else None
            if statistics and statistics.f_bavail * statistics.f_frsize < _SPARE + int(told or 0):
                raise Problem("the disk is full; remove some jobs, or name another --folder", 507)
            with path.open("wb") as file:
                async for piece in request.stream():
                    size += len(piece)
                    if size > most:
                        raise Problem(f"the file {problem}", 413)
                    file.write(piece)
        except OSError as error:
            raise Problem(f"the file can't be kept ({error.strerror})", 507) from error
        if not size:
            raise Problem("the file is empty; save or download it again")


def _owner(request: Request) -> str:
    """Returns the name of the browser's folder."""
    owner = request.scope["owner"]
    if owner is None:
        raise Problem("this browser is not known yet; reload the page", 401)
    return owner


async def _read_form(request: Request) -> dict[str, Any]:
    """Returns the object that a request holds as JSON."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_JSON:
            raise Problem("the form is too large", 413)
    try:
        form = json.loads(body)
    except (ValueError, RecursionError):
        raise Problem("the form can't be read; reload the page") from None
    if not isinstance(form, dict):
        raise Problem("the form can't be read; reload the page")
    return form


def _file_name(header: str) -> str:
    """Returns the name of an upload, for show: it never becomes a path."""
    name = urllib.parse.unquote(header, errors="replace").replace("\\", "/").rpartition("/")[2]
    name = "".join(letter for letter in name if letter.isprintable())[-_MOST_NAME:]
    return name.lstrip(".") or "picture"


def _color(text: str | None) -> str:
    if text is None or len(text) != 7 or text[0] != "#" or not text[1:].isalnum():
        raise Problem("color: write it as #ff0000")
    return text


def _tolerance(asked: Any) -> float:
    return _number(asked.get("tolerance", "16"), "tolerance", 255)


def _strength(text: str) -> float:
    return _number(text, "strength", 100)


def _number(text: str, name: str, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise Problem(f"{name}: give a number from 0 to {most:g}")
    return number


def _quote_remarks(remarks: Sequence[str]) -> str:
    """Returns remarks as a header may hold them."""
    return urllib.parse.quote(" · ".join(remarks)[:2000])


def _read_facts(folder: Path) -> dict[str, Any]:
    """Returns what is known of a picture."""
    facts = read_record(folder / _FACTS)
    if facts is None:
        raise Problem("the picture no longer exists; choose it again", 404)
    return facts


def _link(source: Path, target: Path) -> None:
    """Gives a file a second name, or copies it where that can't be done."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _send_file(path: Path, name: str | None = None) -> Response:
    if not path.is_file():
        raise Problem("there is nothing to show yet", 404)
    return FileResponse(path, filename=name)


def _send_result(
    path: Path, name: str, remarks: Sequence[str], after: BackgroundTask | None = None
) -> Response:
    headers = {"x-name": urllib.parse.quote(name), "x-remarks": _quote_remarks(remarks)}
    return FileResponse(path, headers=headers, filename=name, background=after)


async def _page_file(request: Request) -> Response:
    name, kind = _FILES[request.url.path]
    return FileResponse(PAGE / name, media_type=kind)


async def _tell_problem(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, Problem)
    return JSONResponse({"problem": error.text}, error.status)


async def _tell_status(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    problem = _NOT_FOUND if error.status_code == 404 else error.detail
    return JSONResponse({"problem": problem}, error.status_code)


async def _tell_nothing(request: Request, error: Exception) -> Response:
    del request, error
    return Response(status_code=499)


async def _tell_fault(request: Request, error: Exception) -> Response:
    """An error of ours: its traceback is for the terminal, not for the page."""
    del request, error
    return JSONResponse({"problem": "the studio made a mistake; its terminal says more"}, 500)
