"""Medians, percentiles and Markdown tables of the benchmarks."""

import argparse
from collections.abc import Callable, Sequence
from statistics import median

Measure = Callable[[bool], str]


def middle(values: Sequence[float], digits: int = 0) -> str:
    """Return the median as text, with the range in brackets if the values differ; counts have no decimals."""
    places = 0 if all(isinstance(value, int) for value in values) else digits
    shown, low, high = (f"{value:,.{places}f}" for value in (median(values), min(values), max(values)))
    return shown if low == high else f"{shown} ({low}-{high})"


def ratio(values: Sequence[float], to: Sequence[float]) -> str:
    """Return the ratio of the medians of `values` and `to` as text."""
    return f"{median(values) / median(to):.2f}"


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value at `share` (0-1) of sorted values."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table under a heading."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join([f"## {title}", "", *(f"| {' | '.join(line)} |" for line in lines), ""])


def main(measure: Measure, description: str) -> None:
    """Run the command line of a benchmark."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a smoke run: small counts, one round")
    print(measure(parser.parse_args().quick), flush=True)
