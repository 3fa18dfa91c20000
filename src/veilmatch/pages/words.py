"""The words of the pages: what each parameter, kind of entry and finding means to a person."""

from __future__ import annotations

import time

from markupsafe import Markup

from veilmatch.clock import DAY_S, HOUR_S

_MACHINE = "%Y-%m-%dT%H:%M:%SZ"

MEANINGS = {
    "min_shares": "So many matches must come together before anything of an account opens.",
    "min_jurisdictions": "A hash is used only if organisations of so many jurisdictions list it.",
    "ad_len": "Length in bytes of what is sealed inside a voucher: a reduced picture, no more.",
    "probes": "Likely neighbours of an image hash that each voucher tries.",
    "content_class": "What the lists hold; a release cannot be for anything else.",
    "hash.name": "The image hash that devices compute.",
    "hash.alg_id": "Its number.",
    "hash.bit_len": "Its length in bits.",
    "hash.preprocessing": "SHA-256 of the pinned steps from picture to hash.",
    "synthetic.shape": "How the number of synthetic vouchers is drawn: shape.",
    "synthetic.rate": "How the number of synthetic vouchers is drawn: rate.",
    "synthetic.probability_cap": "Largest share of pictures that go out as synthetic vouchers.",
    "synthetic.open_slots": "How many slots a synthetic voucher opens, to look like a match.",
    "dhf_width": "Width of the detectable hash function that tells synthetics from matches.",
    "delta_max": "Largest difference that detection allows for.",
    "protocol": "Version of the protocol.",
    "suite": "The group and hash that the arithmetic uses.",
}

KINDS = {
    "list-attestation": "an organisation handed over a list",
    "release": "a release, with all its numbers",
    "certificate": "an organisation says that its list holds only verified material",
    "tuf-root": "who may sign from now on",
    "parameters": "the numbers from some release on",
    "quarterly-report": "how often something was opened, rejected, reported, appealed",
    "revocation": "something above is withdrawn",
    "software": "digests of programs",
}


def show_time(seconds: int | None) -> Markup:
    """Write a time for a person and for a machine; a dash for none or for one that is no date."""
    if seconds is None or not 0 <= seconds < 2**37:
        return Markup("–")
    moment = time.gmtime(seconds)
    machine, person = (time.strftime(one, moment) for one in (_MACHINE, "%Y-%m-%d %H:%M UTC"))
    return Markup('<time datetime="{}">{}</time>').format(machine, person)


def show_age(seconds: int) -> str:
    """Write a length of time for a person, in its largest unit."""
    for unit, length in (("day", DAY_S), ("hour", HOUR_S), ("minute", 60)):
        if abs(seconds) >= length:
            count = abs(seconds) // length
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return "less than a minute"


def show_count(value: int) -> str:
    """Write a whole number with narrow gaps between thousands."""
    return f"{value:,}".replace(",", "\u202f")
