"""`python -m evo` is the command `evonum`."""

from evo.cli.app import main

main()
