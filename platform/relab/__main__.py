"""``python -m relab`` is the command ``relab``."""

from relab.cli import main

main()
