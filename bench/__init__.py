"""Benchmarks of the embedded broker and of the whole pipeline. They print tables; none of them is a test."""
