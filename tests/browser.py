"""What the browser tests share: a page that notes every misstep, axe-core, and how a control is moved."""

import json
from contextlib import contextmanager
from importlib.resources import files

import numpy as np

from qtutor._pack import GAP, leaves, plain, read

AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


@contextmanager
def open_page(chromium, address, *, base, width=1280, height=1000, scheme="light", touch=False):
    """A loaded page and the list of its missteps: requests elsewhere, console errors, failed responses."""
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=touch
    )
    missteps = []

    def route(request):
        url = request.request.url
        if url.startswith((base, "data:", "blob:")):
            return request.continue_()
        missteps.append(f"asks for {url}")
        return request.abort()

    context.route("**/*", route)
    page = context.new_page()
    page.on("console", lambda m: missteps.append(f"console {m.text[:300]}") if m.type == "error" else None)
    page.on("pageerror", lambda error: missteps.append(f"script {str(error)[:300]}"))
    page.on("response", lambda r: missteps.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.on("requestfailed", lambda r: missteps.append(f"failed {r.url}"))
    page.goto(f"{base}/{address}", wait_until="load")
    settle(page)
    yield page, missteps
    context.close()


def settle(page):
    """Draw every figure, wherever it stands, and wait for formulas."""
    page.evaluate("""async () => {
      if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
      for (const me of (window.qtutor || {exhibits: []}).exhibits) { await me.ready; await me.draw(); }
    }""")


def turn_dark(page):
    """Switch the theme; wait for every figure, and for colours that fade."""
    old = page.evaluate_handle("(window.qtutor || {exhibits: []}).exhibits.map(me => me.figure)")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function("old => old.every((figure, n) => qtutor.exhibits[n].figure !== figure)", arg=old)
    page.evaluate("Promise.all(document.getAnimations().map(fading => fading.finished)).then(() => true)")


def axe(page):
    """All violations of the page, as readable lines; the theme's own are mended in book.css and _ext."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf8"))
    return page.evaluate(
        """async (tags) => {
             const options = {runOnly: tags, resultTypes: ["violations"], preload: false};
             const {violations} = await axe.run(document, options);
             const lines = v => v.nodes.map(n => [v.id, n.target.join(" "), n.html.slice(0, 160)].join(" | "));
             return violations.flatMap(lines);
           }""",
        AXE_TAGS,
    )


def drawn(page, number):
    """The figure as Plotly holds it, as JSON text."""
    return page.evaluate(
        "n => JSON.stringify([qtutor.exhibits[n].figure.data, qtutor.exhibits[n].figure.layout])", number
    )


def act(page, number, action):
    """Do something to figure `number` and wait until it is drawn anew."""
    before = page.evaluate("n => qtutor.exhibits[n].durations.length", number)
    action()
    page.wait_for_function(
        "([n, b]) => qtutor.exhibits[n].durations.length > b", arg=[number, before], timeout=30_000
    )


def click_on_wave(page):
    """Click the first trace of the first figure near x = 2.4; Plotly must notice the pointer first."""
    spot = page.evaluate("""() => {
      const plot = document.querySelector('.js-plotly-plot'), {xaxis: x, yaxis: y} = plot._fullLayout;
      const box = plot.getBoundingClientRect(), i = 31, trace = plot.data[0];
      return [box.x + x._offset + x.d2p(trace.x[i]), box.y + y._offset + y.d2p(trace.y[i])];
    }""")
    page.mouse.move(*spot)
    page.wait_for_function("document.querySelector('.js-plotly-plot')._hoverdata")
    page.mouse.click(*spot)


def frame(page, number, index):
    """The figure at a grid index, decoded by the browser from the page."""
    text = page.evaluate(
        """([n, index]) => JSON.stringify(qtutor.exhibits[n].frame(index),
             (key, v) => ArrayBuffer.isView(v) ? Array.from(v) : v)""",
        [number, index],
    )
    return plain(json.loads(text))


def steps(header):
    """Path of a packed leaf -> (error allowed: 1e-4 of its range over the whole grid, logarithmic or not)."""
    packed = [leaf for leaf in header["leaves"] if isinstance(leaf["items"], dict)]
    return {
        tuple(leaf["path"]): (1e-4 * leaf["items"]["step"] * (GAP - 1), leaf["items"]["log"])
        for leaf in packed
    }


def assert_same_figure(decoded, figure, allowed):
    """`decoded` is `figure` to within 1e-4 of the range of each array, and to seven digits elsewhere."""
    for path, (got, wanted) in leaves([decoded, plain(figure.to_plotly_json())]):
        if "template" in path or "uid" in path:
            continue
        if isinstance(wanted, np.ndarray) and wanted.size:
            assert np.shape(got) == wanted.shape, path
            tolerance, log = allowed.get(path, (1e-6 * np.nanmax(np.abs(wanted)), False))
            if log:
                wanted = np.where(wanted > 0, wanted, np.nan)
                got, wanted = np.log(got), np.log(wanted)
            np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance, err_msg=str(path))
        elif isinstance(wanted, float):
            np.testing.assert_allclose(got, wanted, rtol=1e-6, err_msg=str(path))
        elif wanted is None or len(np.atleast_1d(wanted)) == 0:
            assert got is None or len(got) == 0, path
        else:
            assert got == wanted, path


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
