"""``python -m logscan`` is ``logscan``."""

from logscan.cli import main

# Processes that Dask spawns import this file, too, by another name.
if __name__ == "__main__":
    main()
