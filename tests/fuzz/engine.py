"""Damages good files and hands them to a parser, until the time is up.

Hypothesis draws the damage, so a failure is shrunk and can be repeated. What gives an answer
that was not seen before joins the corpus, and is damaged further; answers are told apart by
the error's class and words, which name the rule that was broken.

atheris, where it is installed, drives the same targets by the coverage of the code instead.
"""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from veilmatch.errors import Error, InternalError

Parser = Callable[[bytes], object]
INPUT_LEN_MAX = 20_000
HANG_S = 10.0
SLOW_S = 2.0
_CORPUS_MAX = 2000
_ROUND = 50
_TOKENS = [
    *(b'"', b"{", b"}", b"[", b"]", b",", b":", b"<", b">", b"&lt;", b"\\u0000", b"\xff", b"\x00"),
    *(b"null", b"true", b"-1", b"1e999", b"NaN", b"9" * 400, b"0", b"00", b"\n", b"\r\n", b"\n\n"),
    *(b"+", b"=", b"==", b" ", b"\t", b"%ff", b"\xe2\x80\x94", b"x001/", b".p/1", b"\xed\xa0\x80"),
    *(
        b"quorum none\n",
        b"group g any g\n",
        b"<!DOCTYPE q>",
        b"&#0;",
        b"__proto__",
        b"\xef\xbb\xbf",
    ),
]
_LONG_HEX = re.compile(r"[0-9a-f]{24,}", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """One parser: what is called with bytes, and good files to begin with."""

    name: str
    parse: Parser
    seeds: tuple[bytes, ...]


class FoundError(AssertionError):
    """A parser broke its promise; ``data`` did it."""

    def __init__(self, target: str, reason: str, data: bytes) -> None:
        super().__init__(f"{target}: {reason}; input: {data[:200]!r}")
        self.data = data


@dataclass
class Result:
    """What one target did with its time."""

    target: Target
    corpus: list[bytes]
    runs: int = 0
    accepted: int = 0
    seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    known: set[str] = field(default_factory=set)

    def note(self, answer: str, data: bytes) -> None:
        """Count an answer; what was answered so for the first time joins the corpus."""
        self.runs += 1
        self.accepted += not answer
        if answer:
            self.answers[answer.split(":")[0]] += 1
        if answer not in self.known:
            self.known.add(answer)
            if data not in self.corpus and len(self.corpus) < _CORPUS_MAX:
                self.corpus.append(data)

    @property
    def line(self) -> str:
        """One line of the table."""
        rate = self.runs / self.seconds if self.seconds else 0
        named = ", ".join(f"{name} {count}" for name, count in self.answers.most_common(4))
        return (
            f"{self.target.name:<28}{len(self.corpus):>7}{self.runs:>10}{self.seconds:>8.1f}"
            f"{rate:>10.0f}{self.accepted:>10}  {named}"
        )


HEADER = (
    f"{'target':<28}{'corpus':>7}{'runs':>10}{'s':>8}{'runs/s':>10}{'accepted':>10}  refused as"
)


@contextmanager
def _alarm(target: str, data: bytes) -> Iterator[None]:
    """Interrupt a parser that does not come back."""

    def ring(*_: object) -> None:
        raise FoundError(target, f"no answer after {HANG_S:.0f} s", data)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def call(target: Target, data: bytes) -> str:
    """Hand bytes to a parser; returns what it answered, in one word or sentence.

    Raises:
        FoundError: Anything but an answer or a named error; too slow; a hash in the message.
    """
    started = time.perf_counter()
    try:
        target.parse(data)
        answer = ""
    except InternalError as exc:
        raise FoundError(target.name, f"our bug: {exc}", data) from exc
    except Error as exc:
        text = f"{exc} {exc.hint}"
        if len(text) > 400 or _LONG_HEX.search(text):
            raise FoundError(target.name, "the message holds what was read", data) from exc
        answer = f"{type(exc).__name__}: {exc}"
    except FoundError:
        raise
    except Exception as exc:
        raise FoundError(target.name, f"{type(exc).__name__} is no named error", data) from exc
    if time.perf_counter() - started > SLOW_S:
        raise FoundError(target.name, f"slower than {SLOW_S:.0f} s", data)
    return answer


def _damage(draw: st.DrawFn, corpus: Sequence[bytes]) -> bytes:
    if draw(st.integers(0, 15)) == 0:
        return draw(st.binary(max_size=300))
    data = bytearray(draw(st.sampled_from(corpus)))
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(data)))
        kind = draw(st.integers(0, 5))
        if kind == 0:
            data[start : start + draw(st.integers(1, 12))] = b""
        elif kind == 1:
            data[start:start] = draw(st.sampled_from(_TOKENS))
        elif kind == 2:
            piece = draw(st.sampled_from(_TOKENS) | st.binary(max_size=6))
            data[start : start + len(piece)] = piece
        elif kind == 3 and start < len(data):
            data[start] ^= 1 << draw(st.integers(0, 7))
        elif kind == 4:
            data[start:start] = data[start : start + draw(st.integers(1, 200))]  # repeat
        else:
            other = draw(st.sampled_from(corpus))
            cut = draw(st.integers(0, len(other)))
            data[start:] = other[cut:]  # the beginning of one, the end of another
    return bytes(data[:INPUT_LEN_MAX])


def run(target: Target, seconds: float, number: int = 0) -> Result:
    """Damage a target's seeds for that long.

    Args:
        target: What to call.
        seconds: How long.
        number: Where the drawing begins; the same number draws the same.

    Raises:
        FoundError: With the smallest input that hypothesis found.
    """
    result = Result(target, list(target.seeds))
    for data in target.seeds:
        _take(result, data)
    started = time.perf_counter()
    ends_at = started + seconds
    while (now := time.perf_counter()) < ends_at:
        _round(result, ends_at, number)
        number += 1
        result.seconds = max(time.perf_counter() - started, now - started)
    return result


def _take(result: Result, data: bytes) -> None:
    with _alarm(result.target.name, data):
        answer = call(result.target, data)
    result.note(answer, data)


def _round(result: Result, ends_at: float, number: int) -> None:
    corpus = tuple(result.corpus)  # the same for every example of this round

    @seed(number)
    @settings(
        max_examples=_ROUND,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.composite(_damage)(corpus))
    def one_round(data: bytes) -> None:
        if time.perf_counter() <= ends_at:
            _take(result, data)

    one_round()
