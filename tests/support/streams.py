"""Generated streams and recordings; no test reads the real data."""

import csv
import gzip
import random
from pathlib import Path

from models.recordings import REQUIRED

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
        writer.writerow((*REQUIRED, "label", "task", "source"))
        for person in range(people):
            rng = random.Random(person)
            for t in range(seconds):
                stressed = t >= seconds // 2 and person != people - 1
                stress = int(stressed) if t % 97 else ""
                lift = 4 + (t - seconds // 2) / seconds * (30 + person) if stressed else 0.0
                hr, eda = 65 + person + lift + rng.gauss(0, 4), 0.5 + 0.03 * lift + rng.random() * 0.2
                temp = 33 + 0.05 * rng.random()
                source, task = "one" if person % 2 else "two", "sums" if stressed else "rest"
                writer.writerow((f"p{person}", t, round(hr, 2), round(temp, 3), round(eda, 4), stress, task, source))
    return path


def write_exercise(path: Path, *, people: int = 3, seconds: int = 240) -> Path:
    """Two sessions each of some of these people and of one other, who exercise in the second half."""
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("subject", "session", *REQUIRED[1:], "exercising"))
        for person in range(people):
            name = f"p{person}" if person else "other"
            for session in ("a", "b"):
                rng = random.Random(f"{person}{session}")
                for t in range(seconds):
                    moving = t >= seconds // 2
                    hr, eda = 70 + rng.gauss(0, 3) + 60 * moving * min(1.0, t / seconds), 0.6 + 0.1 * rng.random()
                    temp = 33 + rng.random()
                    writer.writerow((name, session, t, round(hr, 2), round(temp, 3), round(eda, 4), int(moving)))
    return path
