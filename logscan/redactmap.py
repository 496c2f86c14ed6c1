"""The reverse map of a redaction: a file that stays where the log came from."""

from __future__ import annotations

import json
from pathlib import Path

from logscan import filing
from logscan.errors import LogscanError
from logscan.pseudonyms import KEY_BYTES, Pseudonyms

SCHEMA = "logscan.redaction-map/v1"
_HELP = "give a map that `logscan redact --map` wrote, or a name that is free"


def load(path: str) -> Pseudonyms | None:
    """The pseudonyms of an earlier run; None if there is no such file yet.

    Raises:
        LogscanError: it cannot be read, or is no map.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LogscanError(path, str(error.strerror or error).lower(), "check the path") from error
    try:
        value = json.loads(data)
        key, names = bytes.fromhex(value["key"]), value["names"]
        wrong = value["schema"] != SCHEMA or len(key) != KEY_BYTES
        wrong = wrong or not all(isinstance(text, str) for text in names.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LogscanError(path, "is no map of a redaction", _HELP) from error
    if wrong:
        raise LogscanError(path, f"is no map of a redaction ({SCHEMA})", _HELP)
    return Pseudonyms(key, names)


def save(path: str, pseudonyms: Pseudonyms) -> None:
    """Write a map that nobody but its owner can read; until it is complete the old one stays.

    Raises:
        LogscanError: it cannot be written.
    """
    value = {"schema": SCHEMA, "key": pseudonyms.key.hex(), "names": pseudonyms.originals}
    text = json.dumps(value, indent=1) + "\n"
    filing.save(path, lambda file: file.write(text), private=True)
