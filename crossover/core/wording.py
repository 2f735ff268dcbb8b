"""Numbers in sentences."""


def counted(count: float, what: str) -> str:
    """Count things: "1 training", "3 trainings"."""
    return f"{int(count):,} {what}{'' if count == 1 else 's'}"
