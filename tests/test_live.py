"""A notebook in JupyterLab with a live kernel: controls move the figure, a click on it moves a control."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

from tests import demo
from tests.browser import click_on_wave
from tests.conftest import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CODE = "import demo\nimport qtutor as qt\n\nqt.explore(demo.figure, start={'angle': 0.5}, **demo.CONTROLS)"
IDLE = """() => {
  const panel = window.jupyterapp && jupyterapp.shell.currentWidget;
  const session = panel && panel.sessionContext && panel.sessionContext.session;
  return session && session.kernel && session.kernel.status === "idle";
}"""
LINE = "() => document.querySelector('.js-plotly-plot').data[0].y.join()"
NAMES = "() => document.querySelector('.js-plotly-plot').layout.xaxis.title.text"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab on 127.0.0.1 with a notebook in it; its address and token."""
    pytest.importorskip("jupyterlab")
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(demo.__file__, folder / "demo.py")
    cells = [nbformat.v4.new_code_cell(CODE)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "demo.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port, token = free.getsockname()[1], secrets.token_hex(16)
    settings = {f"JUPYTER{n}_DIR": str(folder / n) for n in ("_CONFIG", "LAB_SETTINGS", "LAB_WORKSPACES")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}", "--LabApp.news_url="]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with open(folder / "server.log", "w") as log:
        environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT), "QTUTOR_STATIC": ""}
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{address}/api", timeout=1).close()
            break
        assert server.poll() is None, (folder / "server.log").read_text()
        time.sleep(0.5)
    yield address, token
    server.terminate()
    server.wait(30)


def test_notebook_in_jupyterlab(lab, chromium):
    address, token = lab
    context = chromium.new_context(viewport={"width": 1300, "height": 1300})
    elsewhere = []

    def route(request):
        if request.request.url.startswith((address, "data:", "blob:")):
            return request.continue_()
        elsewhere.append(request.request.url)
        return request.abort()

    context.route("**/*", route)
    tab = context.new_page()
    tab.goto(f"{address}/lab/tree/demo.ipynb?reset&token={token}")
    tab.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=90_000)
    tab.wait_for_function(IDLE, timeout=90_000)
    tab.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
    tab.wait_for_selector(".js-plotly-plot .main-svg", timeout=90_000)
    assert tab.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0

    # the slider moves the figure: another curve, another axis title, another caption
    before = tab.evaluate(LINE)
    tab.locator(".noUi-handle").first.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function(f"old => ({LINE})() !== old", arg=before, timeout=15_000)
    tab.wait_for_function(f"() => ({NAMES})() === 'x times 2'", timeout=15_000)
    tab.get_by_text(demo.figure(1.0).layout.meta["alt"]).wait_for(timeout=15_000)
    assert tab.locator(".widget-readout").first.inner_text() == "1"
    wanted = demo.figure(1.0).data[0].y
    drawn = [float(v) if v else None for v in tab.evaluate(LINE).replace("NaN", "").split(",")]
    assert drawn == [None if v != v else pytest.approx(float(v)) for v in wanted]

    # a click on the curve moves the slider to the nearest value
    click_on_wave(tab)
    tab.get_by_text(demo.figure(2.5).layout.meta["alt"]).wait_for(timeout=15_000)
    assert tab.locator(".widget-readout").first.inner_text() == "2.5"
    assert elsewhere == []
    context.close()
