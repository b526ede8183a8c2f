"""`python -m ingest`: the same as `stresswire ingest`."""

import sys

from stresswire.cli.main import main

sys.argv.insert(1, "ingest")
main()
