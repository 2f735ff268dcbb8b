"""A number as a paper prints it: its digits tell how far rounding may have moved it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from pydantic_core import CoreSchema, core_schema

from crossover.core.configuration import Loader, read_yaml


class Printed(float):
    """A float that keeps its digits: 0.70 has two decimals, 0.7 one.

    `text` is what the paper prints, and `power` that of ten by which the number was multiplied since (`times`).
    """

    text: str
    power: int

    def __new__(cls, value: str | float) -> Printed:
        """Read a number with its digits; a float has those of its shortest text."""
        return value.at(value) if isinstance(value, Printed) else cls._of(float(value), str(value), 0)

    @classmethod
    def _of(cls, value: float, text: str, power: int) -> Printed:
        number = super().__new__(cls, value)
        number.text, number.power = text, power
        return number

    @property
    def _exponent(self) -> int:
        exponent = Decimal(self.text).scaleb(self.power).as_tuple().exponent
        assert isinstance(exponent, int), "a printed number is finite"
        return exponent

    @property
    def decimals(self) -> int:
        """The number of printed decimals."""
        return max(0, -self._exponent)

    @property
    def half_unit(self) -> float:
        """Half a unit of the last printed digit, the most that rounding moves a number."""
        return 0.5 * 10.0**self._exponent

    def times(self, power: int) -> Printed:
        """Return the number times a power of ten, with the same digits and text: 0.84 as 84 per cent."""
        power += self.power
        return self._of(float(Decimal(self.text).scaleb(power)), self.text, power)

    def at(self, value: float) -> Printed:
        """Return another number that is printed with the same digits."""
        return self._of(value, self.text, self.power)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._checked, json_schema_input_schema=core_schema.float_schema()
        )

    @classmethod
    def _checked(cls, value: object) -> Printed:
        if isinstance(value, bool) or not isinstance(value, int | float):
            below = isinstance(value, str) and value.lstrip().startswith("<")
            hint = (
                "; of a p that is only said to be below a number, write the number, and p_below: true" if below else ""
            )
            raise ValueError(f"a number is needed, not {value!r}{hint}")
        return cls(value)


class _Loader(Loader):
    """Keeps the digits of decimal numbers."""


_Loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: Printed(node.value))


def read_printed(path: Path) -> dict:
    """Read a YAML file whose decimal numbers become `Printed`.

    Raises:
        ConfigError: as `config.read_yaml`.
    """
    return read_yaml(path, _Loader)
