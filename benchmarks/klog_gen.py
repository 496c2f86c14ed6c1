"""Write a klog file shaped like a busy csi-driver-nfs controller at -v=5.

usage: python -m benchmarks.klog_gen OUT MEGABYTES [FAIL_EVERY] [SEED]

One volume in FAIL_EVERY (default 200) fails, by turns for four causes, with 2 to
6 attempts each.  Prints the truth as JSON: bytes, lines, volumes, failing
volumes per cause, failed calls.
"""

from __future__ import annotations

import json
import random
import sys
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

CAUSES = ("read-only", "denied", "refused", "permission")


class Generator:
    """A controller's log of v4.1.0, volume by volume."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = datetime(2022, 7, 20, 9, 53, 52, 378454)  # noqa: DTZ001 - klog has no zone
        self.failed_calls = 0

    def line(self, severity: str, source: str, message: str) -> str:
        """One klog line, a little later than the last."""
        self.now += timedelta(microseconds=self.random.randint(20, 9000))
        return f"{severity}{self.now:%m%d %H:%M:%S.%f}       1 {source}] {message}\n"

    def volume(self, cause: str | None) -> Iterator[str]:
        """All lines about one volume."""
        pv = f"pvc-{uuid.UUID(int=self.random.getrandbits(128), version=4)}"
        server = f"192.168.59.{self.random.randint(2, 250)}"
        share = "/" if cause == "read-only" else "/srv/nfs/k8s"
        for _ in range(self.random.randint(2, 6) if cause else 1):
            self.failed_calls += cause is not None
            yield from self._attempt(pv, server, share, cause)

    def _attempt(self, pv: str, server: str, share: str, cause: str | None) -> Iterator[str]:
        handle = f"{server}#{share.strip('/')}#{pv}##"
        parameters = {
            "csi.storage.k8s.io/pv/name": pv,
            "csi.storage.k8s.io/pvc/name": f"data-mariadb-{self.random.randint(0, 999)}",
            "csi.storage.k8s.io/pvc/namespace": self.random.choice(["default", "prod", "ci"]),
            "mountPermissions": "0777",
            "server": server,
            "share": share,
        }
        request = {
            "capacity_range": {"required_bytes": 1000000000},
            "name": pv,
            "parameters": parameters,
            "volume_capabilities": [{"AccessType": {"Mount": {}}, "access_mode": {"mode": 7}}],
        }
        arguments = f"-t nfs -o nfsvers=4.1 {server}:{share} /tmp/{pv}"
        line = self.line
        yield line("I", "utils.go:88", "GRPC call: /csi.v1.Controller/CreateVolume")
        yield line("I", "utils.go:89", "GRPC request: " + json.dumps(request, separators=(",", ":")))
        yield line("I", "controllerserver.go:285", f"internally mounting {server}:{share} at /tmp/{pv}")
        yield line(
            "I", "nodeserver.go:114",
            f"NodePublishVolume: volumeID({handle}) source({server}:{share}) targetPath(/tmp/{pv}) "
            "mountflags([nfsvers=4.1])",
        )  # fmt: skip
        yield line("I", "mount_linux.go:183", f"Mounting cmd (mount) with arguments ({arguments})")
        if cause in {"denied", "refused"}:
            source = f"{server}:{share}"
            why = f"access denied by server while mounting {source}" if cause == "denied" else "Connection refused"
            body = (
                "failed: exit status 32\nMounting command: mount\n"
                f"Mounting arguments: {arguments}\nOutput: mount.nfs: {why}"
            )
            yield line("E", "mount_linux.go:195", f"Mount {body}")
            yield "\n"
            wrapped = f"failed to mount nfs server: rpc error: code = Internal desc = mount {body}"
            yield line("E", "utils.go:93", f"GRPC error: rpc error: code = Internal desc = {wrapped}")
            return
        yield line("I", "nodeserver.go:146", f"volume({handle}) mount {server}:{share} on /tmp/{pv} succeeded")
        yield line("I", "controllerserver.go:300", f"internally unmounting /tmp/{pv}")
        yield line("I", "nodeserver.go:163", f"NodeUnpublishVolume: unmounting volume {handle} on /tmp/{pv}")
        yield line("I", "mount_helper_common.go:99", f'"/tmp/{pv}" is a mountpoint, unmounting')
        yield line("I", "mount_linux.go:294", f"Unmounting /tmp/{pv}")
        yield line("W", "mount_helper_common.go:133", f'Warning: "/tmp/{pv}" is not a mountpoint, deleting')
        done = f"NodeUnpublishVolume: unmount volume {handle} on /tmp/{pv} successfully"
        yield line("I", "nodeserver.go:168", done)
        if cause:
            why = "read-only file system" if cause == "read-only" else "permission denied"
            text = f"failed to make subdirectory: mkdir /tmp/{pv}/{pv}: {why}"
            yield line("E", "utils.go:93", f"GRPC error: rpc error: code = Internal desc = {text}")
            return
        answer = {"volume": {"volume_context": parameters | {"subdir": pv}, "volume_id": handle}}
        yield line("I", "utils.go:95", "GRPC response: " + json.dumps(answer, separators=(",", ":")))


def generate(out: Path, megabytes: float, every: int = 200, seed: int = 7) -> dict[str, object]:
    """Write the file; return the truth about it."""
    generator = Generator(seed)
    size = lines = volumes = 0
    failing = dict.fromkeys(CAUSES, 0)
    with out.open("w", encoding="ascii") as file:
        while size < megabytes * 1e6:
            volumes += 1
            cause = CAUSES[(volumes // every) % len(CAUSES)] if volumes % every == 0 else None
            if cause:
                failing[cause] += 1
            for text in generator.volume(cause):
                file.write(text)
                size += len(text)
                lines += text.count("\n")
    return {
        "bytes": size, "lines": lines, "volumes": volumes, "failing": failing, "failed_calls": generator.failed_calls,
    }  # fmt: skip


if __name__ == "__main__":
    arguments = sys.argv[1:]
    print(json.dumps(generate(Path(arguments[0]), float(arguments[1]), *map(int, arguments[2:4]))))
