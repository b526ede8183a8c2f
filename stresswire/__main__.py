"""`python -m stresswire`: the same as `stresswire`."""

from stresswire.cli import main

main()
