"""The built book in headless Chromium: nothing leaves it, every control works, what it shows is true."""

import json
import os
import statistics
from functools import cache, partial

import nbformat
import pytest

import qtutor as qt
from tests.browser import act, axe, compare, drawn, open_page, turn_dark
from tests.conftest import HTML, ROOT

pytestmark = pytest.mark.browser
PAGES = sorted(
    p.relative_to(HTML).as_posix()
    for p in HTML.rglob("*.html")
    if "_static" not in p.parts and p != HTML / "index.html"
)
CHAPTERS = [p for p in PAGES if (ROOT / p).with_suffix(".ipynb").exists()]
MOST_PAGE_BYTES = 700_000
MOST_MOVES = 12  # keyboard steps per control


@pytest.fixture(scope="module")
def site(serve, book):
    """The address of the book on this machine."""
    return serve(book)


@pytest.fixture(scope="module", autouse=True)
def report():
    """Collect redraw times; print them and leave them in _build/pages-report.json at the end."""
    times = {}
    yield times
    rows = {page: round(statistics.median(t), 1) for page, t in times.items() if t}
    if not rows:
        return
    every = [t for page in times.values() for t in page]
    result = {"median redraw, ms": {**rows, "all": round(statistics.median(every), 1)}, "steps": len(every)}
    (ROOT / "_build").mkdir(exist_ok=True)
    (ROOT / "_build" / "pages-report.json").write_text(json.dumps(result, indent=1))
    print(f"\nslider steps: median redraw {result['median redraw, ms']['all']} ms over {len(every)} steps")


def test_the_book_is_built(book):
    assert len(PAGES) >= 5 and CHAPTERS, f"{book} has no chapters"
    assert 'lang="en"' in (book / "index.html").read_text("utf8")
    assert "url=book/welcome.html" in (book / "index.html").read_text("utf8")


# ---------------------------------------------------------------------- every page


@pytest.mark.parametrize("page", PAGES)
def test_page_is_quiet_light_and_accessible(page, site, chromium):
    assert (HTML / page).stat().st_size <= MOST_PAGE_BYTES
    with open_page(chromium, page, base=site) as (tab, missteps):
        assert axe(tab) == []
        has_figure = tab.locator(".qt-figure").count() > 0
        asked = tab.evaluate("performance.getEntriesByType('resource').map(e => e.name).join(' ')")
        assert ("plotly.min.js" in asked) == has_figure
        before = [drawn(tab, n) for n in range(tab.locator(".qt-figure").count())]
        turn_dark(tab)
        assert all(drawn(tab, n) != old for n, old in enumerate(before)), "a figure kept its light colours"
        assert axe(tab) == []
        assert missteps == []


@pytest.mark.parametrize("page", PAGES)
def test_page_on_a_phone_and_from_a_folder(page, book, chromium):
    with open_page(chromium, page, base=book.as_uri(), width=360, height=780, touch=True) as (tab, missteps):
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360
        assert axe(tab) == []
        for number in range(tab.locator(".qt-figure").count()):
            figure = tab.locator(".qt-figure").nth(number)
            assert figure.locator(".js-plotly-plot svg.main-svg").count() > 0
            for slider in figure.locator("[type=range]").all():
                assert slider.bounding_box()["height"] >= 44
                act_by_touch(tab, number, slider)
        assert missteps == []


def act_by_touch(tab, number, slider):
    """Tap the far end of a slider."""
    old = slider.input_value()
    at = edge(slider, far=old != slider.get_attribute("max"))
    act(tab, number, lambda: slider.tap(position=at))
    assert slider.input_value() != old


def edge(slider, far):
    """A point on a slider, near its far or its near end."""
    box = slider.bounding_box()
    return {"x": box["width"] - 3 if far else 3, "y": box["height"] / 2}


# ---------------------------------------------------------------------- every control


@pytest.mark.parametrize("page", CHAPTERS)
def test_every_control_moves_its_figure(page, site, chromium, report):
    with open_page(chromium, page, base=site) as (tab, missteps):
        for number in range(tab.locator(".qt-figure").count()):
            for field in tab.locator(".qt-figure").nth(number).locator("input, select").all():
                move(tab, number, field)
        report[page] = tab.evaluate("(window.qtutor || {exhibits: []}).exhibits.flatMap(me => me.durations)")
        assert missteps == []


KEYS = {
    "range": ("ArrowRight", "ArrowLeft"),
    "checkbox": ("Space", "Space"),
    "other": ("ArrowDown", "ArrowUp"),
}
LABEL = "f => (f.type === 'radio' ? f.closest('fieldset').querySelector('legend') : f.labels[0]).innerText"
AT_END = (
    "f => f.type === 'range' ? f.value === f.max : f.tagName === 'SELECT' && f.selectedIndex === f.length - 1"
)

RESET = """f => {
  const all = f.type === 'radio' ? [...f.closest('fieldset').querySelectorAll('input')] : [f];
  for (const one of all) { one.value = one.defaultValue; one.checked = one.defaultChecked; }
  for (const option of f.options || []) option.selected = option.defaultSelected;
  f.dispatchEvent(new Event('input', {bubbles: true}));
}"""


def move(tab, number, field):
    """Move one control by keyboard, and a slider by mouse; label, texts, caption and figure must follow."""
    name, kind = field.get_attribute("data-control"), field.get_attribute("type") or "select"
    if kind == "radio" and not field.is_checked():
        return  # the checked one of the group moves them all
    assert field.evaluate(LABEL).strip(), name
    field.focus()
    seen, texts = {drawn(tab, number)}, set()
    forth, back = KEYS.get(kind, KEYS["other"])
    for _ in range(min(int(field.get_attribute("max") or 1), MOST_MOVES)):
        forth = back if field.evaluate(AT_END) else forth
        act(tab, number, partial(tab.keyboard.press, forth))
        seen.add(drawn(tab, number))
        texts.add(shown_value(field, kind))
    assert len(seen) > 1, f"{name} changes nothing"
    if kind == "range":
        at = edge(field, far=field.input_value() == "0")
        act(tab, number, lambda: field.click(position=at))  # scrolls to it: the caption may have grown
        texts.add(shown_value(field, kind))
        assert len(texts) > 1
    act(tab, number, lambda: field.evaluate(RESET))  # the next control starts from the figure's own start


def shown_value(field, kind):
    """The text beside a control, the same as assistive technology hears."""
    if kind not in ("range", "checkbox"):
        return None
    text = field.evaluate("f => f.parentElement.querySelector('output').innerText")
    assert text and (kind == "checkbox" or field.get_attribute("aria-valuetext") == text)
    return text


# ---------------------------------------------------------------------- what it shows is what Python computes


@cache
def explored(page):
    """Run the code of a chapter; return (figure function, controls) of each explore in it."""
    calls = []
    space = {"__name__": "__main__", "display": lambda *_: None}
    here, real = os.getcwd(), qt.explore
    qt.explore = lambda figure, *, start=None, labels=None, **controls: calls.append((figure, controls))
    try:
        os.chdir((ROOT / page).parent)
        for cell in nbformat.read((ROOT / page).with_suffix(".ipynb"), as_version=4).cells:
            tags = set(cell.metadata.get("tags", []))
            if cell.cell_type == "code" and not tags & {"skip-execution", "raises-exception"}:
                lines = (line for line in cell.source.splitlines() if not line.startswith(("%", "!")))
                exec("\n".join(lines), space)  # our own notebook, the same code the build ran
    finally:
        os.chdir(here)
        qt.explore = real
    return calls


@pytest.mark.parametrize("page", CHAPTERS)
def test_figures_are_those_of_python(page, site, chromium):
    calls = explored(page)
    with open_page(chromium, page, base=site) as (tab, _):
        assert tab.locator(".qt-figure").count() == len(calls)
        for number, (figure, controls) in enumerate(calls):
            compare(tab, number, figure, controls)


def test_a_film_plays_and_stops(site, chromium):
    with open_page(chromium, "book/07_control.html", base=site) as (tab, missteps):
        button = tab.locator(".qt-play").first
        button.scroll_into_view_if_needed()
        slider = tab.locator("#" + button.get_attribute("data-plays"))
        button.press("Enter")
        tab.wait_for_function("s => Number(s.value) >= 2", arg=slider.element_handle())
        button.press("Enter")
        rest = slider.input_value()
        tab.wait_for_timeout(600)
        assert slider.input_value() == rest and button.inner_text() == "play"
        assert missteps == []
