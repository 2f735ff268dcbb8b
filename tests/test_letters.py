"""Names in letters that the figures' own font lacks: drawn by a font that has them, or told what to install."""

import matplotlib
import pytest

from crossover.analyses.figures import style

UTERUS = "子宫"


def figure_with(text: str):
    with matplotlib.rc_context(style.theme()):
        figure = style.new_figure(20, style.COLUMN_MM)
        figure.text(0.5, 0.5, text)
    return figure


@pytest.mark.parametrize(("text", "told"), [("Zervix, шейка, τράχηλος, ± Å", False), (UTERUS, True)])
def test_letters_without_a_font_are_named_once(text, told, tmp_path, capsys, monkeypatch, recwarn):
    own = {**style.theme(), "font.family": ["DejaVu Sans"]}
    monkeypatch.setattr(style, "theme", lambda: own)
    style.save(figure_with(text), tmp_path / "flow")
    said = capsys.readouterr().out
    assert said.count("figure flow: no font here has the letters") == told
    assert not told or (set(UTERUS) <= set(said) and "fonts-noto-cjk" in said)
    assert not [w for w in recwarn if "missing from font" in str(w.message)]


def test_measuring_texts_while_a_figure_is_drawn_tells_nothing(monkeypatch, recwarn):
    """A picture of the cohorts measures each label, and matplotlib warned of each letter at each turn."""
    own = {**style.theme(), "font.family": ["DejaVu Sans"]}
    monkeypatch.setattr(style, "theme", lambda: own)

    @style.styled
    def measured():
        figure = figure_with(UTERUS)
        figure.texts[0].get_window_extent()
        return figure

    measured()
    assert not [w for w in recwarn if "missing from font" in str(w.message)]


def test_fonts_that_a_machine_has_come_after_the_one_that_all_have(monkeypatch):
    there = ["Noto Sans CJK SC", "Comic Sans MS", "DejaVu Sans"]
    monkeypatch.setattr("matplotlib.font_manager.get_font_names", lambda: there)
    style.theme.cache_clear()
    try:
        assert style.theme()["font.family"] == ["DejaVu Sans", "Noto Sans CJK SC"]
    finally:
        style.theme.cache_clear()
