"""Figures to read: medians, percentiles and Markdown tables."""

import argparse
from collections.abc import Callable, Sequence
from statistics import median

Measure = Callable[[bool], str]


def middle(values: Sequence[float], digits: int = 0) -> str:
    """The median, and where they differ the range in brackets; counts have no decimals."""
    places = 0 if all(isinstance(value, int) for value in values) else digits
    shown, low, high = (f"{value:,.{places}f}" for value in (median(values), min(values), max(values)))
    return shown if low == high else f"{shown} ({low}-{high})"


def ratio(values: Sequence[float], to: Sequence[float]) -> str:
    """How many times the median of `to`."""
    return f"{median(values) / median(to):.2f}"


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of values in their order."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table under its heading."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join([f"## {title}", "", *(f"| {' | '.join(line)} |" for line in lines), ""])


def main(measure: Measure, description: str) -> None:
    """The command line of a script."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a smoke run: small counts, one round")
    print(measure(parser.parse_args().quick), flush=True)
