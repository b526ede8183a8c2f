"""Results of checks on the terminal."""

from collections.abc import Iterable

import typer

from storage.check import Finding
from stresswire.cli.one_line import one_line


def show(findings: Iterable[Finding]) -> None:
    """Print each finding as soon as there is one. Raises `typer.Exit` with status 1 at the end if one is bad."""
    healthy = True
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.ok else 'BAD '} {finding.part:10} {one_line(finding.detail)}")
        healthy = healthy and finding.ok
    if not healthy:
        raise typer.Exit(1)
