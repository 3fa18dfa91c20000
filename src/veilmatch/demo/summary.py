"""Say plainly who learnt what."""

from __future__ import annotations

from typing import Any

from veilmatch.demo.play import AccountOutcome, Outcome


def summarise(outcome: Outcome, min_shares: int, seconds: float) -> list[str]:
    """Return the closing lines for a person."""
    accounts = outcome.accounts
    lines = ["", f"Who learnt what (at least {min_shares} matches open an account)"]
    for name, one in accounts.items():
        lines.append(f"  account {name}: {_sentence(one, min_shares)}")
    lines += [
        "  the devices learnt how many rows the table has "
        f"({outcome.table_rows}), and nothing of what is in it.",
        "  the platform learnt which vouchers are (real or synthetic) matches, and of the opened",
        "  account its real matches; of the others no picture, no image hash, no true count.",
        "  the hash providers learnt nothing of any user.",
    ]
    lines += ["", "  account A's copies, by kind (how many match of how many there are):"]
    for kind, (have, hit) in sorted(accounts["A"].kinds.items()):
        lines.append(f"    {kind:<12} {hit} of {have}")
    if outcome.sheet is not None:
        lines += ["", f"The case's contact sheet: {outcome.sheet}"]
    lines += [f"Release {outcome.release_id}", f"{seconds:.1f} seconds"]
    return lines


def _sentence(one: AccountOutcome, min_shares: int) -> str:
    held = f"{one.uploaded} pictures, {one.known} of them known"
    unseen = one.known - one.real_vouchers
    if one.opened:
        text = f"{held}; OPENED with exactly its {one.opened} real matches"
        if unseen > 0:
            text += f" ({unseen} known ones do not match or went as synthetic vouchers)"
        return text + "."
    if one.known:
        return f"{held}; SEALED: {one.real_vouchers} real matches are fewer than {min_shares}."
    return f"{held}; SEALED."


def to_json(outcome: Outcome, seconds: float) -> dict[str, Any]:
    """Return the object that ``--json`` prints."""
    return {
        "accounts": {
            name: {
                "uploaded": one.uploaded,
                "known": one.known,
                "real_vouchers": one.real_vouchers,
                "synthetic": one.synthetic,
                "opened": one.opened,
            }
            for name, one in outcome.accounts.items()
        },
        "table_rows": outcome.table_rows,
        "release_id": outcome.release_id,
        "seconds": round(seconds, 1),
    }


def is_as_promised(outcome: Outcome, min_shares: int) -> bool:
    """Say whether the threshold did what it promises, account by account."""
    return all(
        one.opened == (one.real_vouchers if one.real_vouchers >= min_shares else 0)
        for one in outcome.accounts.values()
    )
