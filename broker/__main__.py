"""`python -m broker`: the same as `stresswire broker`."""

import sys

from stresswire.cli.main import main

sys.argv.insert(1, "broker")
main()
