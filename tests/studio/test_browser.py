"""The page in a real browser: every step of a person's way through it."""

import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.studio.running import png

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="no playwright: pip install 'dip-jax[browser]'"
)
CHROMIUM = os.environ.get("DIP_JAX_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]
# Without a sandbox, as root in a container; and without the browser's own errands.
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
SIDE = 64


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium):
    """A browser of its own, with its own cookies."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(60_000)
    yield context
    context.close()


@pytest.fixture
def page(context, studio):
    page, faults = open_page(context, studio)
    yield page
    jobs = page.locator("#queue li")
    while left := jobs.count():
        page.once("dialog", lambda dialog: dialog.accept())
        jobs.first.locator("[data-action=remove]").click()
        jobs.nth(left - 1).wait_for(state="detached")
    assert faults == []


def open_page(context, studio, fragment=""):
    page = context.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.goto(studio.url + "/" + fragment)
    page.wait_for_selector("html[data-ready]")
    return page, faults


def choose(page, kind="scratch", name="photo.png"):
    page.set_input_files(
        "#file", {"name": name, "mimeType": "image/png", "buffer": png(SIDE, SIDE)}
    )
    page.wait_for_selector("#editor:not([hidden])")
    page.locator("#facts").filter(has_text=f"{SIDE} × {SIDE}").wait_for()
    page.check(f"[name=kind][value={kind}]")


def stroke(page, *places):
    """Draws a line with the mouse through places of the picture."""
    page.locator("#sheet").scroll_into_view_if_needed()
    box = page.locator("#sheet").bounding_box()
    zoom = box["width"] / SIDE
    for number, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x * zoom, box["y"] + y * zoom, steps=5)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def paint_of(page):
    """bool ``[h, w]``: what is painted in the page."""
    values = page.evaluate(
        "() => { const c = document.getElementById('mask');"
        "return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
        ".filter((_, at) => at % 4 === 3) }"
    )
    return np.array(values).reshape(SIDE, SIDE) >= 64


def set_number(page, name, value):
    if not page.is_visible(f"#setting-{name}"):
        page.click("#more summary")
    page.fill(f"#setting-{name}", str(value))


def start(page, steps=5):
    set_number(page, "steps", steps)
    page.click("#start")
    page.wait_for_selector("#viewer:not([hidden])")


def wait_for(page, text):
    page.locator("#jobstate").filter(has_text=text).wait_for()


def downloaded(page, selector):
    with page.expect_download() as waiting:
        page.click(selector)
    path = waiting.value.path()
    with Image.open(path) as image:
        return waiting.value.suggested_filename, np.asarray(image)


def test_from_the_picture_to_the_saved_result(page):
    choose(page)
    stroke(page, (10, 10), (50, 40))
    page.locator("#painted").filter(has_text="% of the picture is painted").wait_for()
    fill = paint_of(page)
    assert fill[10, 10]
    assert fill[25, 30]
    assert 0.01 < fill.mean() < 0.2
    start(page)
    wait_for(page, "done")
    assert "filling 3.1 %" in page.inner_text("#notes")
    name, result = downloaded(page, "#download")
    assert name == "photo_restored.png"
    given = np.asarray(Image.open(io.BytesIO(png(SIDE, SIDE))))
    np.testing.assert_array_equal(result, 255 - given)
    name, mask = downloaded(page, "#getmask")
    assert name == "photo_mask.png"
    np.testing.assert_array_equal(mask == 0, fill)
    command = page.inner_text("#command")
    assert "--task=inpaint" in command
    assert f"--mask={name}" in command
    assert page.is_hidden("#strengthrow")  # known pixels stay


def test_the_brush(page):
    choose(page)
    stroke(page, (10, 10), (50, 10))
    once = paint_of(page)
    page.click("#grow")
    grown = paint_of(page)
    assert grown.sum() > once.sum()
    assert grown[once].all()
    page.click("[data-tool=erase]")
    stroke(page, (30, 2), (30, 20))
    erased = paint_of(page)
    assert not erased[10, 30]
    assert erased.sum() < grown.sum()
    for wanted in (grown, once, np.zeros_like(once)):
        page.click("#undo")
        np.testing.assert_array_equal(paint_of(page), wanted)
    page.click("[data-tool=paint]")
    stroke(page, (10, 10), (20, 10))
    page.click("#clear")
    assert not paint_of(page).any()
    page.click("#undo")
    assert paint_of(page).any()


def test_marks_from_a_file_and_a_colour(page):
    choose(page)
    mask = np.full((SIDE, SIDE), 255, np.uint8)
    mask[20:30, 20:30] = 0
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    page.click("#marks summary")
    page.set_input_files(
        "#maskfile", {"name": "m.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    )
    page.locator("#painted").filter(has_text="the black part of").wait_for()
    np.testing.assert_array_equal(paint_of(page), mask == 0)
    page.click("#clear")
    page.click("[data-tool=pick]")
    stroke(page, (5.5, 7.5))
    red, green, blue = np.asarray(Image.open(io.BytesIO(png(SIDE, SIDE))))[7, 5]
    assert page.input_value("#color") == f"#{red:02x}{green:02x}{blue:02x}"
    page.fill("#tolerance", "0")
    page.click("#fromcolor")
    page.locator("#painted").filter(has_text="what is painted").wait_for()
    assert paint_of(page)[7, 5]


def test_a_keyboard_is_enough(page):
    """From the chosen file on: no browser lets a page open its file dialog without one."""
    choose(page, "grain")
    page.focus("[name=kind]:checked")
    page.keyboard.press("ArrowDown")
    assert page.is_checked("[value=scratch]")
    page.focus("#stage")
    page.keyboard.down("Space")
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    page.keyboard.up("Space")
    drawn = paint_of(page)
    assert drawn[SIDE // 2, SIDE // 2]
    assert drawn[SIDE // 2].sum() > drawn[:, SIDE // 2].sum()
    page.keyboard.press("g")
    assert paint_of(page).sum() > drawn.sum()
    page.keyboard.press("u")
    np.testing.assert_array_equal(paint_of(page), drawn)
    page.keyboard.press("e")
    page.keyboard.press("Enter")  # the brush goes down
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert paint_of(page).sum() < drawn.sum()
    page.focus("#preset")
    for _ in range(8):  # over the settings to the button
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "start":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer:not([hidden])")
    page.locator("#title:focus").wait_for()
    wait_for(page, "done")
    page.focus("#split")
    page.keyboard.press("End")
    assert page.get_attribute("#split", "aria-valuetext") == "100 % before, 0 % after"
    page.focus("#download")
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename == "photo_restored.png"


def test_before_and_after_strength_and_formats(page):
    choose(page, "grain")
    start(page)
    wait_for(page, "done")
    assert page.input_value("#split") == "50"
    box = page.locator("#compare").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.2, box["y"] + 20)
    assert page.input_value("#split") == "20"
    assert (
        page.evaluate("document.getElementById('clip').style.clipPath") == "inset(0px 0px 0px 20%)"
    )
    assert page.get_attribute("#curveline", "points").count(",") == 5
    page.fill("#strength", "50")
    assert page.evaluate("document.getElementById('after').style.opacity") == "0.5"
    assert page.inner_text("#command").endswith("--strength=50")
    page.select_option("#format", "tif")
    name, _ = downloaded(page, "#download")
    assert name == "photo_restored.tif"


def test_pause_reload_and_go_on(page):
    choose(page)
    stroke(page, (10, 10), (30, 30))
    fill = paint_of(page)
    start(page, 400)
    wait_for(page, "step 3")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    wait_for(page, "%")  # the same job
    page.click("#actions [data-action=pause]")
    wait_for(page, "paused")
    assert page.is_visible("#download")
    assert page.inner_text("#download") == "Download the picture so far"
    page.click("#actions [data-action=go_on]")
    wait_for(page, "left")
    page.click("#actions [data-action=stop]")
    wait_for(page, "stopped")
    page.click("#back")
    np.testing.assert_array_equal(paint_of(page), fill)  # kept over the reload


def test_cancel(page):
    choose(page, "grain")
    start(page, 400)
    wait_for(page, "step")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#queue [data-action=remove]")
    page.wait_for_selector("#queue li", state="detached")
    assert page.is_visible("#editor")
    assert page.is_visible("#empty")


def test_a_preview_of_a_part(page):
    choose(page, "grain")
    page.click("[data-tool=part]")
    stroke(page, (8, 8), (40, 30))
    assert page.input_value("#boxx") == "8"
    assert page.input_value("#boxw") == "32"
    set_number(page, "steps", 3)
    page.click("#preview")
    wait_for(page, "done")
    assert "a part" in page.inner_text("#title")
    name, result = downloaded(page, "#download")
    assert name == "photo_preview.png"
    assert result.shape == (22, 32, 3)


def test_two_tabs_and_another_browser(page, context, chromium, studio):
    choose(page, "grain")
    start(page, 300)
    wait_for(page, "step")
    second, faults = open_page(context, studio)
    second.locator("#queue li").wait_for()
    second.click("#queue .name")
    second.click("#actions [data-action=stop]")
    wait_for(page, "stopped")  # both tell the same
    second.close()
    with chromium.new_context() as other:
        stranger, more = open_page(other, studio)
        assert stranger.locator("#queue li").count() == 0
        assert faults == more == []


def test_a_picture_that_is_dropped(page):
    page.evaluate(
        """(bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "dropped.png"));
          document.getElementById("drop").dispatchEvent(
            new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        list(png(SIDE, SIDE)),
    )
    page.locator("#facts").filter(has_text="dropped.png: 64 × 64").wait_for()


def erased():
    pixels = np.asarray(Image.open(io.BytesIO(png(SIDE, SIDE))).convert("RGBA")).copy()
    pixels[20:30, 10:40, 3] = 0
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return pixels, buffer.getvalue()


@pytest.mark.parametrize("kind", ["grain", "scratch"])
def test_what_was_erased_is_marked_whatever_was_chosen_before(page, kind):
    page.check(f"[name=kind][value={kind}]")
    pixels, body = erased()
    file = {"name": "erased.png", "mimeType": "image/png", "buffer": body}
    page.set_input_files("#file", file)
    page.locator("#painted").filter(has_text="its transparent pixels").wait_for()
    assert page.is_checked("[value=scratch]")
    np.testing.assert_array_equal(paint_of(page), pixels[:, :, 3] == 0)


def test_what_is_not_numbers_needs_no_paint(page):
    values = np.ones((SIDE, SIDE), np.float32)
    values[5:9, 4:20] = np.nan
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF")
    file = {"name": "holes.tif", "mimeType": "image/tiff", "buffer": buffer.getvalue()}
    page.check("[name=kind][value=scratch]")
    page.set_input_files("#file", file)
    page.locator("#facts").filter(has_text="holes.tif: 64").wait_for()
    start(page)
    wait_for(page, "done")
    assert "--mask" not in page.inner_text("#command")


def test_notes_are_those_of_the_job_that_is_shown(page):
    choose(page, "grain")
    jobs = page.locator("#queue li[data-state=done]")
    for seed in (1, 2):
        set_number(page, "seed", seed)
        start(page)
        jobs.nth(seed - 1).wait_for()
        page.click("#back")
    for seed, each in ((2, 0), (1, 1)):  # the newest first
        jobs.nth(each).locator(".name").click()
        page.locator("#notes").filter(has_text=f"filling 3.{1 + seed} %").wait_for()


def test_what_a_format_can_not_keep_is_shown(page):
    buffer = io.BytesIO()
    Image.fromarray(np.full((SIDE, SIDE), 40_000, np.uint16)).save(buffer, "TIFF")
    file = {"name": "deep.tif", "mimeType": "image/tiff", "buffer": buffer.getvalue()}
    page.check("[name=kind][value=grain]")
    page.set_input_files("#file", file)
    page.locator("#facts").filter(has_text="16 bits").wait_for()
    start(page)
    wait_for(page, "done")
    assert page.locator("#format option").first.inner_text() == "original format (TIF)"
    page.select_option("#format", "jpg")
    name, _ = downloaded(page, "#download")
    assert name == "deep_restored.jpg"
    page.locator("#remarks").filter(has_text="uint8").wait_for()
    page.click("#back")
    page.click("#queue .name")
    wait_for(page, "done")
    assert page.inner_text("#remarks") == ""


def test_a_browser_without_cookies(context, studio):
    asked = []

    def refuse(route):
        asked.append(route.request.url)
        route.fulfill(status=401, content_type="application/json", body='{"problem": "unknown"}')

    context.route("**/api/about", refuse)
    page = context.new_page()
    page.goto(studio.url)
    page.locator("#problem").filter(has_text="This browser keeps no cookies").wait_for()
    assert len(asked) == 2


def test_a_file_that_was_refused_can_be_chosen_again(context, studio, tmp_path):
    page, _ = open_page(context, studio)
    path = tmp_path / "a.png"
    path.write_bytes(b"text")
    page.set_input_files("#file", path)
    page.locator("#problem").filter(has_text="is not a picture that can be read").wait_for()
    path.write_bytes(png(SIDE, SIDE))
    assert page.input_value("#file") == ""
    page.set_input_files("#file", path)
    page.locator("#facts").filter(has_text=f"{SIDE} × {SIDE}").wait_for()


def test_what_is_wrong_is_said(context, studio):
    page, _ = open_page(context, studio)  # the browser logs refused requests as errors
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": b"text"})
    page.locator("#problem").filter(has_text="is not a picture that can be read").wait_for()
    choose(page)
    page.click("#start")
    page.locator("#problem").filter(has_text="Nothing is painted").wait_for()
    assert page.get_attribute("#problem", "role") == "alert"


def test_every_control_has_a_name(page):
    choose(page)
    stroke(page, (10, 10), (30, 30))
    for summary in page.locator("summary:visible").all():
        summary.click()
    nameless = """() => [...document.querySelectorAll("button, input, select, a, canvas, svg, img")]
      .filter((each) => each.checkVisibility() && each.tagName !== "CANVAS")
      .filter((each) => !(each.getAttribute("aria-label") || each.getAttribute("alt") !== null
        || (each.labels && each.labels.length) || each.textContent.trim()))
      .map((each) => each.outerHTML)"""
    assert page.evaluate(nameless) == []
    start(page)
    wait_for(page, "done")
    assert page.evaluate(nameless) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off(width, scheme, chromium, studio):
    with chromium.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme
    ) as context:
        page, _ = open_page(context, studio)
        wide = "document.documentElement.scrollWidth"
        assert page.evaluate(wide) <= width
        choose(page)
        page.click("#marks summary")
        assert page.evaluate(wide) <= width
        stroke(page, (10, 10), (30, 30))
        start(page)
        wait_for(page, "done")
        assert page.evaluate(wide) <= width
        # Text against its ground, by the formula of WCAG.
        ratio = page.evaluate(
            """() => {
              const light = (text) => {
                const [r, g, b] = text.match(/[\\d.]+/g).map((v) => v / 255)
                  .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
              };
              const card = getComputedStyle(document.getElementById("work")).backgroundColor;
              return [".hint", "#jobstate", "h1"].map((each) => {
                const ink = getComputedStyle(document.querySelector(each)).color;
                const pair = [light(ink), light(card)].sort();
                return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
              });
            }"""
        )
        assert min(ratio) >= 4.5
