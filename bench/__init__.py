"""Measures the embedded broker and the whole pipeline. Figures for people to read: nothing here is a test."""
