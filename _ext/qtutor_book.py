"""The built book needs no network and no kernel, and knows its own address from pyproject.toml."""

import hashlib
import importlib.util
import os
import re
import shutil
import tomllib
from pathlib import Path

FIGURE = 'class="qt-figure"'


def configure(app, config):
    """Fill in what _config.yml cannot know: the address, the assets, a cache per version of the package."""
    root = Path(app.srcdir)
    project = tomllib.loads((root / "pyproject.toml").read_text("utf8"))["project"]
    address = project["urls"]["Repository"].rstrip("/")
    config.html_theme_options.update(
        repository_url=address,
        repository_branch="main",
        use_repository_button=True,
        use_issues_button=True,
    )
    owner = address.removeprefix("https://github.com/")
    config.myst_substitutions = {
        "repository": address,
        "binder": f"https://mybinder.org/v2/gh/{owner}/main?urlpath=lab/tree/book/welcome.ipynb",
        **config.myst_substitutions,
    }
    # plotly.min.js is that of the installed plotly, so that it draws what the figures mean
    plotly = Path(importlib.util.find_spec("plotly").origin).parent / "package_data" / "plotly.min.js"
    config.html_static_path += [str(root / "assets"), str(root / "qtutor" / "browser"), str(plotly)]
    # jupyter-cache looks at the notebooks alone: a change of the package must run them again
    state = hashlib.sha256()
    for file in sorted((root / "qtutor").rglob("*.py")):
        state.update(file.read_bytes())
    build = Path(app.outdir).parent
    config.nb_execution_cache_path = str(build / f".jupyter_cache-{state.hexdigest()[:12]}")
    for old in build.glob(".jupyter_cache-*"):
        if not str(old).startswith(config.nb_execution_cache_path):
            shutil.rmtree(old)


def scripts_of_page(app, pagename, templatename, context, doctree):
    """Load plotly and explore.js where a figure stands, and nothing twice."""
    if FIGURE in (context.get("body") or ""):
        app.add_js_file("explore.js", priority=200, loading_method="defer")
        app.add_js_file("plotly.min.js", priority=201, loading_method="defer")
    if 'class="qt-steer"' in (context.get("body") or ""):
        app.add_js_file("scheme.js", priority=202, loading_method="defer")
        app.add_js_file("steer.js", priority=203, loading_method="defer")


def prune_scripts(app, pagename, templatename, context, doctree):
    """Drop duplicates, and the scripts for Thebe and ipywidgets, which ask other servers."""
    kept = {}
    for script in context.get("script_files", []):
        name, body = str(getattr(script, "filename", script) or ""), script.attributes.get("body") or ""
        if "thebe" not in (name + body).lower() and not re.match("https?:", name):
            kept.setdefault((name, body), script)
    context["script_files"] = list(kept.values())


def finish(app, error):
    """Drop font preloads, which fail from file://; mend the bibliography's roles and the root's redirect."""
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for page in out.rglob("*.html"):
        text = page.read_text("utf8")
        clean = re.sub(r'<link rel="preload" as="font"[^>]*>\s*', "", text)
        clean = clean.replace('role="doc-biblioentry"', 'role="listitem"')  # what a role="list" may hold
        clean = clean.replace(' aria-label="Toggle hidden content"', "")  # hides the words that are to be seen
        wide = '<div class="pst-scrollable-table-container"'  # a keyboard has to reach it to scroll it
        clean = clean.replace(f"{wide}>", f'{wide} tabindex="0">')
        if clean != text:
            page.write_text(clean, "utf8")
    first, title = f"{app.config.root_doc}.html", app.config.html_title
    (out / "index.html").write_text(
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="refresh" content="0; url={first}"></head>'
        f'<body><main><h1><a href="{first}">{title}</a></h1></main></body></html>',
        "utf8",
    )


def setup(app):
    """Sphinx calls this once, before any notebook runs."""
    os.environ["QTUTOR_STATIC"] = "1"  # qtutor.explore writes page elements instead of widgets
    app.add_css_file("book.css")
    app.connect("config-inited", configure, priority=100)
    app.connect("html-page-context", scripts_of_page, priority=400)
    app.connect("html-page-context", prune_scripts, priority=950)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
