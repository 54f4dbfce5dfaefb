"""The built book in headless Chromium: nothing leaves it, every control works, what it shows is true."""

import json
import os
import statistics
from functools import cache, partial

import nbformat
import pytest
from plotly.offline import get_plotlyjs

import qtutor as qt
from qtutor._pack import read
from tests import demo
from tests.browser import act, assert_same_figure, axe, drawn, frame, open_page, steps
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
        tab.evaluate("document.documentElement.dataset.theme = 'dark'")
        tab.wait_for_timeout(300)
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
    slider.scroll_into_view_if_needed()
    box, old = slider.bounding_box(), slider.input_value()
    edge = 3 if old == slider.get_attribute("max") else box["width"] - 3
    act(tab, number, lambda: tab.touchscreen.tap(box["x"] + edge, box["y"] + box["height"] / 2))
    assert slider.input_value() != old


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
AT_END = "f => f.type === 'range' ? f.value === f.max : f.tagName === 'SELECT' && f.selectedIndex === f.length - 1"

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
        box = field.bounding_box()
        edge = 3 if field.input_value() != "0" else box["width"] - 3
        act(tab, number, lambda: tab.mouse.click(box["x"] + edge, box["y"] + box["height"] / 2))
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


def compare(tab, number, figure, controls):
    """Six figures spread over the grid: decoded in the browser, computed in Python."""
    payload = json.loads(tab.locator(".qt-figure .qt-data").nth(number).text_content())
    header, _ = read(payload)
    shape = header["shape"]
    for k in range(6 if controls else 1):
        index = [(k * (n - 1) // 5 + k % 2) % n for n in shape]
        values = {name: list(v)[i] for (name, v), i in zip(controls.items(), index, strict=True)}
        result = figure(**values) if callable(figure) else figure
        assert_same_figure(frame(tab, number, index), result, steps(header))


def test_browser_and_python_decode_alike(serve, chromium, tmp_path, monkeypatch):
    """A page made for the test, so that gaps, empty traces, pictures and logarithmic axes are all in it."""
    monkeypatch.setenv("QTUTOR_STATIC", "1")
    element = qt.explore(demo.figure, start={"angle": 1.5}, **demo.CONTROLS)._repr_html_()
    write_demo(tmp_path, element)
    base = serve(tmp_path)
    with open_page(chromium, "index.html", base=base) as (tab, missteps):
        compare(tab, 0, demo.figure, demo.CONTROLS)
        act(tab, 0, lambda: tab.locator("[type=range]").press("ArrowLeft"))
        wanted = demo.figure(angle=1.0)
        got = tab.evaluate("Array.from(document.querySelector('.js-plotly-plot').data[0].y)")
        assert got[9] == pytest.approx(float(wanted.data[0].y[9]), abs=2e-4)
        assert tab.locator("figcaption").inner_text() == wanted.layout.meta["alt"]
        assert tab.locator(".qt-plot").get_attribute("aria-label") == wanted.layout.meta["alt"]
        click_on_point(tab)
        assert tab.locator("[type=range]").input_value() == "4"
        assert missteps == []
    with open_page(chromium, "index.html", base=base, width=360, touch=True) as (tab, _):
        domains = tab.evaluate("['', 2, 3].map(n => qtutor.exhibits[0].figure.layout['yaxis' + n].domain)")
        assert domains[0][0] > domains[1][1] and domains[1][0] > domains[2][1] > domains[2][0] >= 0
        assert axe(tab) == []
        swipe_up(tab, from_y=700)
        tab.wait_for_function("scrollY > 100", timeout=5000)  # a finger on the figure scrolls the page


def test_a_page_without_javascript_says_what_the_figure_shows(serve, chromium, tmp_path, monkeypatch):
    monkeypatch.setenv("QTUTOR_STATIC", "1")
    write_demo(tmp_path, qt.explore(demo.figure, **demo.CONTROLS)._repr_html_())
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(serve(tmp_path))
    assert "needs JavaScript" in tab.locator(".qt-plot").inner_text()
    assert tab.locator("figcaption").inner_text() == demo.figure().layout.meta["alt"]
    assert not tab.locator(".qt-controls").is_visible()
    context.close()


def swipe_up(tab, from_y):
    """Drag a finger upwards, as Chromium sees it."""
    session = tab.context.new_cdp_session(tab)
    for k in range(17):
        kind = "touchStart" if k == 0 else "touchMove" if k < 16 else "touchEnd"
        points = [{"x": 180, "y": from_y - 15 * k}] if k < 16 else []
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        tab.wait_for_timeout(16)


def click_on_point(tab):
    """Click the wave near x = 2.4."""
    spot = tab.evaluate("""() => {
      const plot = document.querySelector('.js-plotly-plot'), {xaxis: x, yaxis: y} = plot._fullLayout;
      const box = plot.getBoundingClientRect(), i = 31, trace = plot.data[0];
      return [box.x + x._offset + x.d2p(trace.x[i]), box.y + y._offset + y.d2p(trace.y[i])];
    }""")
    tab.mouse.move(*spot)
    tab.wait_for_timeout(200)
    act(tab, 0, lambda: tab.mouse.click(*spot))


def write_demo(folder, element):
    """The smallest page that explore.js works in."""
    (folder / "plotly.min.js").write_text(get_plotlyjs(), "utf8")
    (folder / "explore.js").write_text((ROOT / "assets" / "explore.js").read_text("utf8"), "utf8")
    style = (ROOT / "assets" / "book.css").read_text("utf8")
    (folder / "index.html").write_text(
        '<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>demo</title>'
        f"<link rel=icon href=data:,><style>{style}</style><script defer src=explore.js></script>"
        "<script defer src=plotly.min.js></script></head>"
        f"<body><main><h1>demo</h1>{element}</main></body></html>",
        "utf8",
    )
