"""One look for every figure: the theme, colours, markers, names of things, and deterministic files.

The theme is seaborn's "ticks" in the context "paper", with the journals' sizes of `RC`. A figure is a
`matplotlib.figure.Figure` made without pyplot, so that drawing leaves no global state
behind, at the width at which it is printed: 85 mm (column) or 174 mm (page). seaborn draws into its axes: points with
intervals (`pointplot`), cases, curves, bars and heatmaps.
"""

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from matplotlib.transforms import Bbox
from matplotlib.typing import ColorType

from crossover.networks import architectures, declared
from crossover.statistics.scores.intervals import mean_interval
from crossover.statistics.scores.metrics_table import POOLED
from crossover.statistics.scores.scales import KNOWN, scale
from crossover.study.families import families, references
from crossover.study.schema import Study

COLUMN_MM, PAGE_MM = 85.0, 174.0
LABEL_MM = 6.0  # of a structure above its part of a figure
DPI = 300
RASTERISED = 3000
"""The number of points of one kind above which a vector file holds them as an image, which is smaller and drawn
sooner."""

INK, MUTED, RULE, BAND = "#1a1a1a", "#5f6368", "#d0d4d9", "#f5f6f7"
OKABE_ITO = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6e6e6e", "#000000"]
MARKERS = ["D", "o", "s", "^", "v", "P", "X", "<", ">"]  # no two that are alike at 4 points
REFERENCE_LINE = (0, (1, 2))
LINES = [
    (0, ()),
    (0, (5, 1.5)),
    (0, (3, 1, 1, 1)),
    (0, (2, 1)),
    (0, (6, 1, 1, 1, 1, 1)),
    (0, (8, 2)),
]

ARCHITECTURES = {
    "unet": "U-Net",
    "unetplusplus": "U-Net++",
    "manet": "MA-Net",
    "deeplabv3": "DeepLabV3",
    "deeplabv3plus_xception": "DeepLabV3+ (Xception)",
    "resnet101_cascaded": "ResNet-101 with cascaded atrous convolution",
    "nnunet": "nnU-Net",
    "segresnet": "SegResNet",
    "dynunet": "DynUNet",
}
"""The labels of this library's networks. Not in their files: with a change there each is trained again."""
ENCODERS = {
    r"efficientnet-(b\d)": "EfficientNet-{}",
    r"efficientnet_lite(\d)": "EfficientNet-Lite{}",
    r"resnet(\d+)": "ResNet-{}",
    r"mobilenet_(v\d)": "MobileNet{}",
}

MARK = {"markeredgecolor": INK, "markeredgewidth": 0.4, "linestyles": "none", "legend": False}
"""How seaborn's `pointplot` draws marks that no line joins; figures draw their own legends."""

GIVEN = {"estimator": "median", "errorbar": ("pi", 100)}
"""The point and the interval that `with_interval` gave: the middle one of three values, and their range."""

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib brings it along: the same glyphs on every machine
    "font.size": 7.5,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "legend.frameon": False,
    "text.parse_math": False,  # names are text, whatever signs they have
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=OKABE_ITO),
    "grid.color": "#e6e8eb",
    "grid.linewidth": 0.6,
    "lines.markersize": 4,
    "patch.force_edgecolor": False,
    "lines.solid_capstyle": "butt",  # a bar ends where its interval ends
    "svg.fonttype": "path",  # text as outlines: a reader's fonts change nothing
    "svg.hashsalt": "crossover",
    "pdf.fonttype": 42,  # TrueType, which journals ask for: text stays text
}

OTHER_LETTERS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "Droid Sans Fallback",
    "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai",
)  # fmt: skip
"""Fonts for what the first one lacks, of those that a machine has: only names in these letters come to depend on it."""
WITHOUT = re.compile(r"Glyph (\d+) .* missing from font")
PLACE_DIGITS = 12
"""The decimals of places, which are shares of a figure's width and height: far below what is printed, far above the
last bits."""

UNTIMED = {"svg": {"Date": None}, "png": {"Software": None}, "pdf": {"CreationDate": None}}
"""Suffix of a figure's files -> metadata without what differs between equal runs."""


@cache
def theme() -> dict[Any, Any]:
    """Return every setting of matplotlib under which figures are drawn, whatever the caller's settings are."""
    import seaborn as sns  # here, since reports read the names of things and draw nothing
    from matplotlib.font_manager import get_font_names

    ours = sns.axes_style("ticks") | sns.plotting_context("paper") | RC
    there = set(get_font_names())
    fonts = [RC["font.family"], *(name for name in OTHER_LETTERS if name in there)]
    # a font of other letters that has no bold ones would be told of before each answer
    logging.getLogger("matplotlib.font_manager").addFilter(lambda record: "font weight" not in record.getMessage())
    return {**matplotlib.rcParamsDefault, **ours, "font.family": fonts, "backend": "agg"}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Wrap a function that draws, so that it draws under the `theme`.

    Letters that no font has are told when a figure is saved, not where its texts are measured.
    """

    @wraps(draw)
    def wrapped(*args: Any, **kwargs: Any) -> Figure:
        with matplotlib.rc_context(theme()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=WITHOUT.pattern)
            return draw(*args, **kwargs)

    return wrapped


def new_figure(height_mm: float, width_mm: float = PAGE_MM) -> Figure:
    """Return an empty figure at its printed size, laid out so that labels don't overlap."""
    return Figure(figsize=(width_mm / 25.4, height_mm / 25.4), layout="constrained")


@styled
def each_structure(study: Study, draw: Callable[..., Figure]) -> Figure:
    """Return one figure of all structures, one below the other with their labels.

    Args:
        draw: takes a structure and, where there are several structures, `into`, the part of the figure to
            draw in.
    """
    if len(study.structures) == 1:
        return draw(next(iter(study.structures)))
    heights = [draw(structure).get_figheight() * 25.4 + LABEL_MM for structure in study.structures]
    figure = new_figure(sum(heights))
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)
    for part, (structure, about) in zip(parts.flat, study.structures.items(), strict=True):
        draw(structure, into=part)
        part.suptitle(about.label, x=0.01, ha="left", weight="bold")
    return figure


def family_hues(study: Study, names: Sequence[str]) -> dict[str, Any]:
    """Return arguments of seaborn's functions that tell families apart by the column `family`.

    Their markers are a separate argument: see `markers_of`.
    """
    colours = {family: family_colour(study, family) for family in names}
    return {"hue": "family", "hue_order": list(names), "palette": colours}


def markers_of(study: Study, names: Sequence[str]) -> list[str]:
    """Return the families' markers, for seaborn's `pointplot`."""
    return [family_marker(study, family) for family in names]


def with_interval(rows: pd.DataFrame, estimate: str, low: str = "ci_low", high: str = "ci_high") -> pd.DataFrame:
    """Return rows from which `pointplot` with `GIVEN` draws the interval that the table has.

    `pointplot` computes intervals from rows. With `GIVEN` it takes the range of the rows, which is then the
    interval.

    Returns:
        Each row three times; its `estimate` is the interval's low end, the estimate, and the high end.
    """
    parts = [rows.assign(**{estimate: rows[column]}) for column in (low, estimate, high)]
    return pd.concat(parts, ignore_index=True)


def legend_handle(study: Study, family: str, **look: Any) -> Line2D:
    """Return a family's entry in a legend, with its colour, marker and label.

    Args:
        look: further properties of the marks and lines, as `matplotlib.lines.Line2D` takes them.
    """
    ours: dict[str, Any] = {"color": family_colour(study, family), "marker": family_marker(study, family),
            "markeredgecolor": INK, "markeredgewidth": 0.4, "label": family_label(study, family)}  # fmt: skip
    return Line2D([], [], **ours | look)


def legend_below(figure: Figure | SubFigure, handles: Sequence[Artist], most: int | None = None, **look: Any) -> Legend:
    """Draw a legend below a figure, in as many columns as its width has room for.

    Args:
        most: the most columns; None for one for each entry.
        look: further properties of the legend, as `Figure.legend` takes them.
    """
    for columns in range(min(len(handles), most or len(handles)), 1, -1):
        legend = figure.legend(handles=handles, loc="outside lower center", ncols=columns, **look)
        if legend.get_window_extent().width <= figure.bbox.width:
            return legend
        legend.remove()
    return figure.legend(handles=handles, loc="outside lower center", ncols=1, **look)


def mean_interval_of(study: Study) -> Callable[[pd.Series], tuple[np.ndarray, np.ndarray]]:
    """Return a function for the `errorbar` of `pointplot`: the confidence interval of the cases' mean.

    It is the interval that the study's statistics have (`intervals.mean_interval`).
    """
    metric, confidence = study.statistics.metric, study.statistics.confidence

    def interval(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        return mean_interval(values.mean(), values.std(), len(values), confidence, scale(metric))

    return interval


def in_both_directions(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return comparisons of families a and b, and below them the same comparisons of b and a."""
    turned = pairs.assign(
        family_a=pairs["family_b"], family_b=pairs["family_a"], difference=-pairs["difference"],
        ci_low=-pairs["ci_high"], ci_high=-pairs["ci_low"],
    )  # fmt: skip
    return pd.concat([pairs, turned])


def score_axis(axes: Axes, study: Study, beyond: float = 0.0) -> None:
    """Let the vertical axis hold the scale of the study's metric: from 0 to 1, of a distance from 0.

    Args:
        axes: with all that is drawn.
        beyond: what is shown beyond the ends of a scale from 0 to 1.
    """
    lowest, highest = scale(study.statistics.metric)
    axes.set_ylim(*((lowest, None) if np.isinf(highest) else (lowest - beyond, highest + beyond)))


def within_scale(axes: Axes, study: Study) -> None:
    """Let a vertical axis that holds what is drawn end at the ends of the metric's scale, but for half a mark."""
    (lowest, highest), (low, high) = scale(study.statistics.metric), axes.get_ylim()
    beyond = 0.03 * (high - low)
    axes.set_ylim(max(low, lowest - beyond), min(high, highest + beyond))


def size_axis(axes: Axes, sizes: Sequence[int]) -> None:
    """Scale the horizontal axis to numbers of training patients (log2), with a tick at each size."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.xaxis.set_minor_locator(NullLocator())


def spacing(figure: Figure, **values: Any) -> None:
    """Set the pads (w_pad, h_pad; inches) and spaces (wspace, hspace; shares of a panel) of a `new_figure`."""
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine), "of a figure by `new_figure`"
    engine.set(**values)


def replicate_points(axes: Axes, x: Any, y: Any, family: str, study: Study) -> None:
    """Draw small marks at the means of a family's replicates.

    Args:
        x, y: one of them is the list of means, the other where they stand.
    """
    xs, ys = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
    axes.plot(xs, ys, marker=family_marker(study, family), color=family_colour(study, family),
              markersize=2, markeredgewidth=0, linestyle="none", zorder=6)  # fmt: skip


def figure_of_text(text: str, into: Figure | None = None) -> Figure:
    """Return a figure with a sentence in place of what it can't show, as where all its trainings failed.

    Args:
        text: says why there is nothing to show.
        into: the part of a figure to write in; a new figure by default.
    """
    figure = into or new_figure(14)
    figure.text(0.5, 0.5, text, ha="center", va="center", color=MUTED)
    return figure


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write `<stem>.svg`, `<stem>.png` (at `DPI`) and `<stem>.pdf`: the same figure gives the same bytes."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = []
    with matplotlib.rc_context(theme()), _told_of_letters(stem.name):
        figure.set_dpi(DPI)
        figure.draw_without_rendering()
        figure.set_layout_engine(None)  # it is laid out, and so for all three
        _round_places(figure)
        for suffix, untimed in UNTIMED.items():
            paths.append(stem.with_name(f"{stem.name}.{suffix}"))
            figure.savefig(paths[-1], dpi=DPI, metadata=untimed)
    return paths


@contextmanager
def _told_of_letters(figure: str) -> Iterator[None]:
    """Say once what letters no font here has, and what to do, where matplotlib warns of each at each turn."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    found = [(w, WITHOUT.match(str(w.message))) for w in caught]
    for warning in (w for w, lacks in found if lacks is None):
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if letters := "".join(sorted({chr(int(lacks[1])) for _, lacks in found if lacks})):
        print(
            f"figure {figure}: no font here has the letters {letters}, which are drawn as boxes; install one that has "
            "them, such as Noto Sans CJK (Debian and Ubuntu: fonts-noto-cjk), and draw it again",
            flush=True,
        )


def _round_places(figure: Figure | SubFigure) -> None:
    """Round the places of subfigures and axes to `PLACE_DIGITS`, in place.

    The layout finds them by sums of floats, whose last bits may differ between equal runs. matplotlib names an SVG's
    clip paths by a digest of every bit, so that the file would differ where nothing that is drawn does.
    """
    for part in figure.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(PLACE_DIGITS))
        _round_places(part)
    for axes in figure.axes:
        if axes.get_axes_locator() is None:  # else another one's place decides
            place = axes.get_position(original=True).get_points().round(PLACE_DIGITS)
            axes.set_position(Bbox(place))


def family_colour(study: Study, family: str) -> str:
    """Return the study's colour of a family or its strategy, else one that colour-blind readers can tell apart.

    Another tool's model (`crossover score`) is drawn in ink.
    """
    colours = study.figures.colours
    known = families(study)
    if family in colours:
        return colours[family]
    if family not in known:
        return INK
    strategy = known[family].strategy
    siblings = [f.name for f in known.values() if f.strategy == strategy]
    if strategy in colours:
        return _lighter(colours[strategy], siblings.index(family) / len(siblings))
    free = [c for c in OKABE_ITO if c not in colours.values()] or OKABE_ITO
    unnamed = [f for f in known if f not in colours and known[f].strategy not in colours]
    turn, place = divmod(unnamed.index(family), len(free))
    return _lighter(free[place], 1 - 2.0**-turn) if turn else free[place]


def _lighter(colour: str, share: float) -> str:
    mixed = [round(255 * (c + (1 - c) * share)) for c in to_rgb(colour)]
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def cohort_colour(study: Study, cohort: str) -> str:
    """Return a cohort's colour in figures where cohorts, not families, are told apart."""
    return OKABE_ITO[list(study.cohorts).index(cohort) % len(OKABE_ITO)]


def readable_on(colour: ColorType) -> str:
    """Return ink or white, whichever has the higher contrast on a colour (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # against white (1.05 / (l + 0.05)) and against ink, whose luminance is 0.01
    return "white" if (luminance + 0.05) ** 2 < 1.05 * 0.06 else INK


def family_marker(study: Study, family: str) -> str:
    """Return the marker that goes with the family's colour; another tool's model has the one after the study's last."""
    known = list(families(study))
    return MARKERS[(known.index(family) if family in known else len(known)) % len(MARKERS)]


def family_line(study: Study, family: str) -> tuple:
    """Return the line style of a family: dotted without sizes, else the next one in the order of the study.

    Another tool's model has the one after the study's last.
    """
    if family in references(study):
        return REFERENCE_LINE
    sized = [f.name for f in families(study).values() if f.sized]
    return LINES[(sized.index(family) if family in sized else len(sized)) % len(LINES)]


def family_label(study: Study, family: str) -> str:
    """Return the strategy's label at the family's level (`Strategy.label_at`); another tool's model keeps its name."""
    known = families(study).get(family)
    return family if known is None else study.strategies[known.strategy].label_at(known.level or "")


def test_sets(study: Study) -> list[str]:
    """Return every cohort's name, then `POOLED` for all of them together where there are several."""
    return [*study.cohorts, POOLED] if len(study.cohorts) > 1 else list(study.cohorts)


def test_set_label(study: Study, test_set: str) -> str:
    """Return the cohort's label, or "All"."""
    return "All" if test_set == POOLED else study.cohorts[test_set].label


def architecture_label(name: str) -> str:
    """Return the label of an architecture: "U-Net++" for "unetplusplus", else the LABEL of its file.

    A name that isn't known stays.
    """
    known = ARCHITECTURES.get(name)
    return known or (declared(name).label if name in architectures() else name)


def encoder_label(name: str) -> str:
    """Return the label of an encoder: "EfficientNet-B3" for "efficientnet-b3". A name that isn't known stays."""
    short = name.removeprefix("timm-").removeprefix("tf_")
    for pattern, label in ENCODERS.items():
        if found := re.fullmatch(pattern, short):
            return label.format(found[1].upper())
    return name


def weights_label(kind: str) -> str:
    """Return the label of the weights that a training began with: "ImageNet", "random"."""
    return {"imagenet": "ImageNet"}.get(kind, kind)


def metric_label(metric: str) -> str:
    """Return the label of a metric, as "DSC, slices with the structure"; an unknown metric keeps its name."""
    return KNOWN[metric].label if metric in KNOWN else metric


for _function in (test_sets, test_set_label):
    vars(_function)["__test__"] = False  # not tests, whatever their names begin with
