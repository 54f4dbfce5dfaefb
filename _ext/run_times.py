"""What a page costs: minutes to read, seconds and memory to run, measured in this build.

A line below the title of each chapter, and the table on the page of run times.
"""

import hashlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

import nbformat
from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector

WORDS_PER_MINUTE = 150  # slower than a novel: there are formulas to look at and sliders to move
PLACE = '<div class="qt-run-times"></div>'
WATCH = '''"""Written by the build: after each cell, note the largest memory of this kernel so far."""
import hashlib, json, os, resource, sys
from pathlib import Path

def note(result, shell=get_ipython()):
    first = hashlib.sha256(shell.history_manager.input_hist_raw[1].strip().encode()).hexdigest()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    (Path(os.environ["QTUTOR_PEAKS"]) / first).write_text(json.dumps(peak))

get_ipython().events.register("post_run_cell", note)
'''


def watch_kernels(app, config):
    """Let every kernel of this build run WATCH first, from an IPython folder of its own."""
    build = Path(app.outdir).resolve().parent
    startup = build / ".ipython" / "profile_default" / "startup"
    peaks = Path(f"{config.nb_execution_cache_path}-peaks").resolve()
    for folder in (startup, peaks):
        folder.mkdir(parents=True, exist_ok=True)
    (startup / "watch.py").write_text(WATCH if os.name == "posix" else "", "utf8")
    os.environ.update(IPYTHONDIR=str(build / ".ipython"), QTUTOR_PEAKS=str(peaks))


def minutes(env, docname):
    """Return the reading time of a page in minutes, from the words of its paragraphs, lists and tables."""
    texts = env.get_doctree(docname).findall(nodes.Text)
    words = sum(len(text.split()) for text in texts if not isinstance(text.parent, (nodes.literal_block, nodes.raw)))
    return max(1, round(words / WORDS_PER_MINUTE))


def seconds(env, docname):
    """Return how long the code of a page ran, or None for a page without code."""
    record = NbMetadataCollector.get_exec_data(env, docname)
    return record["runtime"] if record else None


def megabytes(env, docname):
    """Return the peak memory of a page's kernel, or None where it was not measured."""
    cells = nbformat.read(env.doc2path(docname), as_version=4).cells
    first = next(cell.source for cell in cells if cell.cell_type == "code")
    record = Path(os.environ["QTUTOR_PEAKS"]) / hashlib.sha256(first.strip().encode()).hexdigest()
    return json.loads(record.read_text("utf8")) / 1e6 if record.exists() else None


def table(env, pages):
    """Return the page of run times as HTML."""
    rows, total = [], [0, 0.0]
    for page in pages:
        cost = minutes(env, page), seconds(env, page)
        total = [sum(pair) for pair in zip(total, cost)]
        peak = megabytes(env, page)
        memory = f"{peak:.0f} MB" if peak else "–"
        rows.append((env.titles[page].astext(), f"{cost[0]} min", f"{cost[1]:.1f} s", memory))
    rows.append(("all chapters", f"{total[0]} min", f"{total[1]:.1f} s", ""))
    head = "".join(f'<th scope="col">{name}</th>' for name in ("page", "to read", "to run", "peak memory"))
    body = "".join(f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>"
                   for row in rows)
    tools = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "numba", "plotly", "jupyter-book"))
    return (f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n'
            f"<p>{platform.system()} on {platform.machine()}, {os.cpu_count()} processor cores, "
            f"Python {platform.python_version()}, {tools}.</p>")


def add_times(app, pagename, templatename, context, doctree):
    """Write the times where they belong; the first page also names those of the whole book."""
    if doctree is None:
        return
    env = app.env
    pages = [page for page in [app.config.root_doc, *env.toctree_includes.get(app.config.root_doc, [])]
             if seconds(env, page) is not None]
    if PLACE in context["body"]:
        context["body"] = context["body"].replace(PLACE, table(env, pages))
    if pagename in pages:
        note = f"{minutes(env, pagename)} min to read · {seconds(env, pagename):.0f} s to run"
        if pagename == app.config.root_doc:
            note += (f" · all {len(pages)} chapters: {sum(minutes(env, page) for page in pages)} min to read, "
                     f"{sum(seconds(env, page) for page in pages):.0f} s to run")
        line = f'</h1>\n<p class="qt-times">{note} (measured in this build)</p>'
        context["body"] = context["body"].replace("</h1>", line, 1)


def setup(app):
    """Sphinx calls this once."""
    app.connect("config-inited", watch_kernels, priority=200)  # after qtutor_book has named the cache
    app.connect("html-page-context", add_times, priority=300)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
