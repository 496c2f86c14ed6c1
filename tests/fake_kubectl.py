"""A kubectl that replays recorded outputs by its arguments, and writes down what it was asked."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

# In sh, for it is started some hundred times.  \037 stands between the arguments.
_SCRIPT = """#!/bin/sh
here={here}
line=; plain=
for one in "$@"; do
    line="$line$one\037"
    case "$one" in --context=*|--kubeconfig=*|--as=*) ;; *) plain="$plain${{plain:+ }}$one" ;; esac
done
printf '%s\\n' "$line" >> "$here/asked"
answer="$here/answers/$(echo "$plain" | tr / _)"
[ -d "$answer" ] || answer="$here/answers/${{plain%% *}} @any"
if ! [ -d "$answer" ]; then
    echo "Error from server (NotFound): nothing is recorded for $plain" >&2
    exit 1
fi
cat "$answer/out"
cat "$answer/err" >&2
read -r seconds status < "$answer/how"
[ "$seconds" = 0 ] || sleep "$seconds"
exit "$status"
"""


class FakeKubectl:
    """The program at ``path``; ``answers`` is by the arguments without options of connection, or "VERB *" for all others.

    An answer is {"out", "err", "status", "sleep" (seconds)}.
    """

    def __init__(self, directory: Path, answers: dict[str, dict[str, object]]) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.path = directory / "kubectl"
        self.path.write_text(_SCRIPT.format(here=shlex.quote(str(directory))))
        self.path.chmod(0o755)
        self.answers = answers
        self.write()

    def write(self) -> None:
        """Put the answers where the program finds them."""
        place = self.directory / "answers"
        shutil.rmtree(place, ignore_errors=True)
        for args, said in self.answers.items():
            answer = place / args.replace("/", "_").replace(" *", " @any")
            answer.mkdir(parents=True)
            (answer / "out").write_text(str(said.get("out", "")))
            (answer / "err").write_text(str(said.get("err", "")))
            (answer / "how").write_text(f"{said.get('sleep', 0)} {said.get('status', 0)}\n")

    @property
    def asked(self) -> list[list[str]]:
        """The arguments of each call."""
        file = self.directory / "asked"
        return [line.split("\037")[:-1] for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def lines(self) -> list[str]:
        """The same as a shell would be given them."""
        return [shlex.join(("kubectl", *args)) for args in self.asked]
