"""NFS servers that are no machine one can log in to: what their name proves, and the means they have instead.

Rules advise what helps on a Linux server: /etc/exports, exportfs, systemctl.  A managed file system has none of
them, so where the server's own name proves one, the causes are said in its terms.  A name under a provider's
domain is proof: nobody else can give it.  A host that is called "truenas" only says so, and is told so.
What is told of services is general knowledge of them, not of this driver's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from logscan import csi
from logscan.model import Cause, Remedy

MAX_NAME = 253  # characters of a host, as DNS has it

# Which of a service's means a cause calls for.
_MEANS: Mapping[str, str] = {
    "client-not-allowed": "admit", "mount-eperm": "admit", "path-not-exported": "path", "path-missing-on-server": "path",
    "wrong-share-path": "path", "export-read-only": "write", "root-squash": "root", "chmod-not-permitted": "root",
    "fsgroup-failed": "root", "delete-failed": "root", "nfs-version-mismatch": "version", "statd-missing": "version",
    "server-unreachable": "reach", "server-refused": "reach", "dns": "name", "no-space": "space", "kerberos-auth": "security",
    "tls-auth": "security", "stale-handle": "gone", "io-error": "state", "mount-eagain": "state",
}  # fmt: skip
# A cause and a summary for each of the means, where those of the rule speak of what the service has not.
_SAID: Mapping[str, tuple[str, str]] = {
    "admit": ("the access rules of {server} do not admit this client", "Let the access rules of {server} admit the nodes."),
    "path": ("{path} is no path that {server} offers", "Set share to a path that {server} has."),
    "write": ("{server} gives this client no right to write", "Give the nodes the right to write on {server}."),
    "root": ("{server} does not let the driver's root act as root", "Let root of the nodes act as root on {server}."),
    "version": ("{server} does not speak the NFS version that is asked for", "Mount with a version that {server} speaks."),
    "reach": ("the nodes do not reach {server}", "Let every node reach {server}."),
    "name": ("the name {server} does not resolve", "Let the name of {server} resolve on every node."),
    "space": ("{server} has no room left, or a quota is used up", "Give {server} more room, or remove data."),
    "security": ("{server} does not know the security that the mount options ask for", "Drop it from mountOptions."),
    "gone": ("{server} no longer knows the handle of what is mounted", "Delete the pods that use the volume, so that it is mounted afresh."),
    "state": ("{server} answers with an error of its own", "Look at the state of {server} in its console."),
    "": ("{server} refuses what is asked of it", "Look at the state of {server} in its console."),
}  # fmt: skip

# What is done on a Linux server and nowhere else, and what only such a one answers.
_ON_SERVER = re.compile(
    r"exportfs|/etc/exports|/etc/nfs|on \{server\}|on the server|showmount|rpcinfo|nfs-server|\bnfsd\b|/proc/fs/nfsd|rpcbind|mountd"
    r"|[Ee]xports?\b|no_root_squash|\bfsid|anonuid|idmapd|nfsdcld|firewall|chattr|ausearch|nfs\.conf|\b111\b|the squash|squashed user"
    r"|disk error|A pattern like"
)
# An appliance answers showmount and rpcinfo, and most can be logged in to; what it exports is made by its own pages.
_BY_PAGES = re.compile(r"exportfs|/etc/exports|nfs-server|/proc/fs/nfsd|nfs\.conf|nfsdcld|idmapd|firewall-cmd")
_RELOAD = re.compile(r"^Reload the exports\. ")


@dataclass(frozen=True, slots=True)
class Service:
    """One kind of server.

    Attributes:
        name: as its maker calls it.
        host: what the whole name of the server matches; its groups are names for the commands.
        proven: the name proves it; else it only says so.
        means: for each of the means one sentence or more, of what to do.
        commands: for each of the means, to look with; "" for those of all others.
        foreign: what of a rule's advice does not hold for it.
        never: categories that it cannot have.
        versions: of NFS that it speaks, as mount options write them; empty: whatever is asked for.
    """

    name: str
    host: re.Pattern[str]
    means: Mapping[str, tuple[str, ...]]
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    proven: bool = True
    foreign: re.Pattern[str] = _ON_SERVER
    never: frozenset[str] = frozenset()
    versions: frozenset[str] = frozenset()


def _under(domain: str, host: str = r"(?:[\w-]+\.)*(?P<file_system>[\w-]+)") -> re.Pattern[str]:
    return re.compile(rf"(?i){host}\.{domain}")


def _of_account(kind: str) -> re.Pattern[str]:
    """A host of a storage account of Azure's, in each of its clouds."""
    clouds = r"(?:core\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn|cloudapi\.de)|storage\.azure\.net)"
    return _under(rf"(?:privatelink\.)?{kind}\.{clouds}", r"(?P<account>[\w-]+)(?:\.z[0-9]+)?")


def _called(words: str) -> re.Pattern[str]:
    """A host whose first label is, or holds as a word of its own, one of *words*."""
    return re.compile(rf"(?i)(?:[\w-]*[-_])?(?P<product>{words})[0-9]*(?:[-_][\w-]*)?(?:\.[\w-]+)*")


_EFS = "aws efs describe-mount-targets --file-system-id {file_system} --region {region}"
_EFS_POLICY = "aws efs describe-file-system-policy --file-system-id {file_system} --region {region}"
_FSX = "aws fsx describe-file-systems --file-system-ids {file_system} --region {region}"
_FSX_VOLUMES = "aws fsx describe-volumes --filters Name=file-system-id,Values={file_system} --region {region}"
_AZURE = "az storage account show --name {account} --query '[enableHttpsTrafficOnly,networkRuleSet,privateEndpointConnections[].id]'"
_AZURE_SHARE = (
    "az storage share-rm list --storage-account {account} --query '[].[name,enabledProtocols,rootSquash,shareQuota]'"
)
_ONTAP_RULES = "vserver export-policy rule show -vserver <svm> -policyname <policy>    # in ONTAP's shell"
_ONTAP_MEANS = {
    "admit": (
        "Clients are admitted by the rules of the export policy of the volume, and of those of the volumes above it in the path.",
        "Add a rule with the nodes' network as clientmatch and sys for rorule and rwrule.",
    ),
    "path": ("share is the junction path of the volume, as volume show -fields junction-path lists it.",),
    "write": ("The export policy's rule for the nodes needs sys in rwrule; the volume may not be a data protection copy.",),
    "root": ("The export policy's rule for the nodes needs sys in superuser; without it root is mapped to its anon user.",),
    "version": ("vserver nfs show tells which versions are on; pin one of them in mountOptions.",),
    "reach": ("A data LIF of the SVM must be up, and TCP port 2049 open to every node (NFSv3 also 111 and 635, 4045, 4046).",),
    "name": ("The name is that of a data LIF: look it up on a node.",),
    "space": ("volume show-space and quota report tell what is full.",),
    "security": ("The flavour must be in rorule, rwrule and superuser of the export policy's rule, and be set up for the SVM.",),
    "gone": ("A volume that was restored, moved or mounted anew in the namespace may have other handles.",),
}  # fmt: skip
_ONTAP_COMMANDS = {
    "": (_ONTAP_RULES,),
    "path": ("volume show -vserver <svm> -fields junction-path,policy    # in ONTAP's shell",),
    "version": ("vserver nfs show -vserver <svm> -fields v3,v4.0,v4.1    # in ONTAP's shell",),
}

SERVICES: tuple[Service, ...] = (
    Service(
        "Amazon EFS",
        _under(r"efs\.(?P<region>[\w-]+)\.amazonaws\.com(?:\.cn)?"),
        {
            "admit": (
                "It has no list of clients: who may mount is said by the file system policy (elasticfilesystem:ClientMount).",
                "A policy that demands TLS or an IAM identity refuses every mount of this driver, which offers neither.",
            ),
            "path": (
                ('The root of the file system is share "/". A directory below it must exist before it is mounted;'
                " the driver makes directories of volumes itself, below share."),
            ),
            "write": (
                "Without elasticfilesystem:ClientWrite in the file system policy a client reads only.",
            ),
            "root": (
                ("Root stays root unless the file system policy does not grant elasticfilesystem:ClientRootAccess;"
                " then the owner and the mode of the directory decide."),
            ),
            "version": ("It speaks NFSv4.0 and 4.1: set nfsvers=4.1 in mountOptions. NFSv3 and 4.2 are not there.",),
            "reach": (
                ("It needs a mount target in the nodes' VPC (best in each of their zones), whose security group lets in"
                " TCP port 2049 from the nodes' security group."),
            ),
            "name": (
                ("The name resolves in the VPC that has a mount target, with DNS resolution and DNS hostnames switched on;"
                " from elsewhere use the mount target's address, or forward the name."),
            ),
            "space": ("It grows by itself; a quota or a limit of the file system is met.",),
            "security": ("It knows sec=sys alone; TLS needs the mount helper of amazon-efs-utils, which this driver does not use.",),
            "gone": ("A file system or a directory that was deleted and made anew has other handles.",),
            "state": ("Its state and limits (throughput, locks, open files) are in the console and in CloudWatch.",),
        },
        {"": (_EFS,), "admit": (_EFS_POLICY,), "write": (_EFS_POLICY,), "root": (_EFS_POLICY,)},
        never=frozenset({"wrong-share-path"}),
        versions=frozenset({"auto", "4", "4.0", "4.1"}),
    ),
    Service(
        "Amazon FSx for NetApp ONTAP",
        _under(r"fsx\.(?P<region>[\w-]+)\.amazonaws\.com(?:\.cn)?", r"(?:[\w-]+\.)*(?P<svm>[\w-]+)\.(?P<file_system>[\w-]+)"),
        {**_ONTAP_MEANS, "reach": ("The security group of the file system must let in TCP port 2049 from the nodes (NFSv3 also 111 and 635, 4045, 4046).",)},
        {**_ONTAP_COMMANDS, "reach": (_FSX,), "path": (_FSX_VOLUMES,), "space": (_FSX_VOLUMES,), "state": (_FSX,), "gone": (_FSX_VOLUMES,)},
    ),
    Service(
        "Amazon FSx for OpenZFS",
        _under(r"fsx\.(?P<region>[\w-]+)\.amazonaws\.com(?:\.cn)?", r"(?P<file_system>[\w-]+)"),
        {
            "admit": ("Who may mount is said by the NFS client configurations of the volume, which update-volume sets.",),
            "path": ("share is the path of a volume, such as /fsx or /fsx/NAME.",),
            "write": ("The client configuration of the volume must say rw for the nodes, and the volume not be read-only.",),
            "root": ("The client configuration of the volume needs the option no root squash for the nodes.",),
            "version": ("It speaks NFSv3, 4.0, 4.1 and 4.2: pin one in mountOptions.",),
            "reach": ("The security group of the file system must let in TCP port 2049 from the nodes (NFSv3 also 111 and 20001 to 20003).",),
            "name": ("The name resolves in the VPC of the file system, with DNS resolution and DNS hostnames switched on.",),
            "space": ("Raise the storage capacity of the file system, or the quota of the volume.",),
            "security": ("It knows sec=sys alone.",),
            "gone": ("A volume that was deleted or restored has other handles.",),
            "state": ("Its state is in the console and in CloudWatch.",),
        },
        {"": (_FSX_VOLUMES,), "reach": (_FSX,), "name": (_FSX,), "state": (_FSX,)},
    ),
    Service(
        "Azure Files",
        _of_account("file"),
        {
            "admit": (
                ("An NFS share has no list of clients: the network of the storage account decides. Let in the nodes' subnet"
                " by a private endpoint, or by a virtual network rule with a service endpoint."),
                ("Where the account demands secure transfer, a mount without encryption is refused: switch that off for NFS,"
                " or use what encrypts, which this driver does not."),
            ),
            "path": ("share has the form /{account}/SHARE, with the storage account's name first.",),
            "write": ("Look at the state of the share and of its account: locked, or a snapshot that is mounted?",),
            "root": ("Root squash is a property of the share: set it to NoRootSquash.",),
            "version": ("It speaks NFSv4.1 alone: set nfsvers=4.1 in mountOptions. The share must be made for NFS, in a premium account of files.",),
            "reach": (
                ("It is not reached by NFS over the Internet: the nodes need a private endpoint, or a service endpoint of their"
                " subnet, and TCP port 2049 must be open in their network security group."),
            ),
            "name": ("With a private endpoint, the private DNS zone of its kind must be linked to the nodes' network.",),
            "space": ("Raise the provisioned size of the share (its quota).",),
            "security": ("It knows sec=sys alone; encryption in transit needs a mount helper that this driver does not use.",),
            "gone": ("A share that was deleted and made anew, or restored, has other handles.",),
            "state": ("Its state and limits (IOPS, throughput) are among the metrics of the storage account.",),
        },
        {"": (_AZURE,), "path": (_AZURE_SHARE,), "root": (_AZURE_SHARE,), "space": (_AZURE_SHARE,), "write": (_AZURE_SHARE,), "version": (_AZURE_SHARE,), "gone": (_AZURE_SHARE,)},
        versions=frozenset({"auto", "4", "4.1"}),
    ),
    Service(
        "Azure Blob Storage",
        _of_account("blob"),
        {
            "admit": (
                ("A container has no list of clients: the network of the storage account decides. Let in the nodes' subnet"
                " by a private endpoint, or by a virtual network rule with a service endpoint."),
            ),
            "path": ("share has the form /{account}/CONTAINER, with the storage account's name first; NFS must be on for the account.",),
            "write": ("Look at the state of the container and of its account: locked, or under an immutability policy?",),
            "root": ("Root squash is a property of the container.",),
            "version": ("It speaks NFSv3 alone: set nfsvers=3 and nolock in mountOptions.",),
            "reach": ("It is not reached by NFS over the Internet: the nodes need a private or a service endpoint, and its ports open in their network security group.",),
            "name": ("With a private endpoint, the private DNS zone of its kind must be linked to the nodes' network.",),
            "space": ("A limit of the storage account is met.",),
            "security": ("It knows sec=sys alone.",),
            "gone": ("A container that was deleted and made anew has other handles.",),
            "state": ("Its state and limits are among the metrics of the storage account.",),
        },
        {"": (_AZURE,)},
        versions=frozenset({"auto", "3"}),
    ),
    Service("NetApp ONTAP", _called("netapp|ontap"), _ONTAP_MEANS, _ONTAP_COMMANDS, proven=False),
    Service(
        "Synology",
        _called("synology|diskstation|rackstation"),
        {
            "admit": ("Add the nodes' network in Control Panel > Shared Folder > Edit > NFS Permissions.",),
            "path": ("share is the path that the page NFS Permissions shows, such as /volume1/NAME.",),
            "write": ("The rule in NFS Permissions must give Read/Write.",),
            "root": ("In the rule in NFS Permissions set Squash to No mapping, or give the folder to whom root is mapped to.",),
            "version": ("The highest version is set in Control Panel > File Services > NFS.",),
            "reach": ("NFS is switched on in Control Panel > File Services > NFS; look at the firewall there, too.",),
        },
        proven=False,
        foreign=_BY_PAGES,
    ),
    Service(
        "QNAP",
        _called("qnap"),
        {
            "admit": ("Add the nodes' network in Control Panel > Shared Folders > Edit Shared Folder Permissions > NFS host access.",),
            "path": ("share is the path that the page NFS host access belongs to, such as /NAME or /share/NAME.",),
            "write": ("The host's permission in NFS host access must be read/write.",),
            "root": ("In NFS host access let no users be squashed, or give the folder to whom root is mapped to.",),
            "version": ("The versions are set in Control Panel > Network & File Services > NFS Service.",),
            "reach": ("NFS is switched on in Control Panel > Network & File Services > NFS Service.",),
        },
        proven=False,
        foreign=_BY_PAGES,
    ),
    Service(
        "TrueNAS",
        _called("truenas|freenas"),
        {
            "admit": ("Add the nodes' network to Networks of the share in Shares > Unix (NFS) Shares; no entry at all admits everybody.",),
            "path": ("share is the path of a share in Shares > Unix (NFS) Shares, such as /mnt/POOL/DATASET; each dataset needs its own.",),
            "write": ("The share must not be marked read only, nor the dataset.",),
            "root": ("Set Maproot User to root in the share's advanced options, or give the dataset to whom root is mapped to.",),
            "version": ("The versions are set in the settings of the NFS service.",),
            "reach": ("The NFS service must run and start by itself: see Services.",),
        },
        proven=False,
        foreign=_BY_PAGES,
    ),
)  # fmt: skip
_BY_NAME = {service.name: service for service in SERVICES}
# Kinds of stand-ins, which go on saying what the name of such a host says.
PRODUCTS = ("netapp", "ontap", "synology", "diskstation", "rackstation", "qnap", "truenas", "freenas")


@lru_cache(maxsize=1024)
def of(server: str) -> tuple[Service, Mapping[str, str]] | None:
    """The service that a server's name proves, or says, with the names in it; None if it does neither."""
    if len(server) > MAX_NAME:
        return None
    for service in SERVICES:
        if found := service.host.fullmatch(server.rstrip(".")):
            return service, {key: value for key, value in found.groupdict().items() if value}
    return None


def is_proven(server: str) -> bool:
    """Whether a server's name proves that it is a managed service."""
    known = of(server)
    return known is not None and known[0].proven


def fitted(causes: Sequence[Cause], names: dict[str, str]) -> list[Cause]:
    """The causes in the terms of the service that ``names["server"]`` is of, and its own names added to *names*.

    They stay as they are where the name proves nothing, save for a hint where the path of the share gives one.
    """
    known = of(names.get("server", ""))
    if known is None:
        appliance = _by_share(names.get("share", ""))
        return [_hinted(cause, appliance) if appliance else cause for cause in causes]
    service, own = known
    for key, value in own.items():
        names.setdefault(key, value)
    left = [cause for cause in causes if cause.category not in service.never] or list(causes)
    if left[0] is not causes[0] and left[0].confidence == "low":
        left[0] = replace(left[0], confidence="medium")  # what was likelier is ruled out
    return [*_wrong_version(left[0], service, names), *(_fit(cause, service.name) for cause in left)]


# What a mount may meet by a version that the server does not speak.
_BY_VERSION = frozenset({
    "nfs-version-mismatch", "statd-missing", "server-refused", "server-unreachable", "client-not-allowed", "mount-failed",
    "deadline-exceeded", "insufficient-evidence", "mount-eperm", "io-error",
})  # fmt: skip


def _wrong_version(first: Cause, service: Service, names: Mapping[str, str]) -> Iterator[Cause]:
    """The cause that comes before all others where the mount asks for a version of NFS that the service does not speak."""
    options = names.get("options")
    if options is None or not service.versions or first.category not in _BY_VERSION:
        return
    if (version := csi.mount_version(options)) in service.versions:
        return
    told = _fit(Cause("nfs-version-mismatch", "", remedy=Remedy("", (), ())), service.name)
    yield replace(
        told,
        cause=f"the mount options ask for NFSv{version} ({{options}}), which {service.name} does not speak",
        confidence="high" if first.category in {"nfs-version-mismatch", "statd-missing"} else "medium",
        remedy=replace(told.remedy, steps=(*told.remedy.steps, *_CLASS_STEPS), commands=_CLASS_COMMANDS),
    )


_CLASS_STEPS = (
    "StorageClass parameters and mountOptions are immutable: save the class, edit it, delete it, apply it again.",
    "Existing PersistentVolumes keep the old value; delete and recreate those that must change.",
    "A Pending claim is retried with growing pauses; delete and recreate it to try at once.",
)
_CLASS_COMMANDS = (
    "kubectl get storageclass {storageclass} -o yaml > storageclass.yaml",
    "kubectl delete storageclass {storageclass}",
    "kubectl apply -f storageclass.yaml",
)


# How appliances name the directories that they export: a hint, and no more.
_SHARES = (
    (re.compile(r"/volume[1-9](?:/.*)?"), "Synology"),
    (re.compile(r"/share/CACHEDEV[1-9]_DATA(?:/.*)?"), "QNAP"),
)


def _by_share(share: str) -> str:
    return next((name for pattern, name in _SHARES if pattern.fullmatch(share)), "")


@lru_cache(maxsize=4096)
def _hinted(cause: Cause, name: str) -> Cause:
    """The cause with what to do on an appliance before what to do on any other server."""
    told = _BY_NAME[name].means.get(_MEANS.get(cause.category, ""), ())
    if not told:
        return cause
    says = f"{{share}} is a path as a {name} names them; if {{server}} is one, its own administration decides:"
    first = f"{says} {told[0][0].lower() if told[0].startswith(('Add ', 'In ', 'The ')) else told[0][0]}{told[0][1:]}"
    return replace(cause, remedy=replace(cause.remedy, steps=(first, *told[1:], *cause.remedy.steps)))


@lru_cache(maxsize=4096)
def _fit(cause: Cause, name: str) -> Cause:
    service = _BY_NAME[name]
    means = _MEANS.get(cause.category, "")
    if means not in service.means:
        means = ""
    said, summary = _SAID[means]
    old, foreign = cause.remedy, service.foreign
    told = service.means.get(means, ())
    whole = (cause.cause, *cause.confirm, old.summary, *old.steps, *old.commands)
    if not told and not any(foreign.search(text) for text in whole):
        return cause
    look = (service.commands.get(means) or service.commands.get("", ())) if means else ()
    steps = [_RELOAD.sub("", step) for step in old.steps]
    confirm = (*look, *(one for one in cause.confirm if not foreign.search(one)))
    return replace(
        cause,
        cause=said if foreign.search(cause.cause) else cause.cause,
        confirm=tuple(dict.fromkeys(confirm)),
        remedy=Remedy(
            summary if foreign.search(old.summary) or (told and service.proven) else old.summary,
            (_proof(service), *told, *(step for step in steps if not foreign.search(step))),
            tuple(one for one in old.commands if not foreign.search(one)),
            old.manifest,
        ),
    )


def _proof(service: Service) -> str:
    if service.proven:
        return f"By its name {{server}} is {service.name}: there is nothing to log in to. Its own settings decide, and what it holds is seen by mounting it."
    return f"By its name {{server}} is a {service.name}; if so, its own administration decides, and overwrites what is edited by hand."


# ---------------------------------------------------------------- names that are to be hidden


def hidden(server: str) -> tuple[str, str] | None:
    """The part of a provider's name that is a customer's, and the part that is not; None for all other names."""
    known = of(server)
    if known is None or not known[0].proven:
        return None
    service = known[0]
    # The last of its groups before the provider's domain is the one that names the file system or the account.
    found = service.host.fullmatch(server.rstrip("."))
    assert found is not None
    end = found.end("account" if "account" in found.re.groupindex else "file_system")
    return server[:end], server[end:]


def product(label: str) -> str:
    """The product that a host is called after, "" if it is called after none."""
    known = of(label)
    found = None if known is None else known[1].get("product")
    return found.lower() if found else ""


def texts() -> Iterator[str]:
    """All that is said here, as rules say theirs."""
    yield from (text for pair in _SAID.values() for text in pair)
    for service in SERVICES:
        yield _proof(service)
        for said in (*service.means.values(), *service.commands.values()):
            yield from said
