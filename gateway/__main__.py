"""`python -m gateway`: the same as `stresswire gateway`."""

import sys

from stresswire.cli import main

sys.argv.insert(1, "gateway")
main()
