"""explore.js on a page made for it, with gaps, empty traces, a picture and a logarithmic axis in one figure."""

import pytest
from plotly.offline import get_plotlyjs

import qtutor as qt
from tests import demo
from tests.browser import act, axe, click_on_wave, compare, open_page
from tests.conftest import ROOT

pytestmark = pytest.mark.browser


def test_browser_and_python_decode_alike(serve, chromium, tmp_path, monkeypatch):
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
        act(tab, 0, lambda: click_on_wave(tab))
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


def write_demo(folder, element):
    """The smallest page that explore.js works in."""
    (folder / "plotly.min.js").write_text(get_plotlyjs(), "utf8")
    (folder / "explore.js").write_text((ROOT / "qtutor" / "browser" / "explore.js").read_text("utf8"), "utf8")
    style = (ROOT / "qtutor" / "browser" / "book.css").read_text("utf8")
    (folder / "index.html").write_text(
        '<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>demo</title>'
        f"<link rel=icon href=data:,><style>{style}</style><script defer src=explore.js></script>"
        "<script defer src=plotly.min.js></script></head>"
        f"<body><main><h1>demo</h1>{element}</main></body></html>",
        "utf8",
    )
