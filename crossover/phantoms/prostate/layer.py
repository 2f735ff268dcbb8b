"""What is painted where."""

from dataclasses import dataclass

from crossover.phantoms.kit.canvas import Canvas
from crossover.phantoms.kit.shapes import Shape
from crossover.phantoms.prostate.tissues import Signals, Tissue


@dataclass(frozen=True)
class Coat:
    """One tissue of a layer."""

    tissue: Tissue
    by_mm: float = 0  # where it ends, outside of the layer's surface
    uneven: float = 0  # share of the signal that the texture moves it by, for one SD
    fine: bool = False  # which texture: the gland's, of some mm, or the coarse one


@dataclass(frozen=True)
class Layer:
    """A shape in one or more coats of paint, the outermost first."""

    shape: Shape
    coats: tuple[Coat, ...]

    def paint(self, coarse: Canvas, fine: Canvas, signals: Signals) -> None:
        """Paint the layer on two canvases that share their samples.

        The distance, which takes the time, is found once.
        """
        if len(self.coats) == 1 and not self.coats[0].by_mm:  # a union part by part
            (coat,), value = self.coats, signals[self.coats[0].tissue]
            (fine if coat.fine else coarse).paint(self.shape, value, coat.uneven * value)
            return
        low, high = self.shape.bounds()
        reach = coarse.edge_mm / 2 + max(coat.by_mm for coat in self.coats)
        box = coarse.field.box(low - reach, high + reach)
        if box is None:
            return
        distance = self.shape.distance(coarse.field.points(box))
        for coat in self.coats:
            value = signals[coat.tissue]
            canvas = fine if coat.fine else coarse
            canvas.fill(distance - coat.by_mm, box, value, coat.uneven * value)


def layer(shape: Shape, tissue: Tissue, uneven: float = 0, fine: bool = False) -> Layer:
    """Return a shape in one coat."""
    return Layer(shape, (Coat(tissue, 0, uneven, fine),))
