#!/usr/bin/python
# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""Bring a batch of files, directories and links into the wanted state in one task.

Self-contained on purpose: it runs on the target, where only Python's standard library is at hand.

Carries out STD-10.2 (a run without a change changes nothing) and STD-10.3 (check mode tells the truth) for files.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
---
module: wardstack_files
short_description: Write many files, directories and links in one task
version_added: "1.0.0"
description:
  - Compares every entry with what is on the host, then changes only what differs.
  - A task costs more than a second on a host, several on an emulated guest, so a role hands over all files at once.
  - All entries are examined before the first change, so an impossible entry stops the task with nothing done.
  - Files are written beside their target, flushed to disk and renamed, so that no reader ever sees half a file.
  - Missing parent directories are made, owned by root, mode 0755. One that must be stricter is an entry of its own.
author:
  - Wardstack contributors
options:
  files:
    description: The entries, handled in the order given.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path on the host.
        type: path
        required: true
      state:
        description:
          - V(file) is a regular file with O(files[].content). A link in its place is replaced, a directory is an error.
          - V(directory) is a directory. A link to a directory counts as one.
          - V(link) is a symbolic link to O(files[].src). A file in its place is replaced, a directory is an error.
          - V(absent) removes a file, a link or an empty directory. A directory with content is an error.
        type: str
        choices: [file, directory, link, absent]
        default: file
      content:
        description: The whole text of the file, stored as UTF-8 exactly as given. Required for O(files[].state=file).
        type: str
      src:
        description: Where the link points, stored exactly as given. Required for O(files[].state=link).
        type: str
      mode:
        description: Four octal digits, quoted. By default V(0644) for files, V(0755) for directories.
        type: str
      owner:
        description: Name (or number) of the owning user.
        type: str
        default: root
      group:
        description: Name (or number) of the owning group.
        type: str
        default: root
      secret:
        description: The content is never shown, neither in the diff nor in logs.
        type: bool
        default: false
      validate:
        description:
          - Command that accepts (exit code 0) the new content before it takes effect, with V(%s) for the file's name.
          - In check mode it is left out when the command is not installed yet.
        type: str
attributes:
  check_mode:
    description: Reports truthfully what would change, also where users or parent directories do not exist yet.
    support: full
  diff_mode:
    description: Shows content, permissions and ownership before and after, but never secret content.
    support: full
"""

EXAMPLES = r"""
- name: Configure the tour guide
  wardstack_files:
    files:
      - path: /etc/guide/guide.conf
        content: "{{ lookup('ansible.builtin.template', 'guide.conf.j2') }}"
        validate: guide --check %s
      - path: /etc/guide/key
        content: "{{ lookup('site_secret', 'guide') }}"
        owner: guide
        group: guide
        mode: "0400"
        secret: true
      - path: /var/lib/guide
        state: directory
        owner: guide
        group: guide
        mode: "0750"
      - {path: /etc/resolv.conf, state: link, src: /run/systemd/resolve/resolv.conf}
      - {path: /etc/guide/old.conf, state: absent}
  register: guide_files
"""

RETURN = r"""
changed_paths:
  description: The paths that were, or in check mode would be, changed. M(wardstack_units) takes them as pending.
  returned: success
  type: list
  elements: str
  sample: [/etc/guide/guide.conf]
"""

ENTRY = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "default": "file", "choices": ["file", "directory", "link", "absent"]},
    # A file's content may be secret; the module itself keeps it out of every log, see main().
    "content": {"type": "str", "no_log": False},
    "src": {"type": "str"},
    "mode": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "secret": {"type": "bool", "default": False, "no_log": False},
    "validate": {"type": "str"},
}
ENTRY_RULES = [("state", "file", ["content"]), ("state", "link", ["src"])]
KINDS = ((stat.S_ISLNK, "link"), (stat.S_ISDIR, "directory"), (stat.S_ISREG, "file"))
TEMPORARY = ".wardstack-"


class QuietModule(AnsibleModule):  # type: ignore[misc]
    """A module that keeps its arguments out of the host's journal, as they may hold secrets."""

    def _log_invocation(self) -> None:
        # The constructor's no_log is overwritten by the task's; `content` marked as no_log would blank out every diff.
        return


class FilesError(Exception):
    """An entry that cannot be brought about; the message names its path and says why."""


def kind_of(path: str, follow: bool = False) -> str:
    """Return `file`, `directory`, `link`, `absent` or `special` for what lies at path."""
    try:
        mode = os.stat(path).st_mode if follow else os.lstat(path).st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return "absent"
        raise
    return next((name for test, name in KINDS if test(mode)), "special")


def identity(name: str, path: str, group: bool, may_lack: bool) -> int | None:
    """Return the number of a user or group.

    Args:
        name: its name, or the number itself as text.
        path: the entry it is wanted for, for the message.
        group: whether a group is meant.
        may_lack: in check mode the package that makes the account may not be installed; then None.

    Raises:
        FilesError: no such account.
    """
    if name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid if group else pwd.getpwnam(name).pw_uid
    except KeyError:
        if may_lack:
            return None
        raise FilesError(f"{path}: there is no {'group' if group else 'user'} '{name}' on this host") from None


def account_name(number: int, group: bool) -> str:
    """Return the name of a user or group number, or the number where it has none."""
    try:
        return grp.getgrgid(number).gr_name if group else pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def mode_bits(entry: dict[str, Any]) -> int:
    """Return the wanted permission bits.

    Raises:
        FilesError: not four octal digits. An unquoted 0644 in YAML arrives as "420", silently another mode.
    """
    text = entry["mode"]
    if text is None:
        return 0o755 if entry["state"] == "directory" else 0o644
    if not re.fullmatch(r"[0-7]{4}", text):
        raise FilesError(
            f'{entry["path"]}: mode "{text}" is not four octal digits; quote it in YAML, like mode: "0644"'
        )
    return int(text, 8)


def read_content(path: str) -> bytes:
    """Return the content of a regular file."""
    with open(path, "rb") as handle:
        return handle.read()


def as_text(content: bytes, secret: bool) -> str:
    """Return content as shown in a diff: secrets never, binary data by its size in bytes."""
    if secret:
        return "(secret)\n"
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return f"(binary, {len(content)} bytes)\n"


class Entry:
    """One entry: what is there, what is wanted, and how to get from one to the other."""

    def __init__(self, wanted: dict[str, Any], check_mode: bool, coming: set[str], leaving: set[str]) -> None:
        """Examine the host.

        Args:
            wanted: one element of the module's `files`.
            check_mode: accounts may be missing.
            coming: paths that earlier entries of this task turn into directories.
            leaving: paths that earlier entries of this task remove.

        Raises:
            FilesError: the entry is impossible.
        """
        self.wanted = wanted
        self.path: str = wanted["path"]
        self.state: str = wanted["state"]
        if not os.path.isabs(self.path) or os.path.normpath(self.path) != self.path.rstrip("/"):
            raise FilesError(f"{self.path}: a path must be absolute and plain (no '..', no '//')")
        self.path = self.path.rstrip("/")
        self.kind = kind_of(self.path)
        if self.kind == "link" and self.state == "directory" and kind_of(self.path, follow=True) == "directory":
            self.kind = "directory"
        self.refuse_impossible(coming, leaving)
        self.mode = mode_bits(wanted)
        self.content = (wanted.get("content") or "").encode("utf-8")
        self.uid: int | None = None
        self.gid: int | None = None
        if self.state != "absent":
            self.uid = identity(wanted["owner"], self.path, False, check_mode)
            self.gid = identity(wanted["group"], self.path, True, check_mode)
        self.old_content = b""
        if self.kind == "file":
            self.old_content = read_content(self.path)
        self.differs_in_content = self.kind != self.state or (
            self.old_content != self.content
            if self.state == "file"
            else self.state == "link" and os.readlink(self.path) != wanted["src"]
        )
        self.differs_in_access = self.state != "absent" and self.access_differs()

    def refuse_impossible(self, coming: set[str], leaving: set[str]) -> None:
        """Raise FilesError where the change would lose a directory's content or cannot be made."""
        if self.kind == "special":
            raise FilesError(f"{self.path}: is a device, socket or pipe; Wardstack leaves such things alone")
        if self.kind == "directory" and self.state in ("file", "link"):
            raise FilesError(f"{self.path}: is a directory, but a {self.state} is wanted; move it away first")
        if self.kind in ("file", "link") and self.state == "directory":
            raise FilesError(f"{self.path}: is a {self.kind}, but a directory is wanted; move it away first")
        if self.kind == "directory" and self.state == "absent" and not self.content_names() <= leaving:
            raise FilesError(f"{self.path}: is a directory with content; only empty directories are removed")
        parent = os.path.dirname(self.path)
        while self.state != "absent" and parent not in coming and parent != "/":
            found = kind_of(parent, follow=True)
            if found not in ("directory", "absent"):
                raise FilesError(f"{self.path}: {parent} is a {found}, not a directory")
            parent = os.path.dirname(parent) if found == "absent" else "/"

    def content_names(self) -> set[str]:
        """Return the paths of what lies in this directory."""
        return {os.path.join(self.path, name) for name in os.listdir(self.path)}

    def access_differs(self) -> bool:
        """Return whether owner, group or mode differ from what is wanted."""
        if self.kind != self.state:
            return True
        found = os.lstat(self.path) if self.state == "link" else os.stat(self.path)
        same_mode = self.state == "link" or stat.S_IMODE(found.st_mode) == self.mode
        return not (same_mode and found.st_uid == self.uid and found.st_gid == self.gid)

    @property
    def changed(self) -> bool:
        """Whether anything has to be done."""
        return self.differs_in_content or self.differs_in_access

    def diff(self) -> dict[str, str]:
        """Return the entry's before and after, for Ansible's diff."""
        secret = self.wanted["secret"]
        before, after = self.access_before(), self.access_after()
        if self.differs_in_content and (self.state == "file" or self.kind == "file"):
            before += as_text(self.old_content, secret) if self.kind == "file" else ""
            after += as_text(self.content, secret) if self.state == "file" else ""
            if secret and self.kind == self.state == "file":
                after = after.replace("(secret)", "(secret, changed)")
        return {"before_header": self.path, "after_header": self.path, "before": before, "after": after}

    def access_before(self) -> str:
        """Return one line about what is there: kind, mode and ownership; empty where there is nothing."""
        if self.kind == "absent":
            return ""
        found = os.lstat(self.path)
        if self.kind == "link":
            return f"# link to {os.readlink(self.path)}\n"
        owner, group = account_name(found.st_uid, False), account_name(found.st_gid, True)
        return f"# {self.kind} {stat.S_IMODE(found.st_mode):04o} {owner}:{group}\n"

    def access_after(self) -> str:
        """Return the same line about what is wanted."""
        if self.state == "absent":
            return ""
        if self.state == "link":
            return f"# link to {self.wanted['src']}\n"
        return f"# {self.state} {self.mode:04o} {self.wanted['owner']}:{self.wanted['group']}\n"

    def apply(self) -> None:
        """Make the change. Raises OSError or FilesError."""
        if self.state == "absent":
            if self.kind == "directory":
                os.rmdir(self.path)
            else:
                os.unlink(self.path)
        elif self.state == "directory":
            if self.kind == "absent":
                make_directory(self.path, self.mode, self.uid, self.gid)
            self.set_access(self.path)
        elif self.differs_in_content:
            self.replace()
        else:
            self.set_access(self.path)

    def set_access(self, path: str) -> None:
        """Set owner, group and mode of what lies at path (a link has no mode)."""
        is_link = self.state == "link"
        os.chown(
            path,
            -1 if self.uid is None else self.uid,
            -1 if self.gid is None else self.gid,
            follow_symlinks=not is_link,
        )
        if not is_link:
            # After chown, which clears the set-uid bits.
            os.chmod(path, self.mode)

    def replace(self) -> None:
        """Write a file or link beside the target and rename it into place.

        Raises:
            FilesError: the entry's `validate` command refused the content.
        """
        parent = os.path.dirname(self.path)
        make_parents(parent)
        work = tempfile.mkdtemp(prefix=TEMPORARY, dir=parent)
        # The file keeps its own name inside, as some validators look at the name.
        temporary = os.path.join(work, os.path.basename(self.path))
        try:
            if self.state == "link":
                os.symlink(self.wanted["src"], temporary)
            else:
                # Never readable by more than root while the mode is not set yet.
                handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "wb") as stream:
                    stream.write(self.content)
                    stream.flush()
                    os.fsync(stream.fileno())
            self.set_access(temporary)
            self.validate(temporary)
            os.rename(temporary, self.path)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def validate(self, path: str) -> None:
        """Ask the entry's command about the content at path. Raises FilesError with the command's own words."""
        command = self.wanted.get("validate")
        if self.state != "file" or not command:
            return
        words = [word.replace("%s", path) for word in shlex.split(command)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        except OSError as error:
            raise FilesError(f"{self.path}: cannot run its validation '{words[0]}': {error.strerror}") from None
        if done.returncode != 0:
            said = (done.stderr + done.stdout).strip().replace(path, self.path)
            raise FilesError(f"{self.path}: '{command}' refused the new content: {said}")

    def preview(self) -> None:
        """Validate in check mode too, where the command exists. Raises FilesError."""
        command = self.wanted.get("validate")
        if self.state != "file" or not self.differs_in_content or not command:
            return
        if shutil.which(shlex.split(command)[0]) is None:
            return
        with tempfile.TemporaryDirectory(prefix=TEMPORARY) as work:
            temporary = os.path.join(work, os.path.basename(self.path))
            with open(temporary, "wb") as stream:
                stream.write(self.content)
            self.validate(temporary)


def make_directory(path: str, mode: int, uid: int | None, gid: int | None) -> None:
    """Make a directory and its missing parents, never more open than wanted even for a moment."""
    make_parents(os.path.dirname(path))
    os.mkdir(path, 0o700 & mode)
    os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid)
    os.chmod(path, mode)


def make_parents(path: str) -> None:
    """Make missing directories above an entry: mode 0755 whatever the umask, owned by the user who runs the module."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for each in reversed(missing):
        os.mkdir(each, 0o755)
        os.chmod(each, 0o755)


def remove_leftovers(entries: list[Entry]) -> None:
    """Remove the work folders of a run that was killed, beside the files that are about to change."""
    for parent in {os.path.dirname(entry.path) for entry in entries if entry.changed}:
        try:
            names = os.listdir(parent)
        except OSError:
            continue
        for name in names:
            if name.startswith(TEMPORARY):
                shutil.rmtree(os.path.join(parent, name), ignore_errors=True)


def examine(wanted: list[dict[str, Any]], check_mode: bool) -> list[Entry]:
    """Return the examined entries.

    Raises:
        FilesError: the first impossible entry, or a path given twice.
    """
    entries: list[Entry] = []
    coming: set[str] = set()
    leaving: set[str] = set()
    seen: set[str] = set()
    for one in wanted:
        entry = Entry(one, check_mode, coming, leaving)
        if entry.path in seen:
            raise FilesError(f"{entry.path}: given twice in one task")
        seen.add(entry.path)
        if entry.state == "directory":
            coming.add(entry.path)
        elif entry.state == "absent":
            leaving.add(entry.path)
        entries.append(entry)
    return entries


def main() -> None:
    """Run the module."""
    module = QuietModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": ENTRY,
                "required_if": ENTRY_RULES,
            }
        },
        supports_check_mode=True,
    )
    wanted: list[dict[str, Any]] = module.params["files"]
    # The contents need not travel back, and secret ones must not.
    invocation = {"module_args": {"files": [one["path"] for one in wanted]}}
    for one in wanted:
        # Shorter text would blank out innocent words everywhere in the result.
        if one["secret"] and len((one["content"] or "").strip()) >= 8:
            module.no_log_values.add(one["content"].strip())

    changed_paths: list[str] = []
    diff: list[dict[str, str]] = []
    try:
        entries = examine(wanted, module.check_mode)
        if not module.check_mode:
            remove_leftovers(entries)
        for entry in entries:
            if not entry.changed:
                continue
            # Taken now, as the host holds the state before only until it is changed.
            diff.append(entry.diff())
            if module.check_mode:
                entry.preview()
            else:
                entry.apply()
            changed_paths.append(entry.path)
    except (FilesError, OSError) as error:
        # What was done before the failure is told too, so that nobody believes that nothing happened.
        message = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        done = bool(changed_paths) and not module.check_mode
        module.fail_json(msg=message, changed=done, changed_paths=changed_paths, diff=diff, invocation=invocation)
    module.exit_json(changed=bool(changed_paths), changed_paths=changed_paths, diff=diff, invocation=invocation)


if __name__ == "__main__":
    main()
