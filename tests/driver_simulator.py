"""Writes logs as the real driver writes them, version by version, and knows what was so.

The texts, their order and the line of source that each is logged from are those of
the driver's tags; a call takes its time and runs beside others, so that lines mix.
What a log should be diagnosed as follows from what was simulated, not from any rule.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

VERSIONS = (
    "v3.1.0", "v4.1.0", "v4.2.0", "v4.4.0", "v4.6.0", "v4.8.0", "v4.9.0",
    "v4.10.0", "v4.11.0", "v4.12.1", "v4.13.0", "v4.13.4", "master",
)  # fmt: skip

# Where each line is logged from: a name, the file, and the line in each of VERSIONS.
_PLACES = """
driver      nfs.go                   63   72   73   76   84   84   88   90   90   90   90   90   90
banner      nfs.go                  112  109  110  115  134  134  142  146  147  147  148  148  148
call        utils.go                 86   88   88  106  109  109  110  110  111  111  111  111  111
request     utils.go                 87   89   89  107  110  110  111  111  112  112  112  112  112
response    utils.go                 93   95   95  113  116  116  117  117  118  118  118  118  127
error       utils.go                 91   93   93  111  114  114  115  115  116  116  116  116  116
listening   server.go               117  117  117  117  117  117  117  117  117  117  117  117  117
mounting    controllerserver.go     269  285  287  445  455  465  496  524  523  501  509  514  536
unmounting  controllerserver.go     287  300  302  460  470  480  511  539  538  516  524  529  554
publish     nodeserver.go            95  129  123  123  132  132  132  133  133  133  133  153  153
published   nodeserver.go             -  148  142  142  151  151  151  155  155  155  157  177  177
no-chmod    nodeserver.go             -  146  140  140  149  149  149  153  153  153  155  175  175
chmod       utils.go                  -  146  146  164  167  167  168  168  169  169  169  195  204
is-chmod    utils.go                  -  151  151  169  172  172  173  173  174  174  174  200  209
old-chmod   nodeserver.go           107    -    -    -    -    -    -    -    -    -    -    -    -
unpublish   nodeserver.go           136  163  157  157  172  172  172  176  176  176  178  198  198
force       nodeserver.go             -    -  162  162  177  177  177  181  181  181  183  203  203
unpublished nodeserver.go             -  168  170  170  185  185  185  189  189  189  191  211  211
chmod-warn  controllerserver.go     109  141  142  181  181  181  188  189  189  189  191  191  194
bad-id      controllerserver.go     123  163  165  211  211  211  218  219  219  219  221  221  224
no-split    controllerserver.go     379  396  399  712  723  733  764  798  799  777  799  811  893
remove      controllerserver.go     153  193  195  246  255  265  295  302  295  283  285  285  295
empties     controllerserver.go       -    -    -    -    -    -    -    -  301  289  291  291  301
archive     controllerserver.go       -    -    -    -  249  256  277  278  278  266  268  268  278
tar         controllerserver.go       -    -    -  345  355  365  396  408  407  396  398  398  414
copy-snap   controllerserver.go       -    -    -  500  510  520  551  579  578  556  572  577  608
copy-vol    controllerserver.go       -    -    -  517  527  537  568  602  601  579  601  606  644
mount       mount_linux.go          183  183  220  220  218  218  218  270  270  270  270  270  270
mount-fail  mount_linux.go          195  195  232  232  230  230  230  282  282  282  282  282  282
systemd     mount_linux.go          208  208  245  245  243  243  243  295  295  295  295  295  295
safe        mount_linux.go            -    -  284  284  282  282  282  334  334  334  334  334  334
umount      mount_linux.go          294  294  779  779  789  789  789  892  892  892  892  892  892
is-mount    mount_helper_common.go   99   99  107  107  107  107  107  107  107  107  107  107  107
umounting   mount_helper_common.go    -    -   56   56   56   56   56   56   56   56   56   56   56
not-mount   mount_helper_common.go  133  133    -    -    -    -    -    -    -    -    -    -    -
deleting    mount_helper_common.go    -    -  150  150  150  150  150  150  150  150  150  150  150
no-path     mount_helper_common.go   34   34   47   47   47   47   47   47   47   47   47   47   47
"""
PLACES = {name: (file, lines) for name, file, *lines in map(str.split, _PLACES.split("\n")[1:-1])}

DETAILS = {"mount", "umount", "is-mount", "umounting", "deleting", "safe"}  # need -v=4, all others -v=2
START = datetime(2026, 7, 20, 9, 50, tzinfo=UTC)


@dataclass
class Volume:
    """One claim and its volume."""

    name: str
    claim: str
    parameters: dict[str, str]
    flags: tuple[str, ...] = ()
    handle: str = ""  # of a static volume; else it follows from the version
    pod: str = ""

    @property
    def server(self) -> str:
        return self.parameters.get("server", "")

    @property
    def share(self) -> str:
        return "/" + self.parameters.get("share", "").strip("/")

    @property
    def subdir(self) -> str:
        return self.parameters.get("subDir", self.name)

    @property
    def internal(self) -> str:
        return f"/tmp/{self.name}"

    @property
    def target(self) -> str:
        return f"/var/lib/kubelet/pods/{self.pod}/volumes/kubernetes.io~csi/{self.name}/mount"

    def id(self, version: str) -> str:
        """The volume handle as *version* composes it."""
        if self.handle:
            return self.handle
        parts = [self.server, self.share.strip("/"), self.subdir]
        since = VERSIONS.index(version)
        if since >= VERSIONS.index("v4.1.0"):
            parts.append(self.name if "subDir" in self.parameters else "")
        if since >= VERSIONS.index("v4.4.0"):
            parts.append(self.parameters.get("onDelete", ""))
        return "#".join(parts)


@dataclass
class Driver:
    """One container of the driver and what it logs; times are seconds from START."""

    version: str
    seed: int = 1
    verbosity: int = 5
    banner: bool = True
    says: str = ""  # the version that the banner names, if another
    jitter: float = 0.03  # seconds, on average, from a line's stamp to its place in the log
    lines: list[tuple[float, int, str]] = field(default_factory=list)
    ends: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # (method, volume) -> codes, "" is ok
    failed: Counter[str] = field(default_factory=Counter)
    mounted: set[str] = field(default_factory=set)
    dies: float = float("inf")  # calls that would end later never do

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.start(0)

    def since(self, version: str) -> bool:
        """Whether this driver is *version* or a later one."""
        return VERSIONS.index(self.version) >= VERSIONS.index(version)

    def write(self, at: float, name: str, message: str, letter: str = "I", place: float = 0) -> None:
        """One record, stamped at *at* and written at *place*; info needs -v, save that the driver listens."""
        needed = 0 if letter != "I" or name == "listening" else 4 if name in DETAILS else 2
        if at >= self.dies or self.verbosity < needed:
            return
        file, numbers = PLACES[name]
        number = numbers[VERSIONS.index(self.version)]
        assert number != "-", f"{self.version} has no {name}"
        stamp = (START + timedelta(seconds=at)).strftime("%m%d %H:%M:%S.%f")
        self.lines.append((max(at, place), len(self.lines), f"{letter}{stamp}       1 {file}:{number}] {message}"))

    def raw(self, at: float, text: str) -> None:
        """What has no header: a panic."""
        self.lines.append((at, len(self.lines), text))

    def start(self, at: float) -> None:
        """A new process."""
        self.dies = float("inf")
        version = self.says or self.version
        if self.banner:
            self.write(at, "driver", f"Driver: nfs.csi.k8s.io version: {version}")
            self.write(at + 0.01, "banner", (
                '\nDRIVER INFORMATION:\n-------------------\nBuild Date: "2024-01-16T12:58:55Z"\nCompiler: gc\n'
                f"Driver Name: nfs.csi.k8s.io\nDriver Version: {version}\nGit Commit: f3a7c1fb\nGo Version: go1.22.3\n"
                "Platform: linux/amd64\n\nStreaming logs below:"
            ))  # fmt: skip
            if self.since("v4.2.0"):
                self.write(at + 0.02, "safe", "Detected umount with safe 'not mounted' behavior")
            address = '&net.UnixAddr{Name:"//csi/csi.sock", Net:"unix"}'
            self.write(at + 0.03, "listening", f"Listening for connections on address: {address}")
        one = Call(self, at + 0.1, "Identity/GetPluginInfo", "", {})
        one.ok({"name": "nfs.csi.k8s.io", "vendor_version": version})

    def restart(self, at: float, again: float) -> None:
        """The process ends at *at*: calls that are under way stay open; a new one starts at *again*."""
        self.lines = [line for line in self.lines if line[0] < at]
        self.start(again)

    def text(self) -> str:
        """The whole log."""
        return "".join(line + "\n" for _, _, line in sorted(self.lines))


class Call:
    """One gRPC call; ``now`` moves on with every line."""

    def __init__(
        self,
        driver: Driver,
        at: float,
        method: str,
        volume: str,
        request: Mapping[str, object],
        *,
        silent: bool = False,
    ) -> None:
        self.driver, self.now, self.method, self.volume = driver, at, method.split("/")[1], volume
        self.place = at  # where its last line stands: one that is held up keeps its stamp
        if not silent:
            self.say("call", f"GRPC call: /csi.v1.{method}", seconds=0.0003)
            self.say("request", f"GRPC request: {as_json(request)}")

    def say(self, name: str, message: str, letter: str = "I", seconds: float = 0.002) -> None:
        self.place = max(self.place, self.now + self.driver.random.expovariate(1 / self.driver.jitter))
        self.driver.write(self.now, name, message, letter, self.place)
        self.now += seconds * self.driver.random.uniform(0.5, 2)

    def fail(self, code: str, desc: str) -> float:
        """The call ends badly; returns when."""
        if self.now < self.driver.dies:
            self.say("error", f"GRPC error: rpc error: code = {code} desc = {desc}", "E")
            self.driver.failed[f"{self.method}:{code}"] += 1
            self.driver.ends.setdefault((self.method, self.volume), []).append(code)
        return self.now

    def ok(self, response: Mapping[str, object] | None = None) -> float:
        """The call ends well; returns when."""
        if self.now < self.driver.dies:
            if response or self.driver.version != "master":  # master says {} at -v=6 only
                self.say("response", f"GRPC response: {as_json(response or {})}")
            self.driver.ends.setdefault((self.method, self.volume), []).append("")
        return self.now

    # ------------------------------------------------------------ steps

    def mount(
        self, handle: str, source: str, target: str, flags: tuple[str, ...], mode: str = "",
        mount: str = "", chmod: str = "", target_error: str = "", seconds: float = 0.3,
    ) -> str:  # fmt: skip
        """NodePublishVolume from its mount on; returns the error's text or ""."""
        driver = self.driver
        if target_error:
            return target_error
        if target in driver.mounted:
            return ""
        server, _, path = source.rpartition(":")
        source = f"[{server}]:{path}" if ":" in server else source
        self.say(
            "publish",
            f"NodePublishVolume: volumeID({handle}) source({source}) targetPath({target}) mountflags([{' '.join(flags)}])",
        )
        if "systemd" not in driver.mounted:
            driver.mounted.add("systemd")
            self.say("systemd", "Detected OS without systemd")
        arguments = " ".join(["-t nfs", *(["-o " + ",".join(flags)] if flags else []), source, target])
        self.say("mount", f"Mounting cmd (mount) with arguments ({arguments})")
        body = f"ount failed: exit status 32\nMounting command: mount\nMounting arguments: {arguments}\nOutput: {{}}"
        if mount.startswith("timeout"):
            limit = 110 if driver.since("v4.13.0") else 90
            late = mount.partition(" ")[2]
            if late:
                driver.write(self.now + 180, "mount-fail", "M" + body.format(late) + "\n", "E")
            self.now += limit
            return f"mount volume {source} to {target} timeout after 110s" if limit == 110 else "time out"
        self.now += seconds * driver.random.uniform(0.5, 2)
        if mount:
            self.say("mount-fail", "M" + body.format(mount) + "\n", "E")
            return "m" + body.format(mount)
        driver.mounted.add(target)
        if chmod and chmod != "skip":
            self._say_chmod(handle, target, mode)
            return chmod_error(driver, target, chmod)
        if int(mode or "0", 8) == 0 and driver.version != "v3.1.0":
            self.say("no-chmod", f"skip chmod on targetPath({target}) since mountPermissions is set as 0")
        elif driver.version == "v3.1.0" or not chmod:
            self._say_chmod(handle, target, mode)
        else:
            self.say("is-chmod", f"skip chmod on targetPath({target}) since mode is already 020000000777)")
        if driver.since("v4.1.0"):
            self.say("published", f"volume({handle}) mount {source} on {target} succeeded")
        return ""

    def _say_chmod(self, handle: str, target: str, mode: str) -> None:
        octal = f"0{int(mode, 8):o}"
        if self.driver.version == "v3.1.0":
            self.say("old-chmod", f"volumeID({handle}): mount targetPath({target}) with permissions({octal})")
        elif self.driver.since("v4.13.4"):
            self.say("chmod", f"chmod targetPath({target}, currentMode:{octal}) with desiredMode({octal})")
        else:
            self.say("chmod", f"chmod targetPath({target}, mode:020000000755) with permissions({octal})")

    def unmount(self, handle: str, target: str, error: str = "", hang: bool = False) -> str:
        """NodeUnpublishVolume from its first line on; returns the error's text or ""."""
        driver = self.driver
        if driver.version == "v3.1.0":
            self.say("unpublish", f"NodeUnpublishVolume: CleanupMountPoint {target} on volumeID({handle})")
        else:
            self.say("unpublish", f"NodeUnpublishVolume: unmounting volume {handle} on {target}")
        if hang:
            return "hangs"
        if driver.since("v4.2.0"):
            self.say("force", f"force unmount {handle} on {target}")
        if target not in driver.mounted and not error:
            text = "mount cleanup skipped because" if driver.since("v4.2.0") else "Unmount skipped because"
            self.say("no-path", f"Warning: {text} path does not exist: {target}", "W")
        else:
            if driver.since("v4.2.0"):
                flags = "corruptedMount: false, mounterCanSkipMountPointChecks: true"
                self.say("umounting", f'unmounting "{target}" ({flags})')
            else:
                self.say("is-mount", f'"{target}" is a mountpoint, unmounting')
            self.say("umount", f"Unmounting {target}", seconds=0.1)
            if error:
                return f"unmount failed: exit status 32\nUnmounting arguments: {target}\nOutput: {error}\n"
            driver.mounted.discard(target)
            if not driver.since("v4.2.0"):
                self.say("not-mount", f'Warning: "{target}" is not a mountpoint, deleting', "W")
            else:
                self.say("deleting", f'{"Deleting" if driver.since("v4.6.0") else "Warning: deleting"} path "{target}"')
        if driver.since("v4.1.0"):
            self.say("unpublished", f"NodeUnpublishVolume: unmount volume {handle} on {target} successfully")
        return ""

    def internal_mount(self, volume: Volume, flags: tuple[str, ...], **how: Any) -> str:
        """Mount the volume's share in the controller; returns the error's text or ""."""
        self.say("mounting", f"internally mounting {volume.server}:{volume.share} at {volume.internal}")
        source = f"{volume.server}:{volume.share}"
        default = "0777" if not self.driver.since("v4.2.0") else "0"
        mode = volume.parameters.get("mountPermissions", default)
        error = self.mount(volume.id(self.driver.version), source, volume.internal, flags, mode, **how)
        return f"failed to mount nfs server: rpc error: code = Internal desc = {error}" if error else ""

    def internal_unmount(self, volume: Volume) -> None:
        self.say("unmounting", f"internally unmounting {volume.internal}")
        self.unmount(volume.id(self.driver.version), volume.internal)


def as_json(body: Mapping[str, object]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def chmod_error(driver: Driver, path: str, errno: str) -> str:
    """How a refused chmod reads: v4.13.3 lost the path."""
    return errno if driver.since("v4.13.4") else f"chmod {path}: {errno}"


def claim_of(volume: Volume) -> dict[str, str]:
    namespace, _, name = volume.claim.partition("/")
    return {
        "csi.storage.k8s.io/pv/name": volume.name,
        "csi.storage.k8s.io/pvc/name": name,
        "csi.storage.k8s.io/pvc/namespace": namespace,
    }


def create(
    driver: Driver, volume: Volume, at: float, *, mount: str = "", chmod: str = "skip", target_error: str = "",
    mkdir: str = "", warn: str = "", invalid: str = "", aborted: bool = False, copy: str = "", source: Volume | None = None,
    kind: str = "Mount",
) -> float:  # fmt: skip
    """CreateVolume; each of the texts makes that step fail with it.  Returns when it ended."""
    access: dict[str, object] = {"mount_flags": list(volume.flags)} if volume.flags and kind == "Mount" else {}
    request: dict[str, object] = {
        "capacity_range": {"required_bytes": 10737418240},
        "name": volume.name,
        "parameters": {**claim_of(volume), **volume.parameters},
        "volume_capabilities": [{"AccessType": {kind: access}, "access_mode": {"mode": 5}}],
    }
    if source is not None:
        which = (
            {"Snapshot": {"snapshot_id": source.handle}}
            if "snap" in source.name
            else {"Volume": {"volume_id": source.id(driver.version)}}
        )
        request["volume_content_source"] = {"Type": which}
    call = Call(driver, at, "Controller/CreateVolume", volume.name, request)
    if aborted:
        return call.fail("Aborted", f"An operation with the given Volume ID {volume.name} already exists")
    if invalid:
        return call.fail("InvalidArgument", invalid)
    if error := call.internal_mount(volume, volume.flags, mount=mount, chmod=chmod, target_error=target_error):
        return call.fail("Internal", error)
    path = f"{volume.internal}/{volume.subdir}"
    failure = f"failed to make subdirectory: mkdir {path}: {mkdir}" if mkdir else ""
    if warn:
        call.say("chmod-warn", f"failed to chmod subdirectory: {chmod_error(driver, path, warn)}", "W")
    if copy and source is not None:
        call.internal_mount(source, volume.flags)
        call.internal_mount(volume, volume.flags)
        kind = "snap" if "snap" in source.name else "vol"
        text = "snapshot" if kind == "snap" else "volume"
        call.say(f"copy-{kind}", f"copy volume from {text} {source.internal}/{source.subdir} -> {path}", seconds=0.5)
        failure = "" if copy == "ok" else copy
        call.internal_unmount(volume)
        call.internal_unmount(source)
    call.internal_unmount(volume)
    if failure:
        return call.fail("Internal", failure)
    context = {**claim_of(volume), **volume.parameters}
    if driver.version == "v3.1.0":
        context = {"server": volume.server, "share": f"{volume.share.rstrip('/')}/{volume.name}"}
    elif "subDir" not in context:
        context["subdir"] = volume.name
    return call.ok({"volume": {"volume_context": context, "volume_id": volume.id(driver.version)}})


def delete(
    driver: Driver, volume: Volume, at: float, *, mount: str = "", remove: str = "", archive: str = "", aborted: bool = False,
) -> float:  # fmt: skip
    """DeleteVolume, which knows no mount options.  Returns when it ended."""
    handle = volume.id(driver.version)
    call = Call(driver, at, "Controller/DeleteVolume", volume.name, {"volume_id": handle})
    if aborted:
        return call.fail("Aborted", f"An operation with the given Volume ID {handle} already exists")
    if handle.count("#") < 2:
        call.say("no-split", f"could not split {handle} into server, baseDir and subDir with separator(#)")
        reason = f"could not split {handle} into server, baseDir and subDir with separator(/)"
        call.say("bad-id", f"failed to get nfs volume for volume id {handle} deletion: {reason}", "W")
        return call.ok()
    if error := call.internal_mount(volume, (), mount=mount, chmod="skip"):
        return call.fail("Internal", error)
    path = f"{volume.internal}/{volume.subdir}"
    if volume.parameters.get("onDelete") == "archive":
        to = f"{volume.internal}/archived-{volume.subdir}"
        call.say("archive", f"archiving subdirectory {path} --> {to}")
        failure = f"archive subdirectory({path}, {to}) failed with rename {path} {to}: {archive}" if archive else ""
    else:
        if driver.version == "v4.10.0":
            root = f"{volume.internal}/{volume.subdir.split('/')[0]}"
            call.say("remove", f"removing subdirectory at {root} on internalVolumePath {path}")
        else:
            call.say("remove", f"{'removing' if driver.since('v4.6.0') else 'Removing'} subdirectory at {path}")
        how = f"delete subdirectory({path}) failed with" if driver.since("v4.6.0") else "failed to delete subdirectory:"
        failure = f"{how} unlinkat {path}{remove}" if remove else ""
        if not failure and driver.since("v4.11.0"):
            call.say("empties", f"DeleteVolume: removing empty directories in {volume.internal}")
    call.internal_unmount(volume)
    return call.fail("Internal", failure) if failure else call.ok()


def publish(
    driver: Driver, volume: Volume, at: float, *, mount: str = "", chmod: str = "", target_error: str = "", invalid: str = "",
    aborted: bool = False, seconds: float = 0.3,
) -> float:  # fmt: skip
    """NodePublishVolume.  Returns when it ended."""
    handle = volume.id(driver.version)
    context = {**claim_of(volume), **volume.parameters}
    path = f"{volume.share.rstrip('/')}/{volume.subdir}"
    if volume.handle:
        context, path = dict(volume.parameters), volume.share
    elif driver.version == "v3.1.0":
        context = {"server": volume.server, "share": path}
    elif "subDir" not in context:
        context["subdir"] = volume.name
    access = {"mount_flags": list(volume.flags)} if volume.flags else {}
    request = {
        "target_path": volume.target,
        "volume_capability": {"AccessType": {"Mount": access}, "access_mode": {"mode": 5}},
        "volume_context": context,
        "volume_id": handle,
    }
    call = Call(driver, at, "Node/NodePublishVolume", volume.name, request)
    if aborted:
        return call.fail("Aborted", f"An operation with the given Volume ID {handle} already exists")
    if invalid:
        return call.fail("InvalidArgument", invalid)
    mode = volume.parameters.get("mountPermissions", "0" if driver.since("v4.2.0") else "0777")
    source = f"{volume.server}:{path}"
    if error := call.mount(handle, source, volume.target, volume.flags, mode, mount, chmod, target_error, seconds):
        return call.fail("Internal", error)
    return call.ok()


def unpublish(
    driver: Driver, volume: Volume, at: float, *, error: str = "", hang: bool = False, aborted: bool = False
) -> float:
    """NodeUnpublishVolume.  Returns when it ended."""
    handle = volume.id(driver.version)
    call = Call(
        driver, at, "Node/NodeUnpublishVolume", volume.name, {"target_path": volume.target, "volume_id": handle}
    )
    if aborted:
        return call.fail("Aborted", f"An operation with the given Volume ID {handle} already exists")
    failure = call.unmount(handle, volume.target, error, hang)
    if hang:
        return call.now
    return call.fail("Internal", f'failed to unmount target "{volume.target}": {failure}') if failure else call.ok()


def stats(driver: Driver, volume: Volume, at: float, code: str, desc: str) -> float:
    """A NodeGetVolumeStats that failed: the one line that it logs."""
    return Call(driver, at, "Node/NodeGetVolumeStats", volume.name, {}, silent=True).fail(code, desc)


def snapshot(driver: Driver, volume: Volume, name: str, at: float, tar: str = "") -> float:
    """CreateSnapshot of *volume*.  Returns when it ended."""
    handle = volume.id(driver.version)
    call = Call(driver, at, "Controller/CreateSnapshot", volume.name, {"name": name, "source_volume_id": handle})
    kept = Volume(
        name, volume.claim, volume.parameters, handle=f"{volume.server}#{volume.share[1:]}#{name}#{name}#{volume.name}"
    )
    call.internal_mount(kept, ())
    call.internal_mount(volume, ())
    archive = f"{kept.internal}/{name}/{volume.name}.tar.gz"
    verb = "tar" if driver.since("v4.9.0") else "archiving"
    call.say("tar", f"{verb} {volume.internal}/{volume.subdir} -> {archive}", seconds=1)
    call.internal_unmount(volume)
    call.internal_unmount(kept)
    if tar:
        return call.fail("Internal", f"failed to create archive for snapshot: {tar}")
    return call.ok({"snapshot": {"ready_to_use": True, "snapshot_id": kept.handle, "source_volume_id": handle}})
