"""`python -m gateway`: the same as `stresswire gateway`."""

import sys

from stresswire.cli.main import main

sys.argv.insert(1, "gateway")
main()
