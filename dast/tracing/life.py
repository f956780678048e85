"""The life of a row, from its source to the commit that holds it, as plain values.

Guarantees: everything told is read from the round's own tables, settings and cards; what is not at hand is None, with a
note that says why. Grain: one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from pydantic import TypeAdapter, ValidationError

from dast.building.union import REFERENCE
from dast.errors import CommandError
from dast.packaging.places import place_of
from dast.params.sources import Source
from dast.tracing.address import Address, find_row
from dast.tracing.keeping import counted, pairing, rules, siblings, unasked
from dast.tracing.material import Material, Place
from dast.tracing.sampling import drawn
from dast.tracing.spending import allocation, level, turn

Told = dict[str, Any]

_ROLES: Mapping[str, Mapping[str, str]] = {
    "sft": {"completion": "rollout_id"},
    "dpo": {"chosen": "chosen_id", "rejected": "rejected_id"},
    "rollouts": {"response": "rollout_id"},
    "queries": {},
}
"""What a rollout is in a row, and the column with its id."""


def life(place: Place, address: Address, round_name: str | None) -> Told:
    """The life of the row.

    Args:
        place: Where rows lie.
        address: Which row.
        round_name: The round to look in; None for the newest that holds the row.

    Raises:
        CommandError: no such row, or no such round.
        TableError: a table of the row's round is not there.
    """
    material, row = _found(place, address, round_name)
    recorded = vars(material.recorded(address.table, row))
    made_in, notes = material, list(material.notes)
    if row.get("round", material.round) != material.round:
        made_in = place.material(row["round"])
        notes.append(f"taken over from {row['round']}, where what follows happened (build.accumulate)")
    query_id = row["query_id"]
    rollouts = made_in.table("rollouts").filter(query_id=query_id).collect()
    parts = [_part(made_in, rollouts, role, row[key]) for role, key in _ROLES[address.table].items()]
    told = siblings(made_in, query_id)
    if (note := unasked(made_in, query_id)) is not None:
        notes.append(note)
    of_level = level(made_in, query_id)
    return {
        "row": {"table": address.table, "set": material.round, **_ids(row)},
        "notes": notes,
        "source": _source(made_in, query_id),
        "rollouts": parts,
        "level": of_level,
        "allocation": allocation(made_in, query_id),
        "kept": {
            **rules(made_in, row.get("level") or (of_level or {}).get("level")),
            "pair": pairing(material, row) if address.table == "dpo" else None,
            "fates": counted(told),
            "siblings": told,
        },
        "recorded": recorded,
    }


def _found(place: Place, address: Address, round_name: str | None) -> tuple[Material, Told]:
    looked = [round_name] if round_name else [name for name in place.rounds() if place.has(name, address.table)]
    for name in looked:
        material = place.material(name)
        if row := find_row(material.table(address.table), address):
            return material, row
    where = ", ".join(looked) or f"no round: no table {address.table} is here"
    raise CommandError(f"{address}: no such row in {where}; give its place, from 0, or its query_id or rollout_id")


def _ids(row: Mapping[str, Any]) -> Told:
    """The row without its texts."""
    names = ("place", "query_id", "rollout_id", "chosen_id", "rejected_id", "round", "level", "origin", "n_alike")
    return {name: row[name] for name in names if name in row}


def _part(material: Material, rollouts: pl.DataFrame, role: str, rollout_id: str) -> Told:
    """What a response of the row is: a rollout, or the reference solution."""
    if rollout_id == REFERENCE:
        return {"role": role, "rollout_id": REFERENCE, "what": "the source's reference solution: nobody sampled it"}
    found = rollouts.filter(rollout_id=rollout_id)
    if found.is_empty():
        return {"role": role, "rollout_id": rollout_id, "what": "a rollout that is not in these tables"}
    rollout = found.row(0, named=True)
    return {"role": role, **drawn(material, rollout), "turn": turn(material, rollouts, rollout)}


def _source(material: Material, query_id: str) -> Told:
    found = material.table("queries").filter(query_id=query_id).collect()
    query: Told = found.row(0, named=True) if found.height else {"query_id": query_id, "source": None}
    sources = {one["name"]: one for one in material.settings["prepare"]["train"]}
    stated = sources.get(query["source"])
    return {**query, "place": _place(stated) if stated else None}


def _place(stated: Mapping[str, Any]) -> str:
    try:
        return place_of(TypeAdapter(Source).validate_python(stated))
    except ValidationError:  # settings of a version that allowed more, such as an absolute path
        return f"a {stated.get('kind', 'source')} that this version does not know how to name"
