"""What the driver's words mean: any text is understood or not, and what is found stands in it."""

from __future__ import annotations

from logscan import csi, rpc, shapes


def one(data: bytes) -> None:
    """Ask every question about any text."""
    text = data.decode("utf-8", "replace")
    head, _, rest = text.partition("\n")
    if (volume := csi.parse_volume_id(head)) is not None:
        assert volume.server in head
        assert volume.volume in head
    target = csi.parse_path(head)
    assert target.volume in head
    subject = csi.subject_of(text)
    assert subject.target in text
    if (mount := csi.parse_mount(text)) is not None:
        assert mount.server in text
        assert mount.target in text
        assert csi.mount_version(mount.options)
        csi.split_source(mount.source)
    if (status := csi.parse_status(text)) is not None:
        assert status.innermost in text
        assert rpc.method_of_text(status.desc) is not None
    for ask in (
        csi.kubelet_dir, csi.names_source, csi.kubelet_operation, csi.other_driver, csi.volume_in, csi.mount_flavour,
        csi.server_kind, csi.errno_in, csi.banner_version, csi.version_key, rpc.read_json, rpc.mount_body,
    ):  # fmt: skip
        ask(text)
    csi.version_matches(head, rest[:100])
    csi.version_span([head, rest])
    body = rpc.read_json(text)
    rpc.methods_of_request(body)
    shape = shapes.template(text)
    assert shapes.fits(text, shape)
    fingerprint = csi.Fingerprint()
    fingerprint.see("utils.go", len(text), text)
    fingerprint.versions()
