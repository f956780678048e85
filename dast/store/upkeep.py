"""Looking after a store: whether every row is what was kept, and what may go.

Guarantees: `verify` reads every row and changes nothing; nothing is deleted but whole policies, by name. Grain: one
batch looked at, one policy deleted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from dast.store import database
from dast.store.blocks import BrokenBlockError, faulty_rows
from dast.store.keeping import Store


@dataclass(frozen=True)
class Verified:
    """What `verify` found."""

    n_batches: int
    n_rollouts: int
    """Rows that are what was kept."""
    n_broken_batches: int
    n_faulty_rollouts: int
    """Rows of readable batches that are not."""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.n_broken_batches or self.n_faulty_rollouts)


def verify(store: Store) -> Verified:
    """Holds every row against its digest, and every batch against its own and its keys."""
    connection = store.guarded(store.connection)
    ids = store.guarded(lambda: database.batch_ids(connection))
    n_sound = n_broken = n_faulty = 0
    for batch_id in ids:
        try:
            batch = database.batch_of(connection, batch_id)
            labelled = database.is_labelled(connection, batch_id, batch)
        except (BrokenBlockError, sqlite3.Error):
            n_broken += 1
            continue
        faulty = faulty_rows(batch) if labelled else batch.rows.height
        n_faulty += faulty
        n_sound += batch.rows.height - faulty
    return Verified(len(ids), n_sound, n_broken, n_faulty)


def unnamed(store: Store, fingerprints: Collection[str], names: Collection[str]) -> list[database.Holding]:
    """What belongs to no named policy.

    Args:
        store: The store.
        fingerprints: Policies to stay.
        names: Policies to stay by name, since their fingerprint is not known here.
    """
    return [
        holding
        for holding in store.holdings()
        if holding.policy not in fingerprints and holding.policy_name not in names
    ]


def collect_garbage(store: Store, policies: Collection[str]) -> None:
    """Deletes everything of these policies (fingerprints), and gives the room back to the disk."""
    store.start_writing()
    store.guarded(lambda: database.drop_policies(store.connection(), policies))
    store.count_batches()
