"""The figure in which the reader draws u(t): the browser agrees with qt.evolve, and every way to draw works."""

import importlib.util
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import qtutor as qt
from qtutor.steer import steer
from tests.browser import axe, open_page
from tests.conftest import ROOT
from tests.helpers import random_states

BOX = qt.Box()
STATES = {"ground state": qt.eigenstate(BOX, 1), "mix <1 & 2>": qt.superpositions(BOX, 1, seed=5)[0]}
TARGET = ("eigenstate 4", qt.eigenstate(BOX, 4))
NETWORK = {name: 15 * torch.sin(torch.arange(50) * (0.3 + i)) for i, name in enumerate(STATES)}
READOUT = re.compile(r"Final fidelity (\d\.\d{3}) \(loss (\S+)\)")


def figure(**settings):
    """A figure with two states and one network."""
    return steer(STATES, TARGET, BOX, controls={"network M": NETWORK}, **settings)


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Write figures into a page as the book does; return its folder."""
    monkeypatch.setenv("QTUTOR_STATIC", "1")

    def write(*figures):
        body = "".join(one._repr_html_() for one in figures)
        files = (ROOT / "qtutor" / "browser" / name for name in ("book.css", "scheme.js", "steer.js"))
        style, *scripts = (file.read_text("utf8") for file in files)
        (tmp_path / "scheme.js").write_text(scripts[0], "utf8")
        (tmp_path / "steer.js").write_text(scripts[1], "utf8")
        theme = ":root { --pst-color-background: #fff; --pst-color-text-base: #222; --pst-color-text-muted: #555; } " \
                "[data-theme=dark] { --pst-color-background: #14181e; --pst-color-text-base: #ced6dd; " \
                "--pst-color-text-muted: #9ca4af; } * { box-sizing: border-box; } body { margin: 12px; font: 16px " \
                "sans-serif; color: var(--pst-color-text-base); background: var(--pst-color-background); }"
        (tmp_path / "index.html").write_text(
            '<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>steer</title>'
            f'<meta name="viewport" content="width=device-width"><style>{theme}{style}</style>'
            "<link rel=icon href=data:,><script defer src=scheme.js></script><script defer src=steer.js></script>"
            f'</head><body><main><h1>steer</h1>{body}<p style="height: 900px">below</p></main></body></html>', "utf8")
        return tmp_path

    return write


def after(tab, action):
    """Act, wait until the figure is drawn anew, return (u, caption)."""
    before = tab.evaluate("qtutorSteer.instances[0].durations.length")
    action()
    tab.wait_for_function("n => qtutorSteer.instances[0].durations.length > n", arg=before, timeout=5000)
    return drawn(tab), tab.locator("figcaption").first.inner_text()


def drawn(tab):
    return np.array(tab.evaluate("Array.from(qtutorSteer.instances[0].u)"), dtype=float)


def heard(tab):
    """What assistive technology hears of the overlap and of the density."""
    return [tab.locator(f"[data-panel={panel}]").get_attribute("aria-label") for panel in ("overlap", "density")]


def field(tab, key):
    return tab.locator(f"[data-steer={key}]").first


def assert_true(u, caption, state="ground state"):
    """The numbers in the caption are those of qt.evolve."""
    loss = qt.quantum_loss(qt.evolve(STATES[state], torch.from_numpy(u), BOX), TARGET[1]).item()
    assert float(READOUT.search(caption)[1]) == pytest.approx(1 - loss, abs=6e-4)
    assert float(READOUT.search(caption)[2]) == pytest.approx(loss, abs=6e-4)
    assert state in caption and TARGET[0] in caption


# ---------------------------------------------------------------------- physics


@pytest.mark.browser
def test_the_browser_solves_the_scheme_of_evolve(page, chromium):
    """Final state and overlap to 1e-6, for u up to 100, on several boxes, step sizes and numbers of steps."""
    cases = [(qt.Box(), 0.2, 50), (qt.Box(12, 1.0), 0.2, 50), (qt.Box(33, 5.0, origin=2.5), 0.05, 80)]
    cases += [(qt.Box(points=2), 1.0, 2)]
    rng = np.random.default_rng(1)
    states = [random_states(5, box.points, seed=k) for k, (box, _, _) in enumerate(cases)]
    figures = [steer({f"state {i}": psi for i, psi in enumerate(some[1:])}, ("target", some[0]), box, dt, steps)
               for some, (box, dt, steps) in zip(states, cases)]
    with open_page(chromium, "index.html", base=page(*figures).as_uri()) as (tab, missteps):
        for number, (some, (box, dt, steps)) in enumerate(zip(states, cases)):
            for i, psi in enumerate(some[1:]):
                u = rng.uniform(-100, 100, steps) * [0.0, 0.1, 1.0, 1.0][i]
                got = tab.evaluate("""([n, i, u]) => { const one = qtutorSteer.instances[n];
                    return qtutorSteer.evolve(one, u, one.setup.states[i]); }""", [number, i, u.tolist()])
                wanted = qt.evolve(psi, torch.from_numpy(u), box, dt)
                np.testing.assert_allclose(np.array(got["re"]) + 1j * np.array(got["im"]), wanted, rtol=0, atol=1e-6)
                overlap = qt.inner(some[0], wanted).abs().square().item()
                assert got["overlap"] == pytest.approx(overlap, abs=1e-6)
        assert missteps == []


# ---------------------------------------------------------------------- drawing


def place(tab, step, u):
    """Where (step, u) lies on the screen, found from the tick labels of the panel."""
    panel = tab.locator("[data-panel=u]").first
    panel.scroll_into_view_if_needed()
    left, right, low, high = panel.evaluate("""panel => {
      const at = (words, anchor) => [...panel.querySelectorAll(`text[text-anchor=${anchor}]`)]
          .find(one => one.textContent === words).getBoundingClientRect();
      const across = (words) => { const b = at(words, 'middle'); return (b.left + b.right) / 2; };
      const up = (words) => { const b = at(words, 'end'); return (b.top + b.bottom) / 2; };
      return [across('0'), across('10'), up('−40'), up('40')];
    }""")
    return left + (right - left) * (step - 0.5) / 50, low + (high - low) * (u + 40) / 80


@pytest.mark.browser
def test_drawing_by_mouse(page, chromium):
    with open_page(chromium, "index.html", base=page(figure()).as_uri()) as (tab, missteps):
        old = tab.locator("figcaption").inner_text()
        tab.mouse.move(*place(tab, 10, -20))
        after(tab, tab.mouse.down)
        u, caption = after(tab, lambda: tab.mouse.move(*place(tab, 30, 20)))  # one event, twenty steps further
        np.testing.assert_allclose(u[9:30], np.linspace(-20, 20, 21), atol=1.5)
        assert not u[:9].any() and not u[30:].any() and caption != old
        assert_true(u, caption)
        u, _ = after(tab, lambda: tab.mouse.move(place(tab, 20, 0)[0], 0))  # far above the panel
        assert u.max() == 40 and u[19] == 40
        tab.mouse.up()
        tab.mouse.move(*place(tab, 45, 10))
        tab.wait_for_timeout(100)
        assert np.array_equal(u, drawn(tab)), "the pen was lifted"
        assert field(tab, "step").input_value() == "20" and field(tab, "value").input_value() == "40"
        assert field(tab, "start").evaluate("f => f.selectedOptions[0].text") == "your own"
        assert missteps == []


@pytest.mark.browser
def test_drawing_by_finger_and_scrolling_beside_it(page, chromium):
    phone = {"width": 360, "height": 700, "touch": True}
    with open_page(chromium, "index.html", base=page(figure()).as_uri(), **phone) as (tab, missteps):
        finger = tab.context.new_cdp_session(tab)

        def swipe(points):
            for kind, *spot in [("touchStart", *points[0]), *(("touchMove", *p) for p in points[1:]), ("touchEnd",)]:
                spots = [{"x": spot[0], "y": spot[1]}] if spot else []
                finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": spots})
                tab.wait_for_timeout(16)

        spots = [place(tab, step, 30 - 1.5 * step) for step in range(1, 41, 3)]
        top = tab.evaluate("scrollY")
        u, caption = after(tab, lambda: swipe(spots))
        np.testing.assert_allclose(u[:40], 30 - 1.5 * np.arange(1, 41), atol=3)
        assert_true(u, caption)
        assert tab.evaluate("scrollY") == top, "the page moved under the pen"
        density = tab.locator("[data-panel=density]").bounding_box()
        x, y = density["x"] + 100, min(density["y"] + 100, 650)
        swipe([(x, y - 15 * k) for k in range(16)])
        tab.wait_for_function("top => scrollY > top + 80", arg=top, timeout=5000)
        assert np.array_equal(u, drawn(tab))
        assert missteps == []


@pytest.mark.browser
def test_every_control_by_keyboard(page, chromium):
    with open_page(chromium, "index.html", base=page(figure()).as_uri()) as (tab, missteps):
        def press(key, name, times=1):
            field(tab, key).focus()
            for _ in range(times):
                result = after(tab, lambda: tab.keyboard.press(name))
            return result

        def spoken(key):
            f = field(tab, key)
            assert f.evaluate("f => f.labels[0].innerText").strip()
            shown = f.evaluate("f => f.parentElement.querySelector('output').innerText")
            assert shown.split(",")[0].split()[-1] in f.get_attribute("aria-valuetext")
            return shown

        assert spoken("step") == "1"
        press("step", "ArrowRight", 4)
        u, caption = press("value", "ArrowLeft", 6)
        assert spoken("step") == "5" and spoken("value") == "−3" and np.flatnonzero(u).tolist() == [4] and u[4] == -3
        assert_true(u, caption)
        pictures = heard(tab)
        _, caption = press("shown", "ArrowLeft", 30)
        assert spoken("shown") == "20" and "After step 20 it is" in caption
        assert all(new != old for new, old in zip(heard(tab), pictures))
        u, _ = press("smooth", "Enter")
        np.testing.assert_allclose(u[3:6], [-1, -1, -1])
        u, caption = press("start", "ArrowDown", 3)  # nothing, constant, slow sine
        assert u.any() and field(tab, "start").evaluate("f => f.selectedOptions[0].text") == "slow sine"
        assert_true(u, caption)
        kept = u
        u, caption = press("state", "ArrowDown")
        assert np.array_equal(u, kept) and "mix <1 & 2>" in caption
        assert_true(u, caption, "mix <1 & 2>")
        u, _ = press("clear", "Space")
        assert not u.any() and field(tab, "start").input_value() == "0"
        assert missteps == []


@pytest.mark.browser
def test_a_network_stays_as_reference_and_follows_the_state(page, chromium):
    with open_page(chromium, "index.html", base=page(figure()).as_uri()) as (tab, missteps):
        assert tab.locator("path.reference").count() == 0
        u, caption = after(tab, lambda: field(tab, "start").select_option(label="network M"))
        np.testing.assert_allclose(u, NETWORK["ground state"], atol=1e-6)
        assert_true(u, caption)
        assert "Network M" not in caption, "said twice"
        u, caption = after(tab, lambda: field(tab, "state").select_option(label="mix <1 & 2>"))
        np.testing.assert_allclose(u, NETWORK["mix <1 & 2>"], atol=1e-6)
        assert_true(u, caption, "mix <1 & 2>")
        reached = READOUT.search(caption)[1]
        u, caption = after(tab, field(tab, "clear").click)
        assert not u.any() and f"Network M reaches {reached} from the same state" in caption
        assert tab.locator("[data-panel=u] path.reference").first.is_visible()
        assert "#17954c" in tab.locator("[data-panel=u] path.reference").first.get_attribute("style")
        assert missteps == []


# ---------------------------------------------------------------------- the page around it


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_quiet_accessible_and_fits(page, chromium, width, theme):
    with open_page(chromium, "index.html", base=page(figure(), figure()).as_uri(), width=width) as (tab, missteps):
        ink = "getComputedStyle(document.querySelector('.qt-steer text.title')).fill"
        light = tab.evaluate(ink)
        tab.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        assert (tab.evaluate(ink) != light) == (theme == "dark")
        after(tab, lambda: field(tab, "start").select_option(label="network M"))
        assert axe(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        outside = tab.evaluate("""() => [...document.querySelectorAll('.qt-steer svg')].flatMap(svg => {
          const all = svg.getBoundingClientRect();
          return [...svg.querySelectorAll('text')].filter(one => {
            const it = one.getBoundingClientRect();
            return it.left < all.left - 1 || it.right > all.right + 1 || it.bottom > all.bottom + 1;
          }).map(one => one.textContent);
        })""")
        assert outside == []
        for slider in tab.locator("[type=range]").all():
            assert slider.bounding_box()["height"] >= 44
        assert missteps == []


@pytest.mark.browser
def test_two_outputs_of_a_kernel_do_not_clash(chromium, tmp_path, monkeypatch):
    """In a kernel each output brings script and style; the other figure and the page around it stay as they are."""
    monkeypatch.delenv("QTUTOR_STATIC", raising=False)
    body = "".join(figure()._repr_html_() for _ in range(2))
    assert len(set(re.findall(r'id="([^"]+)"', body))) == len(re.findall(r'id="', body))
    (tmp_path / "index.html").write_text(f"<!DOCTYPE html><link rel=icon href=data:,><select></select>{body}", "utf8")
    with open_page(chromium, "index.html", base=tmp_path.as_uri()) as (tab, missteps):
        assert tab.evaluate("qtutorSteer.instances.length") == 2
        assert field(tab, "state").bounding_box()["height"] >= 44
        assert tab.locator("[data-panel=u]").first.bounding_box()["height"] > 200
        assert tab.locator("path.ours").first.evaluate("p => getComputedStyle(p).fill") == "none"
        assert tab.locator("body > select").bounding_box()["height"] < 44
        second = tab.locator("figcaption").nth(1).inner_text()
        u, _ = after(tab, lambda: field(tab, "start").select_option(label="constant"))
        assert u[0] == 10 and tab.locator("figcaption").nth(1).inner_text() == second
        assert missteps == []


@pytest.mark.browser
def test_without_javascript_it_says_so(page, chromium):
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((page(figure()) / "index.html").as_uri())
    assert "needs JavaScript" in tab.locator(".qt-waiting").inner_text()
    assert not tab.locator(".qt-steer-body").is_visible()
    assert repr(figure()) == tab.locator("figcaption").inner_text() and "0.000 with eigenstate 4" in repr(figure())
    context.close()


@pytest.mark.parametrize("kind, wanted", [("qt-steer", ["scheme.js", "steer.js"]), ("qt-other", [])])
def test_the_book_loads_the_scripts_where_they_are_needed(kind, wanted):
    spec = importlib.util.spec_from_file_location("extension", ROOT / "_ext" / "qtutor_book.py")
    extension = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extension)
    asked = []
    app = SimpleNamespace(add_js_file=lambda name, priority, loading_method: asked.append((priority, name)))
    extension.scripts_of_page(app, "07", "page.html", {"body": f'<figure class="{kind}">'}, None)
    assert [name for _, name in sorted(asked)] == wanted


# ---------------------------------------------------------------------- what does not fit


def test_larger_controls_widen_the_range():
    controls = {"strong": torch.full((50,), -87.0)}
    assert steer(STATES, TARGET, BOX, controls=controls).data["limit"] == 90
    assert figure(limit=0.5).data["limit"] == 20  # the network goes to 15
    assert steer(STATES, TARGET, BOX, limit=0.5).data["limit"] == 0.5
    assert "<1 &" not in json.dumps(figure()._repr_html_()).split("qt-steer-data")[0]


@pytest.mark.parametrize("words, settings", [
    ("use qt.normalize", {"states": {"long": 2 * qt.eigenstate(BOX, 1)}}),
    ("'small' has shape \\(10,\\)", {"states": {"small": qt.eigenstate(qt.Box(10), 1)}}),
    ("'many' has shape \\(3, 20\\)", {"states": {"many": qt.superpositions(BOX, 3)}}),
    ("maps names to initial states", {"states": {}}),
    ("pair \\(name, state\\)", {"target": qt.eigenstate(BOX, 4)}),
    ("use qt.normalize", {"target": ("far", 2 * qt.eigenstate(BOX, 4))}),
    ("one value for each of 50 steps; got \\(49,\\)", {"controls": {"M": torch.zeros(49)}}),
    ("needs a real tensor", {"controls": {"M": [0.0] * 50}}),
    ("not finite at step 7", {"controls": {"M": torch.where(torch.arange(50) == 7, torch.nan, 0.0)}}),
    ("has a u for nobody, but the states are ground state, mix", {"controls": {"M": {"nobody": torch.zeros(50)}}}),
    ("'nothing' is always there", {"controls": {"nothing": torch.zeros(50)}}),
    ("got steps=1", {"steps": 1}),
    ("dt=-0.2", {"dt": -0.2}),
    ("limit=inf", {"limit": float("inf")}),
])  # fmt: skip
def test_errors_teach(words, settings):
    with pytest.raises(ValueError, match=words):
        steer(**{"states": STATES, "target": TARGET, "box": BOX, **settings})
