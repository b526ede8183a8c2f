"""Certificates for the tests, made by the openssl command."""

import subprocess
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    """Two PEM files."""

    cert: Path
    key: Path


def self_signed(folder: Path, name: str, *, authority: bool = False) -> Certificate:
    """A certificate for 127.0.0.1 that vouches for itself, or an authority's."""
    return _made(folder, name, f"basicConstraints=critical,CA:{str(authority).upper()}")


def signed(folder: Path, name: str, by: Certificate) -> Certificate:
    """A certificate whose common name is `name`, signed by an authority."""
    return _made(folder, name, "basicConstraints=critical,CA:FALSE", "-CA", str(by.cert), "-CAkey", str(by.key))


def _made(folder: Path, name: str, constraints: str, *signer: str) -> Certificate:
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    config = folder / "openssl.cnf"
    config.write_text("[req]\ndistinguished_name=name\n[name]\n")  # without what a system's own would add
    command = ["openssl", "req", "-x509", "-config", str(config), "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", constraints]
    files = ["-nodes", "-days", "2", "-out", str(made.cert), "-keyout", str(made.key)]
    subprocess.run([*command, *names, *files, *signer], check=True, capture_output=True, timeout=30)
    return made
