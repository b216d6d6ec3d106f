"""`python -m evo` is the command `evonum`."""

from evo.cli import main

main()
