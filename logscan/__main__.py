"""``python -m logscan`` is ``logscan``."""

from logscan.cli import main

main()
