"""explore: what it refuses, what it packs, its page element and its life in a kernel."""

import itertools
import re

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import qtutor as qt
from qtutor import _page
from qtutor._pack import pack, plain, read, unpack
from tests import demo
from tests.browser import assert_same_figure, steps


@pytest.fixture
def page(monkeypatch):
    """explore as the book's build calls it."""
    monkeypatch.setenv("QTUTOR_STATIC", "1")
    return qt.explore


@pytest.fixture
def kernel(monkeypatch):
    """explore as a notebook calls it."""
    monkeypatch.delenv("QTUTOR_STATIC", raising=False)
    return qt.explore


# ---------------------------------------------------------------------- packing

numbers = st.floats(-1e6, 1e6, allow_subnormal=False) | st.just(float("nan"))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), log=st.booleans())
def test_arrays_survive_within_1e4_of_their_range(data, log):
    sizes = data.draw(st.lists(st.integers(0, 40), min_size=4, max_size=4))
    values = [data.draw(arrays(float, n, elements=st.floats(1e-9, 1e3) if log else numbers)) for n in sizes]
    axis = {"type": "log"} if log else {}
    figures = [{"data": [{"type": "scatter", "y": v}], "layout": {"yaxis": axis}} for v in values]
    payload = pack(figures, [2, 2])
    everything = np.concatenate(values)
    everything = everything[np.isfinite(everything)]
    everything = np.log(everything) if log else everything
    allowed = 1e-4 * np.ptp(everything) + 1e-6 * np.abs(everything).max() if everything.size else 0
    for value, place in zip(values, np.ndindex(2, 2), strict=True):
        got = np.array(unpack(payload, place)["data"][0]["y"], dtype=float)
        np.testing.assert_allclose(
            np.log(got) if log else got, np.log(value) if log else value, rtol=0, atol=allowed
        )


def test_small_error_bars_and_ticks_stay_right_beside_large_ones():
    small = [10.0**-k for k in range(12)]
    bars = [np.array(small), 100 * np.array(small)]
    figures = [{"data": [{"type": "scatter", "y": v, "error_y": {"array": v}}],
                "layout": {"yaxis": {"type": "log", "tickvals": np.array(small)}}} for v in bars]  # fmt: skip
    payload = pack(figures, [2])
    for place, wanted in enumerate(bars):
        got = unpack(payload, (place,))
        np.testing.assert_allclose(got["data"][0]["error_y"]["array"], wanted, rtol=1e-6)
        np.testing.assert_allclose(got["layout"]["yaxis"]["tickvals"], small, rtol=1e-6)


def test_curves_of_very_different_size_and_axes_that_change_keep_their_shape():
    wave = np.sin(6 * np.linspace(0.1, 1, 50))
    sizes = [1e-3, 1.0, 1e3]
    payload = pack([{"data": [{"type": "scatter", "y": a * wave}], "layout": {}} for a in sizes], [3])
    for place, a in enumerate(sizes):
        np.testing.assert_allclose(unpack(payload, (place,))["data"][0]["y"], a * wave, atol=1e-3 * a)
    axes = ["log", "linear"]
    payload = pack([{"data": [{"type": "scatter", "y": np.roll(wave, n)}], "layout": {"yaxis": {"type": kind}}}
                    for n, kind in enumerate(axes)], [2])  # fmt: skip
    for n in range(2):
        np.testing.assert_allclose(unpack(payload, (n,))["data"][0]["y"], np.roll(wave, n), rtol=1e-6)


tree = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: (
        st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
        | st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.fixed_dictionaries({"type": st.just("scatter"), "extra": tree}), min_size=6, max_size=6))
def test_any_tree_survives(traces):
    figures = [plain({"data": [trace], "layout": {}}) for trace in traces]
    payload = pack(figures, [3, 2])
    for wanted, place in zip(figures, np.ndindex(3, 2), strict=True):
        got = unpack(payload, place)["data"][0].get("extra")
        assert _bare(got) == _bare(wanted["data"][0].get("extra"))


def _bare(node):
    """Without empty containers and missing values, which no figure can tell apart; arrays as lists."""
    if isinstance(node, np.ndarray):
        return [None if v != v else v for v in node.ravel().tolist()]
    if isinstance(node, dict):
        return {k: _bare(v) for k, v in node.items() if _bare(v) not in (None, {}, [])} or None
    if isinstance(node, list):
        flat = plain(node)
        return _bare(flat) if isinstance(flat, np.ndarray) else [_bare(v) for v in node]
    return node


def test_whole_numbers_stay_exact_and_small_grids_small():
    figures = [
        {"data": [{"x": np.arange(500.0), "y": np.sin(np.arange(500) / 50 + k)}], "layout": {}}
        for k in range(20)
    ]
    payload = pack(figures, [20])
    assert (np.array(unpack(payload, (7,))["data"][0]["x"]) == np.arange(500)).all()
    assert len(payload) < 20 * 500 * 2  # under two bytes a number, base64 included


def test_every_figure_of_a_page_decodes_to_the_python_figure(page):
    shown = page(demo.figure, **demo.CONTROLS)
    allowed = steps(read(shown.payload)[0])
    assert len(allowed) >= 5
    sizes = [range(len(values)) for values in demo.CONTROLS.values()]
    for place in itertools.product(*sizes):
        values = {name: demo.CONTROLS[name][i] for name, i in zip(demo.CONTROLS, place, strict=True)}
        assert_same_figure(plain(unpack(shown.payload, place)), demo.figure(**values), allowed)


# ---------------------------------------------------------------------- what it refuses


def test_refusals_say_what_to_do(page, monkeypatch):
    def silent(**_):
        return go.Figure()

    with pytest.raises(ValueError, match=r'update_layout\(meta=\{"alt"'):
        page(silent, angle=[1, 2])
    with pytest.raises(ValueError, match="'angle' has no values"):
        page(demo.figure, angle=[])
    with pytest.raises(ValueError, match="'angle' lists a value twice"):
        page(demo.figure, angle=[0.1, 0.1])
    with pytest.raises(ValueError, match="not a single text"):
        page(demo.figure, which="L2")
    with pytest.raises(ValueError, match="not a mixture"):
        page(demo.figure, angle=[0.1, "one"])
    with pytest.raises(ValueError, match="not a mixture"):
        page(demo.figure, angle=[0.1, float("nan")])
    with pytest.raises(ValueError, match=r"start value 3 of 'angle' is not one of its values: 0.1, 0.5"):
        page(demo.figure, angle=[0.1, 0.5], start={"angle": 3})
    with pytest.raises(ValueError, match="no control 'theta'; the controls are angle"):
        page(demo.figure, angle=[0.1, 0.5], start={"theta": 0.1})
    with pytest.raises(ValueError, match=r"6000 figures \(angle 3000, match 2\)"):
        page(demo.figure, angle=range(1, 3001), match=[False, True])
    with pytest.raises(TypeError, match="ready figure"):
        page(demo.figure(), angle=[0.1])
    with pytest.raises(TypeError, match="not str"):
        page(lambda angle: "a text", angle=[0.1])
    monkeypatch.setattr(_page, "MOST_BYTES", 500)
    with pytest.raises(ValueError, match="a page has room for"):
        page(demo.figure, angle=[0.1, 0.5])


def _grows(count):
    return go.Figure([go.Scatter(y=[1, 2])] * count, layout={"meta": {"alt": "lines"}})


def test_a_changing_number_of_traces_is_refused(page):
    with pytest.raises(ValueError, match="1 traces at some values and 2 at others"):
        page(_grows, count=[1, 2])


def test_a_changing_number_of_traces_is_refused_in_a_kernel(kernel):
    box = kernel(_grows, count=[1, 2])
    with pytest.raises(ValueError, match="1 traces at some values and 2 at others"):
        box.controls["count"].value = 2


# ---------------------------------------------------------------------- the page element


def test_page_element_is_labelled_and_readable_without_javascript(page):
    shown = page(
        demo.figure, start={"angle": 0.5, "match": True}, labels={"angle": "how <far>"}, **demo.CONTROLS
    )
    html = shown._repr_html_()
    assert (
        "A sine stretched by 1.5; the decay ends at 3.1e-07."
        in re.search("<figcaption.*</figcaption>", html)[0]
    )
    assert 'role="img" aria-label="A sine stretched' in html and "needs JavaScript" in html
    ids = re.findall(r'<(?:input|select)[^>]* id="([^"]+)"', html)
    assert len(ids) == 2 and all(f'<label for="{i}">' in html for i in ids)
    assert "how &lt;far&gt;" in html and "how <far>" not in html
    assert 'aria-valuetext="0.5"' in html and ">0.5</output>" in html and ">on</output>" in html
    assert "<legend>shape</legend>" in html and html.count('type="radio"') == 2
    assert shown._repr_html_() != html  # the ids of a second showing are its own


def test_many_texts_make_a_select_and_a_ready_figure_no_controls(page):
    html = page(lambda kind: demo.figure(), kind=list("abcdef"), start={"kind": "c"})._repr_html_()
    assert html.count("<option") == 6 and '<option value="2" selected>c' in html
    assert "qt-controls" not in page(demo.figure())._repr_html_()


def test_values_are_written_short_and_told_apart(page):
    angle = page(demo.figure, angle=[0.1 + 0.2, 1.57, 1e-5]).controls[0]
    assert angle.texts == ["0.3", "1.57", "1e−5"]
    assert page(demo.figure, angle=[1.57001, 1.57002]).controls[0].texts == ["1.57001", "1.57002"]


# ---------------------------------------------------------------------- in a kernel


def test_the_live_figure_follows_every_kind_of_control(kernel):
    box = kernel(demo.figure, start={"angle": 0.5}, **demo.CONTROLS)
    for name, value in [("angle", 2.5), ("shape", "cosine"), ("match", True), ("angle", 0.1)]:
        box.controls[name].value = value
        values = {n: control.value for n, control in box.controls.items()}
        wanted = demo.figure(**values)
        assert_same_figure(plain(box.figure.to_plotly_json()), wanted, {})
        assert len(box.figure.layout.annotations) == len(wanted.layout.annotations)
        assert box.caption.value == wanted.layout.meta["alt"]


def test_a_click_on_a_curve_moves_its_control(kernel):
    box = kernel(demo.figure, **demo.CONTROLS)
    message = {"event_type": "plotly_click", "points": {"trace_indexes": [0], "point_indexes": [14],
               "xs": [1.08], "ys": [0]}, "device_state": None, "selector": None}  # fmt: skip
    box.figure._js2py_pointsCallback = message
    assert box.controls["angle"].value == 1.0
    assert box.caption.value == demo.figure(1.0).layout.meta["alt"]


def test_a_ready_figure_needs_no_controls(kernel):
    assert kernel(demo.figure()).controls == {}
