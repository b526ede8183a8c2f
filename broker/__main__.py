"""`python -m broker`: the same as `stresswire broker`."""

import sys

from stresswire.cli import main

sys.argv.insert(1, "broker")
main()
