"""Numbers in sentences."""


def counted(count: float, what: str) -> str:
    """Count things: "1 training", "3 trainings"."""
    return f"{int(count):,} {what}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """Round a time (s) in the unit that suits: "0.4 s", "45 s", "12 min", "3.5 h", "1,200 h"."""
    if seconds < 90:
        return f"{seconds:.{0 if seconds >= 1 else 1}f} s"
    hours = seconds / 3600
    return f"{seconds / 60:.0f} min" if hours < 1.5 else f"{hours:,.{0 if hours >= 10 else 1}f} h"
