"""The directive ``drawn``: a figure made, when the documents are built, by the code on the page.

    ```{drawn} What the picture shows, for who does not see it.
    plots.SignalDisplay.from_report(report)
    ```

The ``python`` and ``drawn`` blocks of a page are one session, run in order in an empty directory. The last expression
of a ``drawn`` block is a display of :mod:`initcore.plots` or a matplotlib figure.
"""

import ast
import contextlib
import io
import re
import tempfile
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

from initcore import plots

BLOCK = re.compile(r"^```(python|\{drawn\} [^\n]*)\n(.*?)^```$", re.S | re.M)


def blocks(text):
    """The code of a page: (is it a figure's?, the code), in order."""
    return [(kind != "python", code) for kind, code in BLOCK.findall(text)]


def value_of(code, names):
    """Run a block; what its last expression gives."""
    tree = ast.parse(code)
    last = tree.body.pop()
    exec(compile(tree, "<page>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<page>", "eval"), names)


def drawn(thing):
    """The figure of a display, drawn now where it was not, or the figure itself."""
    if isinstance(thing, plots.Display):
        thing = (thing if thing.figure_ is not None else thing.plot()).figure_
    return thing


class Session:
    """One page's blocks, run up to where they are wanted."""

    def __init__(self, text):
        self.left, self.names, self.count = blocks(text), {"__name__": "__main__"}, 0
        self.folder = tempfile.mkdtemp()

    def next_figure(self):
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(io.StringIO()):
            while self.left:
                figure, code = self.left.pop(0)
                if figure:
                    self.count += 1
                    return drawn(value_of(code, self.names))
                exec(compile(code, "<page>", "exec"), self.names)
        raise RuntimeError("the page has no further figure")


class Drawn(Directive):
    """Code, and the picture it draws."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        env = self.state.document.settings.env
        sessions = env.temp_data
        if "drawn" not in sessions:
            sessions["drawn"] = Session(Path(env.doc2path(env.docname)).read_text(encoding="utf-8"))
        session = sessions["drawn"]
        figure = session.next_figure()
        folder = Path(env.srcdir) / "_drawn"
        folder.mkdir(exist_ok=True)
        name = f"{env.docname.replace('/', '-')}-{session.count}.svg"
        plots.save(figure, folder / name, facecolor="white")
        code = "\n".join(self.content)
        return [nodes.literal_block(code, code, language="python"),
                nodes.image(uri=f"/_drawn/{name}", alt=self.arguments[0])]


def setup(app):
    app.add_directive("drawn", Drawn)
    return {"parallel_read_safe": True, "version": "1"}
