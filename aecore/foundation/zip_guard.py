"""Open zip files from outside: the directory is checked against limits before anything is unpacked."""

import dataclasses
import io
import zipfile
from pathlib import Path
from typing import Literal

from aecore.foundation.errors import BadInput

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The compressions that are read; with others, a few bytes of the file ask for gigabytes of dictionary."""
DIRECTORY_ENTRY = b"PK\x01\x02"
"""The signature that begins each entry of a zip's directory."""
MAX_SIGNATURES = 10_000

Fault = Literal["entries", "damaged", "total", "ratio", "encrypted", "compression", "size", "content"]
"""What is wrong with a zip: too many entries, not a whole zip file, too large unpacked in total, compressed too much;
with one entry: encrypted, compressed in a way that is not read, too large, damaged.
"""


class ZipRefused(BadInput):
    """A zip file breaks a limit. `found` is the number that does, where there is one; callers word the message."""

    def __init__(self, fault: Fault, found: int = 0) -> None:
        super().__init__(f"the zip file is refused ({fault})")
        self.fault: Fault = fault
        self.found = found


@dataclasses.dataclass(frozen=True)
class ZipGuard:
    """The limits of one sort of zip file: entries, bytes of all of them unpacked, and how far they may be compressed.

    `max_ratio` bounds unpacked bytes over packed bytes wherever more than `free_bytes` are unpacked: a small text may
    well be compressed a hundredfold. All methods raise `ZipRefused`.
    """

    max_entries: int
    max_bytes: int
    max_ratio: int | None = None
    free_bytes: int = 0

    def open(self, file: Path | bytes) -> zipfile.ZipFile:
        """Open the archive after checking the number of its entries and their total size.

        `zipfile` never unpacks more than the directory declares, so that declared sizes can be relied on.
        """
        if isinstance(file, bytes):
            # Before `zipfile` reads the directory: listing millions of entries would take gigabytes.
            signatures = file.count(DIRECTORY_ENTRY)
            if signatures > min(100 * self.max_entries, MAX_SIGNATURES):
                raise ZipRefused("entries", signatures)
        try:
            archive = zipfile.ZipFile(io.BytesIO(file) if isinstance(file, bytes) else file)
        except Exception as error:  # hostile bytes break `zipfile` in many ways, all meaning the same
            raise ZipRefused("damaged") from error
        entries = archive.infolist()
        if len(entries) > self.max_entries:
            raise ZipRefused("entries", len(entries))
        total = sum(entry.file_size for entry in entries)
        if total > self.max_bytes:
            raise ZipRefused("total", total)
        return archive

    def check_ratio(self, unpacked: int, packed: int) -> None:
        """Refuse a zip bomb: `packed` bytes that unpack to `unpacked` bytes."""
        if self.max_ratio is not None and unpacked > max(self.free_bytes, self.max_ratio * packed):
            raise ZipRefused("ratio", unpacked // max(packed, 1))

    def check_entry(self, entry: zipfile.ZipInfo, max_bytes: int) -> None:
        """Refuse an entry that is encrypted, compressed in an unusual way, or larger than `max_bytes`."""
        if entry.flag_bits & 1:
            raise ZipRefused("encrypted")
        if entry.compress_type not in COMPRESSIONS:
            raise ZipRefused("compression")
        if entry.file_size > max_bytes:
            raise ZipRefused("size", entry.file_size)

    def read(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
        """Unpack a checked entry. Raises `ZipRefused` also where its content is damaged."""
        try:
            return archive.read(entry)
        except Exception as error:  # as in `open`
            raise ZipRefused("content") from error
