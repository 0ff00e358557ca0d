"""An executor with a state file that is killed a thousand times, while it writes the file too: nothing is forgotten.

What a start finds may be whole, half written, damaged, old, or of another changelog. The state that it begins with is
always that of the changelog.
"""

import random
from collections import Counter

import pytest
from msgspec.structs import replace

from stripeline.workers.disk.state_file import SUFFIX, DamagedFileError, opened_state, write_state
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.packed.state_image import load_pieces
from stripeline.workers.packed.state_proof import FORMAT, ChangelogNow, StateFileHeader, doubt
from tests.support.small_blocks import small_blocks
from tests.unit.workers.executor.test_killed_before_commit import COMMANDS, KILLS, Kafka, Process

HEADER = StateFileHeader(format=FORMAT, topic="ledger", topic_id="id", partition=0, upto=0, at_ms=0)
WRONG = [{"format": FORMAT + 1}, {"topic": "run"}, {"topic_id": "former"}, {"partition": 1}, {"upto": 1 << 40}]


class KafkaAndDisk(Kafka):
    """The changelog with its offsets, and one file."""

    def __init__(self, chance, path):
        super().__init__(chance)
        self.chance, self.path, self.log, self.end = chance, path, [], 0
        self.starts = Counter()

    def commit(self, ledger, pending, watermark):
        image = ledger.image() if self.chance.random() < 0.4 else None
        self.log += [(self.end + number, key) for number, key in enumerate(pending.changes)]
        self.end += len(pending.changes) + 1  # and a marker
        super().commit(ledger, pending, watermark)
        if image is not None:
            self.write(replace(HEADER, upto=self.end - 1), image)

    def write(self, header, image):
        """Whole, or as a process leaves it that dies, or a disk that lies."""
        happens = self.chance.choice(["whole", "whole", "dies", "torn", "changed", "another's"])
        if happens == "another's":
            header = replace(header, **self.chance.choice(WRONG))
        aside = self.path.with_name("aside")
        write_state(aside, header, image)
        whole = aside.read_bytes()
        at = self.chance.randrange(len(whole))
        match happens:
            case "dies":
                self.path.with_name(f"{self.path.name}.1.part").write_bytes(whole[:at])
            case "torn":
                self.path.write_bytes(whole[:at])
            case "changed":
                self.path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
            case _:
                aside.replace(self.path)

    def restored(self):
        made, upto = self.of_the_file()
        for offset, key in self.log:
            if offset >= upto:  # an older record of a key is compacted away
                made.restore(key, self.changelog[key])
        assert facts(made) == facts(super().restored())
        return made

    def of_the_file(self):
        first = self.chance.choice([0, 0, 0, self.end])
        try:
            header, file = opened_state(self.path)
        except (FileNotFoundError, DamagedFileError) as error:
            self.starts[type(error).__name__] += 1
            return Ledger(), 0
        with file:
            now = ChangelogNow(first=first, end=self.end, last_ms=0, now_ms=0)
            why = doubt(header, topic="ledger", topic_id="id", partition=0, log=now)
            self.starts[why] += 1
            made = Ledger()
            if why is None:
                load_pieces(made, file.read)
            return made, header.upto if why is None else 0


def facts(ledger):
    return dict(ledger._ended.oldest(2 * COMMANDS)), ledger._waiting, ledger._queues, ledger.sizes


def test_no_command_is_skipped_or_forgotten_with_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path):
    small_blocks(monkeypatch)
    monkeypatch.setattr("os.fsync", lambda _: None)
    chance = random.Random(64)
    kafka, posted, kills = KafkaAndDisk(chance, tmp_path / f"ledger-0{SUFFIX}"), Counter(), 0

    def dies():
        return kills < KILLS and chance.random() < 0.5

    while Process(kafka, posted).runs(chance, dies):
        kills += 1
    assert kills == KILLS
    results = Counter((result["command_id"], result["revision"]) for result in kafka.results)
    assert results == Counter({(f"evt_{number}:thanks:deposit", 0): 1 for number in range(COMMANDS)})
    assert len(posted) == COMMANDS
    assert len(kafka.starts) >= 8
    assert min(kafka.starts[None], kafka.starts["DamagedFileError"]) > 20
