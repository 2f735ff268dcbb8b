"""What commands print as tables: nothing is cut short, on narrow terminals or in files."""

from __future__ import annotations

import os
import sys
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

WIDTH_OF_FILES = 140
"""Characters of a line where no terminal has a width, in place of rich's 80."""


class Table(RichTable):
    """A table whose cells go on in the next line where they are too wide: a key or path cut short names nothing."""

    def __init__(self, *headers: str, **options: Any) -> None:
        super().__init__(*headers, **options)
        for column in self.columns:
            column.overflow = "fold"


def stdout_console() -> Console:
    """Return the console of standard output."""
    has_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if has_width else WIDTH_OF_FILES)
