"""Ingest's metrics; none has a device as its label."""

from functools import partial
from math import nan

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from models.serving.card import INPUTS
from models.serving.drift import Drift

_BATCHES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Registered once a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        samples = Counter(
            "stresswire_samples", "Samples that ingest has dealt with, of every transport.", ["outcome"], registry=registry
        )
        self.stored = samples.labels("stored")
        self.duplicate = samples.labels("duplicate")
        self.rejected = samples.labels("refused")
        self.warnings = Counter(
            "stresswire_sample_warnings",
            "Fields of stored samples that were not taken as they came: a value that means no contact, a clock that is not "
            "set, a name that is no field.",
            ["code"],
            registry=registry,
        )
        self.misaddressed = Counter(
            "stresswire_misaddressed_messages",
            "Messages on a topic that is nearly the contract's, or that nobody reads.",
            registry=registry,
        )
        self.defects = Counter(
            "stresswire_ingest_defects", "Messages that were refused for an error of the program's own.", registry=registry
        )
        self.transaction_samples = Histogram(
            "stresswire_transaction_samples", "Samples in one transaction.", buckets=_BATCHES, registry=registry
        )
        self.commit_seconds = Histogram(
            "stresswire_commit_seconds",
            "From the samples to their commit: prediction, the transaction, and waiting for the database.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.answer_seconds = Histogram(
            "stresswire_answer_seconds",
            "From the arrival of a message to its answer, after the commit.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.waiting = Gauge("stresswire_ingest_waiting_messages", "Messages that wait for ingest.", registry=registry)
        self.lag = Gauge(
            "stresswire_ingest_lag_seconds", "How long the oldest message that is in work has waited.", registry=registry
        )
        self._model = Info("stresswire_model", "The model that predicts.", registry=registry)
        self._drift = Gauge(
            "stresswire_drift_stability_index",
            "How far what came lately is distributed from what the model was trained on; NaN: too few readings.",
            ["input"],
            registry=registry,
        )

    def watch_model(self, version: str, drift: Drift) -> None:
        """Expose the model's version, and how far its inputs and probabilities have drifted."""
        self._model.info({"version": version})
        for name in INPUTS:
            self._drift.labels(name).set_function(partial(_index, drift, name))


def _index(drift: Drift, name: str) -> float:
    index = drift.index(name)
    return nan if index is None else index
