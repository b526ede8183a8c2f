"""`python -m stresswire`: the same as `stresswire`."""

from stresswire.cli.main import main

main()
