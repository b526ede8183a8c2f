"""Run all benchmarks one after the other: `python -m bench [--quick]`."""

from bench import backfill, connects, deaf, frontends, held, history, messages, model, pipeline, report


def measure(quick: bool) -> str:
    """Print the table of each benchmark as soon as it has ended, and return that of the last."""
    *first, last = (messages, connects, held, pipeline, backfill, history, frontends, model, deaf)
    for benchmark in first:
        print(benchmark.measure(quick), flush=True)
    return last.measure(quick)


if __name__ == "__main__":
    report.main(measure, __doc__)
