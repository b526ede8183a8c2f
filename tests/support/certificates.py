"""Certificates for the tests, made by the openssl command."""

import subprocess
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    """Paths of two PEM files."""

    cert: Path
    key: Path


def self_signed(folder: Path, name: str, *, authority: bool = False) -> Certificate:
    """Create a self-signed certificate for 127.0.0.1, or that of an authority."""
    return _create(folder, name, f"basicConstraints=critical,CA:{str(authority).upper()}")


def signed(folder: Path, name: str, by: Certificate) -> Certificate:
    """Create a certificate whose common name is `name`, signed by an authority."""
    return _create(folder, name, "basicConstraints=critical,CA:FALSE", "-CA", str(by.cert), "-CAkey", str(by.key))


def _create(folder: Path, name: str, constraints: str, *signer: str) -> Certificate:
    certificate = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    config = folder / "openssl.cnf"
    config.write_text("[req]\ndistinguished_name=name\n[name]\n")  # without the extensions of the system's default
    command = ["openssl", "req", "-x509", "-config", str(config), "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", constraints]
    files = ["-nodes", "-days", "2", "-out", str(certificate.cert), "-keyout", str(certificate.key)]
    subprocess.run([*command, *names, *files, *signer], check=True, capture_output=True, timeout=30)
    return certificate
