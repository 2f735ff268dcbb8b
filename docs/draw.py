"""Draw the workflow's rules and the library's packages from the code: `make pictures`.

Writes docs/workflow.svg, from `snakemake --rulegraph` of the three studies, and docs/packages.svg, from the import
statements. An arrow is left out where others lead the same way.
"""

from __future__ import annotations

import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import matplotlib
import networkx as nx
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.test_rooms import LIBRARY, MAY_IMPORT, imported

FOLDER = Path(__file__).parent
STUDIES = "uterus,nasopharynx,prostate"
COLUMN, ROW, HEIGHT = 1.32, 0.62, 0.3
"""Distances of boxes, and their height, in inches."""
BACK = ("selection", "train")
"""Candidates are trained before a network is selected, and the strategies with it after: this arrow goes back."""
RC = {"font.family": "DejaVu Sans", "font.size": 8, "svg.fonttype": "none", "svg.hashsalt": "0"}


def rules() -> nx.DiGraph:
    """Return the rules that the three studies need, each with an arrow to those that read its outputs."""
    call = [
        sys.executable,
        "-m",
        "snakemake",
        "--rulegraph",
        "dot",
        "--config",
        f"studies={STUDIES}",
    ]
    dot = subprocess.run([*call, "scale=smoke"], cwd=FOLDER.parent, check=True, capture_output=True, text=True).stdout
    names = dict(re.findall(r'(\d+)\[label = "(\w+)"', dot))
    arrows = re.findall(r"(\d+) -> (\d+)", dot)
    return nx.DiGraph((names[a], names[b]) for a, b in arrows if a != b)


def packages() -> nx.DiGraph:
    """Return the packages of the library, each with an arrow to those that import it."""
    graph = nx.DiGraph()
    graph.add_nodes_from(MAY_IMPORT)
    for package in MAY_IMPORT:
        names = {n.split(".")[1] for p in (LIBRARY / package).rglob("*.py") for _, n in imported(p)}
        graph.add_edges_from((name, package) for name in sorted(names - {package}))
    return graph


def draw(graph: nx.DiGraph) -> Figure:
    """Draw a graph from the top to the bottom, each node below all that lead to it; `BACK` is dashed."""
    back = [BACK] if graph.has_edge(*BACK) else []
    graph = nx.transitive_reduction(nx.restricted_view(graph, [], back))
    place, ways = layout(graph)
    xs, ys = zip(*place.values())
    left, wide, deep = min(xs) - COLUMN / 2, max(xs) - min(xs) + COLUMN, max(ys) + ROW
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(wide, deep))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(left, left + wide), ylim=(deep - ROW / 2, -ROW / 2))
        axes.axis("off")
        for a, b in sorted(graph.edges):
            _arrow(axes, [place[a], *(place[point] for point in ways[a, b]), place[b]])
        for a, b in back:
            _arrow(axes, [place[a], place[b]], linestyle="--", connectionstyle="arc3,rad=0.3")
        for name in sorted(graph):
            box = {"boxstyle": "round,pad=0.45", "facecolor": "#eef3f8", "edgecolor": "#4a6785"}
            axes.text(*place[name], name, ha="center", va="center", bbox=box)
    return figure


def _arrow(axes: Axes, points: list[tuple[float, float]], **look: str) -> None:
    """Draw an arrow from the edge of the first box to that of the last, through the points between."""
    (x0, y0), *between, (x1, y1) = points
    down = HEIGHT / 2 if y1 > y0 else -HEIGHT / 2
    begin = [(x0, y0 + down), *between]
    colour = "#8a97a6"
    axes.plot(*zip(*begin), color=colour, linewidth=0.9, solid_joinstyle="round")
    arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 1}
    axes.annotate("", (x1, y1 - down), begin[-1], arrowprops={**arrow, **look})


def layout(graph: nx.DiGraph) -> tuple[dict, dict]:
    """Return where each node stands in inches, and the points between boxes that a long arrow goes through.

    A row for each generation of nodes; in it each stands in the order of the middle of what leads to it.
    """
    rows: list[list] = [sorted(row) for row in nx.topological_generations(graph)]
    depth = {name: k for k, row in enumerate(rows) for name in row}
    ways = {(a, b): [(a, b, k) for k in range(depth[a] + 1, depth[b])] for a, b in graph.edges}
    before = {name: sorted(graph.pred[name]) for name in graph}
    for (a, b), points in ways.items():
        for point, last in zip(points, [a, *points]):
            rows[point[2]].append(point)
            before[point] = [last]
        before[b] = [points[-1] if points and name == a else name for name in before[b]]
    place: dict = {}
    for k, row in enumerate(rows):
        middle = {n: sum(place[p][0] for p in before[n]) / max(1, len(before[n])) for n in row}
        row.sort(key=lambda n: (middle[n], str(n)))
        widths = [COLUMN if isinstance(n, str) else COLUMN / 4 for n in row]
        x = -sum(widths) / 2
        for name, width in zip(row, widths):
            place[name] = (x + width / 2, k * ROW)
            x += width
    return place, ways


def pictures() -> dict[Path, str]:
    """Return the text of each picture by its file."""
    out = {}
    for name, graph in (("workflow", rules()), ("packages", packages())):
        path = FOLDER / f"{name}.svg"
        out[path] = _svg(draw(graph))
    return out


def _svg(figure: Figure) -> str:
    with matplotlib.rc_context(RC):
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


if __name__ == "__main__":
    for file, drawn in pictures().items():
        file.write_text(drawn)
