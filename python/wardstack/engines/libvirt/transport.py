"""One persistent OpenSSH connection per host, built from the inventory's own connection variables.

OpenSSH itself is used, not a library, because a site's ``ansible_ssh_common_args``
(jump hosts, a ProxyCommand into the lab's network namespace) must mean the
same here as it does to Ansible.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from wardstack.engines.base import EngineError, Problem

CONNECT_TIMEOUT_S = 10
"""A host on the same network that has not answered by then will not."""

T = TypeVar("T")

SSH_FAILED = 255
"""ssh's own exit status; a remote command never ends with it here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How to reach one host.

    Attributes:
        name: name in the inventory.
        address: what ssh connects to.
        user: remote user; any other than root needs passwordless sudo.
        key: private key file, None for ssh's own choice.
        port: TCP port.
        arguments: further ssh arguments, as Ansible's ``ansible_ssh_common_args`` splits them.
    """

    name: str
    address: str
    user: str = "root"
    key: str | None = None
    port: int = 22
    arguments: tuple[str, ...] = ()

    @classmethod
    def from_variables(cls, name: str, variables: Mapping[str, Any]) -> Connection:
        """Read Ansible's connection variables of one host (already rendered, no templates left)."""
        key = variables.get("ansible_ssh_private_key_file")
        arguments = [
            *shlex.split(str(variables.get("ansible_ssh_common_args") or "")),
            *shlex.split(str(variables.get("ansible_ssh_extra_args") or "")),
        ]
        return cls(
            name=name,
            address=str(variables.get("ansible_host") or name),
            user=str(variables.get("ansible_user") or "root"),
            key=str(key) if key else None,
            port=int(variables.get("ansible_port") or 22),
            arguments=tuple(arguments),
        )


@dataclass(frozen=True, slots=True)
class Result:
    """How a remote command ended."""

    status: int
    stdout: str
    stderr: str


class Transport:
    """Runs commands on hosts over one shared connection each; a context manager that ends them all.

    Args:
        connections: the hosts.
        binary: the ssh program; tests name another.
    """

    def __init__(self, connections: Iterable[Connection], binary: str = "ssh") -> None:
        self.connections = {connection.name: connection for connection in connections}
        self._binary = binary
        self._locks = {name: threading.Lock() for name in self.connections}
        self._used: set[str] = set()
        # Not below the site's state directory: a control socket's path may have 107 bytes at most (sun_path),
        # and ssh appends 17 of its own while it makes one.
        self._sockets = Path(tempfile.mkdtemp(prefix="wardstack-ssh-"))

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def command(self, host: str, remote: str) -> list[str]:
        """The ssh command line that runs a shell command on a host as root."""
        c = self.connections[host]
        line = [self._binary, "-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}"]
        line += ["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-o", "LogLevel=ERROR"]
        line += ["-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", f"ControlPath={self._sockets}/{host}"]
        line += ["-p", str(c.port)]
        if c.key:
            line += ["-i", c.key, "-o", "IdentitiesOnly=yes"]
        line += [*c.arguments, f"{c.user}@{c.address}"]
        return [*line, remote if c.user == "root" else f"sudo -n sh -c {shlex.quote(remote)}"]

    def run(self, host: str, script: str, stdin: bytes = b"", timeout_s: float = 60) -> Result:
        """Run a shell script on one host and wait for its end.

        Raises:
            EngineError: the host cannot be reached, or the time is over.
        """
        lines: list[str] = []
        status, stderr = self.stream(host, script, [stdin], lines.append, timeout_s)
        return Result(status, "".join(lines), stderr)

    def run_many(
        self, hosts: Iterable[str], script: str, stdin: bytes = b"", timeout_s: float = 60
    ) -> dict[str, Result | EngineError]:
        """Run the same script on several hosts at once; a host that fails has its error as result."""

        def one(host: str) -> Result | EngineError:
            try:
                return self.run(host, script, stdin, timeout_s)
            except EngineError as error:
                return error

        return in_parallel(hosts, one)

    def stream(
        self,
        host: str,
        script: str,
        stdin: Iterable[bytes],
        on_line: Callable[[str], None],
        timeout_s: float,
    ) -> tuple[int, str]:
        """Run a script, feeding it blocks of bytes and handing out its lines as they come.

        Returns:
            Exit status, and what it wrote to standard error.

        Raises:
            EngineError: the host cannot be reached, or the time is over.
        """
        self.connect(host)
        command = self.command(host, script)
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdin and process.stdout and process.stderr
        late = threading.Event()

        def expire() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout_s, expire)
        errors: list[bytes] = []
        feeder = threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True)
        reader = threading.Thread(target=_drain, args=(process.stderr, errors), daemon=True)
        for thread in (timer, feeder, reader):
            thread.start()
        try:
            for line in process.stdout:
                on_line(line.decode(errors="replace"))
            status = process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                process.kill()
                process.wait()
        reader.join(timeout=5)
        stderr = b"".join(errors).decode(errors="replace").strip()
        if late.is_set():
            raise EngineError(
                Problem(host, f"did not finish within {timeout_s:.0f} s", f"Log in and look: {_login(command)}")
            )
        if status == SSH_FAILED:
            raise self._unreachable(host, stderr)
        return status, stderr

    def connect(self, host: str) -> None:
        """Open the shared connection, unless it is open. Two at once would make two, hence the lock.

        Raises:
            EngineError: the host cannot be reached.
        """
        with self._locks[host]:
            if host not in self._used:
                self._connect(host)

    def _connect(self, host: str) -> None:
        command = self.command(host, "exit 0")
        # The master stays in the background with our pipes open, so output goes to a file, not to a pipe.
        with tempfile.TemporaryFile() as output:
            try:
                status = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=3 * CONNECT_TIMEOUT_S,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                raise self._unreachable(host, f"no answer within {3 * CONNECT_TIMEOUT_S} s") from None
            output.seek(0)
            text = output.read().decode(errors="replace").strip()
        if status != 0:
            raise self._unreachable(host, text)
        self._used.add(host)

    def _unreachable(self, host: str, text: str) -> EngineError:
        c = self.connections[host]
        why = text.splitlines()[-1] if text else "no answer"
        return EngineError(
            Problem(
                host,
                f"cannot be reached by ssh as {c.user} at {c.address} port {c.port} ({why})",
                "Is it switched on, and are ansible_host, ansible_user and the key in the inventory right? "
                f"Try: {_login(self.command(host, 'true'))}",
            )
        )

    def close(self) -> None:
        """End the shared connections and remove their sockets."""
        for host in sorted(self._used):
            c = self.connections[host]
            command = [self._binary, "-O", "exit", "-o", f"ControlPath={self._sockets}/{host}", "-p", str(c.port)]
            subprocess.run([*command, f"{c.user}@{c.address}"], capture_output=True, timeout=10, check=False)
        self._used.clear()
        shutil.rmtree(self._sockets, ignore_errors=True)


def in_parallel(items: Iterable[str], work: Callable[[str], T]) -> dict[str, T]:
    """Call ``work`` for each item in its own thread; results keep the order of the items."""
    names = list(items)
    if not names:
        return {}
    with ThreadPoolExecutor(max_workers=min(len(names), 32)) as pool:
        return dict(zip(names, pool.map(work, names), strict=True))


def _feed(pipe: IO[bytes], blocks: Iterable[bytes]) -> None:
    """Write blocks into a process; one that ends early simply stops reading."""
    try:
        for block in blocks:
            pipe.write(block)
        pipe.close()
    except (BrokenPipeError, OSError, ValueError):
        return


def _drain(pipe: IO[bytes], into: list[bytes]) -> None:
    for block in pipe:
        into.append(block)


def _login(command: list[str]) -> str:
    """The command line that a person would type for the same login."""
    kept: list[str] = []
    skip = False
    for index, word in enumerate(command[:-1]):
        if skip:
            skip = False
            continue
        following = command[index + 1] if index + 1 < len(command) else ""
        if word == "-o" and not following.startswith("ProxyCommand"):
            skip = True
            continue
        if word != "-T":
            kept.append("ssh" if index == 0 else word)
    return shlex.join(kept)
