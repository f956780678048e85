"""How alike two query texts are, by their words alone: near-duplicates, and the most similar of some.

Guarantees: symmetric, deterministic, the same for any order of the texts; near-duplicates are found exactly, without
comparing every pair. Two measures, since they answer two questions: triples of words in common, numbers kept, tell
whether a text is nearly the same; the cosine of TF-IDF weights, numbers all one word, whether it poses the same kind of
problem. Grain: one text.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

Triple = tuple[str, ...]

_WORD = re.compile(r"\\?[a-z]+|\d+(?:\.\d+)?|[^\s\w.,;:?!]")
"""A word or LaTeX command, a number, or one sign; the marks of a sentence say nothing."""
_NUMBER = "#"
_FEW = 32
"""One text in so many, or fewer, are compared one by one; more of them, all at once."""
_DECIMALS = 6
"""Similarities are compared to this many: sums in another order differ in the last bits."""


def words(text: str) -> list[str]:
    """The words that two texts are compared by, in order and in lower case."""
    return _WORD.findall(text.lower())


def triples(text: str) -> frozenset[Triple]:
    """Every three words in a row; a shorter text is one of its own."""
    found = words(text)
    return frozenset(tuple(found[at : at + 3]) for at in range(max(1, len(found) - 2)))


def jaccard(one: frozenset[Triple], other: frozenset[Triple]) -> float:
    """Elements in common, as a share of all elements of both."""
    common = len(one & other)
    return common / (len(one) + len(other) - common)


class NearDuplicates:
    """Finds the texts whose triples have at least a share `threshold` in common with another text's.

    Sets with such a share in common have one of their rarest elements in common, among so many that fewer than the
    share are left (prefix filter), so that only few sets are compared.
    """

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        self._threshold = threshold
        self._sets = [triples(text) for text in texts]
        self._n_texts = Counter(triple for found in self._sets for triple in found)
        self._holders: defaultdict[Triple, list[int]] = defaultdict(list)
        for index, found in enumerate(self._sets):
            for triple in self._rarest(found):
                self._holders[triple].append(index)

    def of(self, text: str) -> set[int]:
        """Indices of the near-duplicates of a text, itself among them if it is one of the texts."""
        own = triples(text)
        near = {index for triple in self._rarest(own) for index in self._holders.get(triple, ())}
        return {index for index in near if jaccard(own, self._sets[index]) >= self._threshold}

    def _rarest(self, found: frozenset[Triple]) -> list[Triple]:
        n_left = len(found) - math.ceil(self._threshold * len(found) - 1e-9)
        return sorted(found, key=lambda triple: (self._n_texts[triple], triple))[: n_left + 1]


class Similarity:
    """Cosine of TF-IDF weights with texts that are known beforehand; inverse frequencies are theirs, smoothed."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts, n_all = texts, len(texts)
        n_texts = Counter(word for text in texts for word in _counts(text))
        self._rarity = {word: math.log((1 + n_all) / (1 + n)) + 1 for word, n in n_texts.items()}
        self._known: dict[int, dict[str, float]] = {}

    def to(self, text: str, places: Sequence[int]) -> dict[int, float]:
        """The similarity of a text to those of the known ones that stand at these places, 0 to 1."""
        own = self._weights(_counts(text))
        if len(places) * _FEW < len(self._texts):
            found = {place: _product(own, self._weights_at(place)) for place in places}
        else:
            whole = self._to_all(own)
            found = {place: float(whole[place]) for place in places}
        return {place: round(value, _DECIMALS) for place, value in found.items()}

    def _to_all(self, own: Mapping[str, float]) -> npt.NDArray[np.float64]:
        found = np.zeros(len(self._texts))
        for word, weight in own.items():
            places, weights = self._holders[word]
            found[places] += weight * weights
        return found

    @cached_property
    def _holders(self) -> dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
        """By word, the texts that have it and its weight there."""
        held: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for place in range(len(self._texts)):
            for word, weight in self._weights_at(place).items():
                held[word].append((place, weight))
        columns = ((word, zip(*pairs, strict=True)) for word, pairs in held.items())
        return {word: (np.array(places), np.array(weights)) for word, (places, weights) in columns}

    def _weights_at(self, place: int) -> dict[str, float]:
        if place not in self._known:
            self._known[place] = self._weights(_counts(self._texts[place]))
        return self._known[place]

    def _weights(self, counts: Counter[str]) -> dict[str, float]:
        known = {word: counts[word] * self._rarity[word] for word in sorted(counts) if word in self._rarity}
        norm = math.sqrt(sum(weight * weight for weight in known.values()))
        return {word: weight / norm for word, weight in known.items()}


def _product(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    return sum(weight * other[word] for word, weight in one.items() if word in other)


def _counts(text: str) -> Counter[str]:
    return Counter(_NUMBER if word[0].isdigit() else word for word in words(text))
