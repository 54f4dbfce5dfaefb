"""How long a page takes: words to read, seconds its code took in this build, below the title of each chapter."""

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector

WORDS_PER_MINUTE = 150  # slower than a novel: there are formulas to look at and sliders to move


def minutes(env, docname):
    """Return the reading time of a page in minutes, from the words of its paragraphs, lists and tables."""
    texts = env.get_doctree(docname).findall(nodes.Text)
    words = sum(len(text.split()) for text in texts if not isinstance(text.parent, (nodes.literal_block, nodes.raw)))
    return max(1, round(words / WORDS_PER_MINUTE))


def seconds(env, docname):
    """Return how long the code of a page ran, or None for a page without code."""
    record = NbMetadataCollector.get_exec_data(env, docname)
    return record["runtime"] if record else None


def add_times(app, pagename, templatename, context, doctree):
    """Write the times below the title; the first page also names those of the whole book."""
    if doctree is None or seconds(app.env, pagename) is None:
        return
    note = f"{minutes(app.env, pagename)} min to read · {seconds(app.env, pagename):.0f} s to run"
    if pagename == app.config.root_doc:
        pages = [doc for doc in app.env.found_docs if seconds(app.env, doc) is not None]
        note += (f" · all {len(pages)} chapters: {sum(minutes(app.env, doc) for doc in pages)} min to read, "
                 f"{sum(seconds(app.env, doc) for doc in pages):.0f} s to run")
    line = f'</h1>\n<p class="qt-times">{note} (measured in this build)</p>'
    context["body"] = context["body"].replace("</h1>", line, 1)


def setup(app):
    """Sphinx calls this once."""
    app.connect("html-page-context", add_times, priority=300)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
