"""An S3 API on this machine, which the tests of URLs and of clusters fill and read."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer

KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@contextmanager
def serving() -> Iterator[dict[str, str]]:
    """Serve an empty store; yields the environment by which clients find it, which is set here too."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {**KEYS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    try:
        yield environment
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        server.stop()


def put(url: str, data: bytes) -> None:
    """Write one object."""
    import fsspec

    store, path = fsspec.core.url_to_fs(url)
    store.makedirs(path.partition("/")[0], exist_ok=True)
    store.pipe_file(path, data)
