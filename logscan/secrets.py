"""Finds what opens a door: passwords, tokens, keys, and URLs that carry them."""

from __future__ import annotations

import re

GONE = "REDACTED"

_QUOTE = r"\\{0,7}[\"']"
_KEY = r"[\w./-]*(?:passw(?:or)?d|passwd|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|client[_-]?key|key[_-]?data|credentials?|signature)[\w./-]*"
_PAIR = re.compile(
    rf"(?i)(?P<key>(?<![\w./-]){_KEY})(?P<is>(?:{_QUOTE})?\s{{0,3}}[=:]\s{{0,3}}{_QUOTE}|=)(?P<value>[^\s\"',;&)\]}}\\]+)"
)
_PASSWORD = re.compile(r"(?i)(?<![\w-])(?P<key>(?:pass(?:word|phrase)|passwd)(?: is|:)\s+)(?P<value>[^\s\"',;)\]}\\]+)")
# Keys of names and places, not of the secret itself.
_NAMED = re.compile(r"(?i)(?:name|namespace|path|file|dir|type|kind|ttl|ref|count|expiry|expiration|seconds)s?$")
_SECRETS = re.compile(rf"(?P<before>{_QUOTE}[sS]ecrets{_QUOTE}\s?:\s?\{{)(?P<inner>[^{{}}]*)(?P<after>\}}?)")
_VALUE = re.compile(rf"(?P<before>:\s?{_QUOTE})(?P<value>[^\"'\\]+)")
_BEARER = re.compile(
    r"(?i)(?P<key>bearer\s+|authorization(?:\\{0,7}[\"'])?\s?[:=]\s?(?:\\{0,7}[\"'])?(?:(?:basic|digest|bearer|negotiate|token)\s+)?)(?P<value>[\w.~+/=-]{6,})"
)
_TOKEN = re.compile(
    r"eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?"  # JSON web tokens
    r"|(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}"
)
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,20}://)[^\s/@\"'\\<>]+@")
_BEGIN = re.compile(r"-----BEGIN [A-Z ]*(?:KEY|CERTIFICATE)-----")
_END = re.compile(r"-----END [A-Z ]*(?:KEY|CERTIFICATE)-----")


class Secrets:
    """Takes secrets out of lines.  It remembers whether a key that fills many lines is open."""

    MAX_OPEN = 200  # lines; no key has more

    def __init__(self) -> None:
        self._open = 0

    def line(self, text: str) -> str:
        """The line with each secret replaced by a word."""
        if self._open or "-----BEGIN " in text:
            text = self._key(text)
        low = text.lower()
        if "secrets" in low:
            text = _SECRETS.sub(_inner, text)
        if "=" in text or ":" in text:
            if any(word in low for word in ("pass", "pwd", "secret", "token", "key", "credential", "signature")):
                text = _PASSWORD.sub(_value, _PAIR.sub(_value, text))
            if "authorization" in low:
                text = _BEARER.sub(_value, text)
        if "bearer" in low:
            text = _BEARER.sub(_value, text)
        if "://" in text:
            text = _URL.sub(lambda found: f"{found['scheme']}{GONE}@", text)
        return _TOKEN.sub(GONE, text)

    def _key(self, text: str) -> str:
        """Leave out what stands between the lines that begin and end a key, or of it what is in this line."""
        parts: list[str] = []
        at = 0
        while True:
            if not self._open:
                found = _BEGIN.search(text, at)
                if found is None:
                    return "".join([*parts, text[at:]])
                parts.append(text[at : found.end()])
                at, self._open = found.end(), self.MAX_OPEN
            found = _END.search(text, at)
            if found is None:
                self._open -= 1
                end = len(text.rstrip("\r\n"))
                return "".join([*parts, GONE if text[at:end].strip() else "", text[max(at, end) :]])
            parts.append(GONE if text[at : found.start()].strip("\\nr ") else text[at : found.start()])
            at, self._open = found.start(), 0
            parts.append(text[at : found.end()])
            at = found.end()


def _value(found: re.Match[str]) -> str:
    key = found["key"]
    if _NAMED.search(key.rstrip()) or found["value"].startswith(("***", "<")):
        return found[0]
    return f"{found[0][: found.start('value') - found.start()]}{GONE}"


def _inner(found: re.Match[str]) -> str:
    return found["before"] + _VALUE.sub(rf"\g<before>{GONE}", found["inner"]) + found["after"]
