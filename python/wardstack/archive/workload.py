"""A sender as devices are: parallel associations, retries, and a ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from wardstack.archive.config import VerifyConfig
from wardstack.archive.dimse import (
    SUCCESS,
    Interrupted,
    associate,
    describe,
    release,
    storage_contexts,
    store,
)
from wardstack.archive.instance import Instance
from wardstack.archive.ledger import Acknowledged, Ledger, now
from wardstack.archive.statistics import Figures, figures

#: Objects after which a sender opens a new association, as after each study:
#: so that what happens meanwhile also meets the opening of associations.
OBJECTS_PER_ASSOCIATION = 40
#: Pauses between tries, seconds; the last one repeats.
PAUSES = (0.2, 0.5, 1.0, 2.0)
#: Failures listed one by one in a report; all are counted.
LISTED = 50

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Failure:
    """A try that did not end in an acknowledgement.

    Attributes:
        time: RFC 3339, UTC.
        sender: Number of the sender.
        sop_uid: What it was about to send.
        text: What happened.
    """

    time: str
    sender: int
    sop_uid: str
    text: str


@dataclass(frozen=True)
class SendReport:
    """What a sending came to.

    Attributes:
        figures: Of the objects acknowledged now.
        acknowledged: SOP Instance UIDs acknowledged now.
        already: Objects that the ledger had already, by an earlier run or another
            sender of this one.
        associations: Associations opened.
        failed_tries: Tries that did not end in an acknowledgement; each was
            repeated, except for those given up.
        failures: The first of them.
        given_up: SOP Instance UIDs that were never acknowledged.
    """

    figures: Figures
    acknowledged: tuple[str, ...]
    already: int
    associations: int
    failed_tries: int
    failures: tuple[Failure, ...]
    given_up: tuple[str, ...]


@dataclass
class _Tally:
    latencies: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    size: int = 0
    already: int = 0
    associations: int = 0
    failed_tries: int = 0


class Workload:
    """Sends instances and records every acknowledgement in a ledger.

    Args:
        config: Where to, with how many associations, and how patiently.
        instances: What to send, generated as it is needed, possibly without end.
        kinds: SOP class and transfer syntax of all that may come.
        ledger: Where acknowledgements are recorded before they count; objects
            that it has are not sent again.
        run: Name of this run, for the ledger.
    """

    def __init__(
        self,
        config: VerifyConfig,
        instances: Iterable[Instance],
        kinds: Iterable[tuple[str, str]],
        ledger: Ledger,
        run: str,
    ) -> None:
        self._config = config
        self._feed: Iterator[Instance] = iter(instances)
        self._contexts: list[PresentationContext] = storage_contexts(kinds)
        self._ledger = ledger
        self._run = run
        self._stop = threading.Event()
        self._lock = threading.Lock()
        # Apart from the other, because generating an object takes its time.
        self._feed_lock = threading.Lock()
        self._tally = _Tally()
        self._progress: Progress | None = None
        self._error: BaseException | None = None

    @property
    def acknowledged(self) -> int:
        """Objects acknowledged so far in this run."""
        with self._lock:
            return len(self._tally.acknowledged)

    def moments(self) -> tuple[list[float], list[float]]:
        """Return the seconds of each object acknowledged, and when that was (monotonic)."""
        with self._lock:
            return list(self._tally.latencies), list(self._tally.finished)

    def send(self, progress: Progress | None = None) -> SendReport:
        """Send all instances.

        Args:
            progress: Called with the number of objects done, from any thread.

        Returns:
            What it came to.

        Raises:
            LedgerError: The ledger could not record an acknowledgement.
        """
        return self.run_until(self._stop, progress)

    def run_until(self, stop: threading.Event, progress: Progress | None = None) -> SendReport:
        """Send until told to stop; what is in hand is sent to its end.

        Args:
            stop: Ends the sending.
            progress: Called with the number of objects done, from any thread.

        Returns:
            What it came to.

        Raises:
            LedgerError: The ledger could not record an acknowledgement.
        """
        self._stop = stop
        self._progress = progress
        started = time.monotonic()
        senders = [
            threading.Thread(target=self._guarded, args=(number,), name=f"sender-{number}")
            for number in range(1, self._config.associations + 1)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        if self._error is not None:
            raise self._error
        tally = self._tally
        ended = max(tally.finished, default=time.monotonic())
        return SendReport(
            figures(tally.latencies, tally.finished, tally.size, started, ended),
            tuple(tally.acknowledged),
            tally.already,
            tally.associations,
            tally.failed_tries,
            tuple(tally.failures),
            tuple(tally.given_up),
        )

    def _guarded(self, number: int) -> None:
        try:
            _Sender(self, number).work()
        except BaseException as error:
            self._error = error
            self._stop.set()

    def _take(self) -> Instance | None:
        """Take the next instance that the ledger does not have yet."""
        with self._feed_lock:
            while not self._stop.is_set():
                instance = next(self._feed, None)
                if instance is None or instance.sop_uid not in self._ledger:
                    return instance
                self._tally.already += 1
        return None

    def _opened(self) -> int:
        with self._lock:
            self._tally.associations += 1
            return self._tally.associations

    def _acknowledge(self, instance: Instance, association: str, seconds: float) -> None:
        # The order matters: on disk first, counted afterwards.
        new = self._ledger.append(
            Acknowledged(
                sop_uid=instance.sop_uid,
                sop_class=instance.sop_class,
                study_uid=instance.study_uid,
                series_uid=instance.series_uid,
                patient_id=instance.patient_id,
                transfer_syntax=instance.transfer_syntax,
                size=len(instance.data),
                sha256=instance.sha256,
                canonical=instance.canonical,
                association=association,
                time=now(),
                run=self._run,
            )
        )
        with self._lock:
            if not new:
                # Two senders had the same object in hand: it counts once.
                self._tally.already += 1
                return
            self._tally.acknowledged.append(instance.sop_uid)
            self._tally.finished.append(time.monotonic())
            self._tally.latencies.append(seconds)
            self._tally.size += len(instance.data)
            done = len(self._tally.acknowledged)
        if self._progress:
            self._progress(done)

    def _fail(self, sender: int, instance: Instance, text: str, final: bool) -> None:
        with self._lock:
            self._tally.failed_tries += 1
            if len(self._tally.failures) < LISTED:
                self._tally.failures.append(Failure(now(), sender, instance.sop_uid, text))
            if final:
                self._tally.given_up.append(instance.sop_uid)


class _Sender:
    """One of the parallel senders: at most one association at a time."""

    def __init__(self, workload: Workload, number: int) -> None:
        self._workload = workload
        self._config = workload._config
        self._number = number
        self._association: Association | None = None
        self._name = ""
        self._sent = 0

    def work(self) -> None:
        try:
            while (instance := self._workload._take()) is not None:
                self._deliver(instance)
        finally:
            if self._association is not None:
                release(self._association)

    def _deliver(self, instance: Instance) -> None:
        """Offer one instance until it is acknowledged or given up."""
        began = time.monotonic()
        refused = tries = 0
        while True:
            try:
                before = time.monotonic()
                status = store(self._open(), instance, self._sent + 1)
                self._sent += 1
                if status == SUCCESS:
                    seconds = time.monotonic() - before
                    self._workload._acknowledge(instance, self._name, seconds)
                    return
                refused += 1
                text = describe(status)
            except Interrupted as interruption:
                self._association = None
                text = str(interruption)
            # A status is an answer and is asked for a few times only; an
            # archive that cannot be reached is waited for.
            late = time.monotonic() - began > self._config.patience
            final = late or refused >= self._config.attempts
            self._workload._fail(self._number, instance, text, final)
            if final:
                return
            time.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1

    def _open(self) -> Association:
        """Return the sender's association, a new one where it is time for it."""
        if self._association is not None:
            if self._sent < OBJECTS_PER_ASSOCIATION and self._association.is_established:
                return self._association
            release(self._association)
            self._association = None
        association = associate(self._config, self._workload._contexts)
        local = association.requestor
        self._name = f"{local.address}:{local.port}/{self._workload._opened()}"
        self._sent = 0
        self._association = association
        return association
