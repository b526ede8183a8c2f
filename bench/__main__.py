"""Runs every measurement one after the other: `python -m bench [--quick]`."""

from bench import backfill, connects, deaf, frontends, held, history, messages, model, pipeline, report


def measure(quick: bool) -> str:
    """Print each table when it is there."""
    *first, last = (messages, connects, held, pipeline, backfill, history, frontends, model, deaf)
    for one in first:
        print(one.measure(quick), flush=True)
    return last.measure(quick)


if __name__ == "__main__":
    report.main(measure, __doc__)
