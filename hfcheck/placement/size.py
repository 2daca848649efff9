"""Bytes as people say them: `13.5 GiB`, `417 MiB`; an interval where they are not known exactly."""

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")

STEP = 1024


def size(nbytes: float) -> str:
    """Three digits in the largest unit that leaves one before the point: `205 MiB`, `0.98 GiB` is `1003 MiB`."""
    number, unit = float(nbytes), 0
    while abs(number) >= STEP and unit < len(UNITS) - 1:
        number, unit = number / STEP, unit + 1
    if round(abs(number)) >= STEP and unit < len(UNITS) - 1:  # `1024 MiB`, by rounding
        number, unit = number / STEP, unit + 1
    whole = len(str(int(abs(number))))
    return f"{number:.{max(3 - whole, 0) if unit else 0}f} {UNITS[unit]}"


def span(low: float, high: float) -> str:
    """`16.0 to 16.9 GiB`, or one number where both ends are said alike."""
    ends = size(low), size(high)
    if ends[0] == ends[1]:
        return ends[0]
    number, unit = ends[0].split(" ")
    return f"{number} to {ends[1]}" if ends[1].endswith(f" {unit}") else f"{ends[0]} to {ends[1]}"
