"""Diagnose the logs around csi-driver-nfs, the Kubernetes CSI driver for NFS.

Nothing is imported before it is asked for, so that ``logscan --version`` pays for nothing else.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logscan.columns import open_batches, read, to_pandas

__version__ = "0.1.0"
__all__ = ["__version__", "open_batches", "read", "to_pandas"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from logscan import columns

        return getattr(columns, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
