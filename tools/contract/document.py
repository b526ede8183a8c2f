"""YAML output that is the same on every run."""

from typing import Any

import yaml

from tools.contract.description import HEADER


class _Dumper(yaml.SafeDumper):
    """Dumper without aliases that writes text of several lines as a block."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def to_yaml(document: dict[str, Any]) -> str:
    """Return the document as YAML, below a comment with its origin."""
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return f"# {HEADER}\n{body}"
