"""Generated streams and recordings; no test reads the real data."""

import csv
import gzip
import random
from pathlib import Path

Sample = tuple[float, float | None, float | None, float | None]


def calm(seconds: int, *, seed: int = 0, start_s: float = 0.0) -> list[Sample]:
    """A person at rest, one sample a second."""
    rng = random.Random(seed)
    return [
        (start_s + i, 70 + rng.gauss(0, 1), 33.5 + rng.gauss(0, 0.02), max(0.05, 0.4 + rng.gauss(0, 0.01)))
        for i in range(seconds)
    ]


def rise(seconds: int, *, seed: int = 1, start_s: float = 0.0) -> list[Sample]:
    """From rest to heart rate 150, temperature 38 and EDA 1.6."""
    rng = random.Random(seed)
    return [
        (start_s + i, 70 + 80 * x + rng.gauss(0, 1), 33.5 + 4.5 * x, 0.4 + 1.2 * x + rng.gauss(0, 0.01))
        for i in range(seconds)
        for x in [(i + 1) / seconds]
    ]


def lively(seconds: int, *, seed: int = 0) -> list[Sample]:
    """A stream in which every feature moves."""
    rng = random.Random(seed)
    hr, temp, eda = 75.0, 33.0, 1.0
    samples: list[Sample] = []
    for i in range(seconds):
        hr += rng.gauss(0, 2) - 0.05 * (hr - 75)
        temp += rng.gauss(0, 0.02)
        eda = max(0.1, eda + rng.gauss(0, 0.05) - 0.02 * (eda - 1))
        samples.append((float(i), hr, temp, eda))
    return samples


def write_recording(path: Path, *, people: int = 6, seconds: int = 480) -> Path:
    """A labelled recording of two sources: the second half of all but the last is stress."""
    with gzip.open(path, "wt", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("subject", "t", "hr", "temp", "eda", "label", "task", "source"))
        for person in range(people):
            rng = random.Random(person)
            for t in range(seconds):
                stressed = t >= seconds // 2 and person != people - 1
                stress = int(stressed) if t % 97 else ""
                lift = 4 + (t - seconds // 2) / seconds * (30 + person) if stressed else 0.0
                hr, eda = 65 + person + lift + rng.gauss(0, 4), 0.5 + 0.03 * lift + rng.random() * 0.2
                source = "one" if person % 2 else "two"
                writer.writerow((f"p{person}", t, round(hr, 2), 33.0, round(eda, 4), stress, "", source))
    return path
