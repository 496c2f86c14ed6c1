"""Diagnose the logs around csi-driver-nfs, the Kubernetes CSI driver for NFS.

Kept empty of imports so that ``logscan --version`` pays for nothing else.
"""

__version__ = "0.1.0"
