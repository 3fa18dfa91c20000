"""What a vector file's ``operation`` names: JSON inputs to JSON outputs, by the rooms' own code.

Bytes are lower-case hexadecimal everywhere; words of F_p are decimal strings, since JSON
numbers end at 2^53. The generator and the tests call the same table, so a vector means one
thing only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from veilmatch.errors import VerificationError
from veilmatch.hashlist.hash_list import parse_hash_list
from veilmatch.hazmat.backends.interface import Bytes, Words
from veilmatch.hazmat.dhf import evaluate_dhf
from veilmatch.hazmat.group import as_rows, hash_to_group, hash_to_scalar, one, to_batch
from veilmatch.hazmat.merkle import merkle_root
from veilmatch.hazmat.prf import DeterministicRandom, derive_key, digest, evaluate_prf, expand_prf
from veilmatch.hazmat.proof import (
    deterministic_prove_equal,
    parse_proof,
    prove_knowledge,
    verify_equal,
    verify_knowledge,
)
from veilmatch.hazmat.seal import (
    deterministic_seal_batch,
    deterministic_seal_slots,
    open_slots,
    unseal,
)
from veilmatch.hazmat.sharing import evaluate_polynomial, vartime_interpolate
from veilmatch.hazmat.signing import SigningKey, derive_key_id, verify_signature
from veilmatch.matching.match import match_vouchers
from veilmatch.matching.match_set import MatchSet
from veilmatch.matching.share import parse_share
from veilmatch.opening.case import open_account
from veilmatch.opening.detect import detect
from veilmatch.release.manifest import (
    Parameters,
    SyntheticSchedule,
    derive_release_id,
    parse_manifest,
)
from veilmatch.release.metadata_chain import MetadataFiles, verify_metadata
from veilmatch.release.shards import parse_shard_list, verify_shard
from veilmatch.release.trusted_release import TrustedRelease
from veilmatch.secret import SecretBytes
from veilmatch.table.blind import build_table
from veilmatch.table.blinded_table import UncheckedTable, parse_table, verify_rows
from veilmatch.table.params import derive_positions, row_count
from veilmatch.table.place import place
from veilmatch.table.secret import TableSecret, parse_table_secret
from veilmatch.voucher.account_secret import AccountSecret
from veilmatch.voucher.asset import Kind
from veilmatch.voucher.associated_data import (
    AssociatedData,
    pad_associated_data,
    parse_associated_data,
)
from veilmatch.voucher.batch import parse_deletion_batch, parse_voucher_batch
from veilmatch.voucher.make import PictureInput, VoucherMaker
from veilmatch.voucher.synthetic import decide_kind
from veilmatch.voucher.voucher import VoucherLayout, parse_voucher
from veilmatch.wire import length_prefixed, parse_canonical_json

Json = dict[str, Any]
Operation = Callable[[Json], Json]


def _b(value: str) -> bytes:
    return bytes.fromhex(value)


def _rows(values: Sequence[str], width: int = 32) -> Bytes:
    return to_batch((_b(v) for v in values), width)


def _hex_rows(array: Bytes) -> list[str]:
    return [row.tobytes().hex() for row in array]


def _words(values: Sequence[Any]) -> Words:
    return np.array([[int(v) for v in row] for row in values], dtype=np.uint64)


def _word_list(values: Sequence[str]) -> Words:
    return np.array([int(v) for v in values], dtype=np.uint64)


def _decimal(array: Words) -> list[list[str]]:
    return [[str(int(v)) for v in row] for row in array]


def _secret(value: str) -> SecretBytes:
    return SecretBytes(_b(value))


def _parameters(value: Json) -> Parameters:
    return Parameters(
        min_shares=value["min_shares"],
        dhf_width=value["dhf_width"],
        delta_max=value.get("delta_max", 8),
        ad_len=value.get("ad_len", 512),
    )


# -- seal: keys, PRF, seal, slots, signatures, group, proofs, merkle -----------------------


def _derive_key(x: Json) -> Json:
    fields = [_b(f) for f in x["fields"]]
    key = derive_key(_secret(x["secret"]), x["purpose"], *fields, length=x["length"])
    return {"key": key.reveal().hex()}


def _prf(x: Json) -> Json:
    key, fields = _secret(x["key"]), [_b(f) for f in x["fields"]]
    return {
        "prf": evaluate_prf(key, x["purpose"], *fields).hex(),
        "expanded": expand_prf(key, x["purpose"], x["length"], *fields).hex(),
        "digest": digest(x["purpose"], *fields).hex(),
    }


def _deterministic_random(x: Json) -> Json:
    random = DeterministicRandom(_b(x["seed"]))
    return {"draws": [random(length).hex() for length in x["lengths"]]}


def _seal(x: Json) -> Json:
    rows = [one(_b(x[name])) for name in ("key", "plaintext", "aad", "salt")]
    return {"sealed": deterministic_seal_batch(*rows).tobytes().hex()}


def _open(x: Json) -> Json:
    return {"plaintext": unseal(_secret(x["key"]), _b(x["sealed"]), _b(x["aad"])).hex()}


def _seal_slot(x: Json) -> Json:
    names = ("beta", "gamma", "payload_key", "aad", "salt")
    left, right = one(_b(x["h"])), one(_b(x["p"]))
    slot = deterministic_seal_slots(left, right, _b(x["public"]), *(one(_b(x[n])) for n in names))
    return {"slot": slot.tobytes().hex()}


def _open_slot(x: Json) -> Json:
    keys, good = open_slots(_b(x["alpha"]), one(_b(x["slot"])), one(_b(x["aad"])))
    if not good[0]:
        raise VerificationError("the slot does not open")
    return {"payload_key": keys.tobytes().hex()}


def _sign(x: Json) -> Json:
    key = SigningKey(_secret(x["seed"]))
    return {
        "public_key": key.public_key.hex(),
        "key_id": derive_key_id(key.public_key).hex(),
        "signature": key.sign(x["purpose"], _b(x["message"])).hex(),
    }


def _verify_signature(x: Json) -> Json:
    verify_signature(_b(x["public_key"]), x["purpose"], _b(x["message"]), _b(x["signature"]))
    return {"verified": True}


def _hash_to_group(x: Json) -> Json:
    message = _b(x["message"])
    return {
        "element": hash_to_group(one(message)).tobytes().hex(),
        "scalar": hash_to_scalar(message).hex(),
    }


def _prove_knowledge(x: Json) -> Json:
    random = DeterministicRandom(_b(x["random_seed"]))
    proof = prove_knowledge(_secret(x["secret"]), _b(x["binding"]), random)
    return {"proof": proof.to_bytes().hex()}


def _verify_knowledge(x: Json) -> Json:
    verify_knowledge(_b(x["public"]), _b(x["binding"]), parse_proof(_b(x["proof"])))
    return {"verified": True}


def _prove_equal(x: Json) -> Json:
    proof = deterministic_prove_equal(
        _secret(x["secret"]), _rows(x["left"]), _rows(x["right"]), _b(x["context"]), _b(x["nonce"])
    )
    return {"proof": proof.to_bytes().hex()}


def _verify_equal(x: Json) -> Json:
    proof = parse_proof(_b(x["proof"]))
    verify_equal(_b(x["public"]), _rows(x["left"]), _rows(x["right"]), _b(x["context"]), proof)
    return {"verified": True}


def _merkle(x: Json) -> Json:
    return {"root": merkle_root(_rows(x["leaves"], x["leaf_len"])).hex()}


# -- sharing -------------------------------------------------------------------------------


def _evaluate_polynomial(x: Json) -> Json:
    values = evaluate_polynomial(_rows(x["coefficients"]), _rows(x["points"]))
    return {"values": _hex_rows(values)}


def _interpolate(x: Json) -> Json:
    return {"value": vartime_interpolate(_rows(x["points"]), _rows(x["values"])).hex()}


def _evaluate_dhf(x: Json) -> Json:
    outputs = evaluate_dhf(_words(x["coefficients"]), _word_list(x["inputs"]))
    return {"outputs": _decimal(outputs)}


def _share_material(x: Json) -> Json:
    account = AccountSecret(_secret(x["account_secret"]))
    sharing = account.sharing(_parameters(x["parameters"]))
    material = sharing.derive_material([_b(i) for i in x["asset_ids"]])
    return {
        "adkey": sharing.adkey.reveal().hex(),
        "points": _hex_rows(material.points),
        "values": _hex_rows(sharing.evaluate_shares(material.points)),
        "dummy_values": _hex_rows(material.dummy_values),
        "inputs": [str(int(v)) for v in material.inputs],
        "outputs": _decimal(sharing.evaluate_outputs(material.inputs)),
        "dummy_outputs": _decimal(material.dummy_outputs),
    }


# -- wire ----------------------------------------------------------------------------------


def _length_prefixed(x: Json) -> Json:
    return {"bytes": length_prefixed(*(_b(f) for f in x["fields"])).hex()}


def _canonical_json(x: Json) -> Json:
    return {"value": parse_canonical_json(_b(x["bytes"]), "the record")}


def _manifest(x: Json) -> Json:
    data = _b(x["manifest"])
    manifest = parse_manifest(data)
    return {
        "epoch": manifest.epoch,
        "min_shares": manifest.parameters.min_shares,
        "rows": manifest.rows,
        "reserialised": manifest.to_bytes() == data,
        "release_id": derive_release_id(data, _b(x["root"])).hex(),
    }


def _shard_list(x: Json) -> Json:
    shards = parse_shard_list(_b(x["file"]))
    spans = [shards.span(number) for number in range(len(shards.digests))]
    if "shard" in x:
        verify_shard(shards, x["number"], _b(x["shard"]))
    return {"spans": [list(span) for span in spans]}


def _metadata(x: Json) -> Json:
    files = MetadataFiles(
        tuple(_b(root) for root in x["roots"]),
        *(_b(x[role]) for role in ("timestamp", "snapshot", "targets")),
    )
    found = verify_metadata(
        files, _b(x["shipped_root"]), min_jurisdictions=x["min_jurisdictions"], now=x["now"]
    )
    return {
        "root": found.versions.root,
        "signed_by": sorted(provider.name for provider in found.signed_by),
        "files": {name: one.sha256.hex() for name, one in sorted(found.files.items())},
    }


def _hash_list(x: Json) -> Json:
    listed = parse_hash_list(_b(x["file"]))
    return {
        "provider": listed.provider.name,
        "jurisdiction": listed.provider.jurisdiction,
        "hashes": _hex_rows(listed.hashes),
        "commitment": listed.commitment.hex(),
    }


def _voucher_batch(x: Json) -> Json:
    batch = parse_voucher_batch(_b(x["batch"]))
    return {
        "account": batch.identity.account.hex(),
        "release_id": batch.release_id.hex(),
        "vouchers": [v.hex() for v in batch.vouchers],
        "digests": [d.hex() for d in batch.digests],
    }


def _deletion_batch(x: Json) -> Json:
    batch = parse_deletion_batch(_b(x["batch"]))
    return {"account": batch.identity.account.hex(), "ids": [i.hex() for i in batch.asset_ids]}


# -- table ---------------------------------------------------------------------------------


def _positions(x: Json) -> Json:
    found = derive_positions([_b(y) for y in x["encoded"]], _b(x["nonce"]), x["rows"])
    return {"positions": found.tolist()}


def _row_count(x: Json) -> Json:
    return {"rows": row_count(x["hash_count"], x["expansion"])}


def _place(x: Json) -> Json:
    positions = np.array(x["positions"], dtype=np.int64).reshape(-1, 2)
    return {"placed": place(positions, x["rows"]).tolist()}


def _build_table(x: Json) -> Json:
    table = build_table(
        [_b(y) for y in x["encoded"]],
        alpha=_secret(x["alpha"]),
        nonce=_b(x["nonce"]),
        epoch=x["epoch"],
        rows=x["rows"],
    )
    file = table.header() + table.rows.tobytes()
    return {"file": file.hex(), "root": table.root().hex()}


def _table_file(x: Json) -> Json:
    table = verify_rows(parse_table(_b(x["file"]), x["rows"]))
    return {"root": table.root().hex()}


def _table_secret(x: Json) -> Json:
    secret = parse_table_secret(_b(x["file"]))
    return {
        "alpha": secret.alpha.reveal().hex(),
        "epoch": secret.epoch,
        "release_id": secret.release_id.hex(),
        "public": secret.public.hex(),
    }


# -- voucher and matching ------------------------------------------------------------------


def _account(x: Json) -> Json:
    account = AccountSecret(_secret(x["account_secret"]))
    asset_id = account.derive_asset_id(_b(x["content_digest"]))
    return {
        "account_public_key": account.signing_key.public_key.hex(),
        "pseudonym": account.pseudonym.hex(),
        "asset_id": asset_id.hex(),
        "seen_tag": account.derive_seen_tag(_b(x["image_hash"])).hex(),
        "lot": account.derive_lot(asset_id),
    }


def _decide_kind(x: Json) -> Json:
    schedule = SyntheticSchedule(x["shape"], x["rate"], x["probability_cap"])
    kind = decide_kind(
        AccountSecret(_secret(x["account_secret"])),
        schedule,
        _b(x["asset_id"]),
        upload_count=x["upload_count"],
        usable=x["usable"],
        seen=x["seen"],
    )
    return {"kind": kind.value}


def _pad_associated_data(x: Json) -> Json:
    data = AssociatedData(_b(x["image_hash"]), _b(x["derivative"]))
    return {"padded": pad_associated_data(data, x["ad_len"]).hex()}


def _parse_associated_data(x: Json) -> Json:
    data = parse_associated_data(_b(x["padded"]))
    return {"image_hash": data.image_hash.hex(), "derivative": data.derivative.hex()}


def _make_vouchers(x: Json) -> Json:
    manifest = parse_manifest(_b(x["manifest"]))
    table = verify_rows(UncheckedTable(as_rows(_b(x["table_rows"]), 32)))
    release_id = derive_release_id(_b(x["manifest"]), table.root())
    maker = VoucherMaker(
        AccountSecret(_secret(x["account_secret"])),
        SigningKey(_secret(x["device_seed"])),
        TrustedRelease(manifest, table, release_id, ()),
    )
    pictures = [
        PictureInput(
            _b(p["asset_id"]),
            Kind(p["kind"]),
            tuple(_b(y) for y in p["image_hashes"]),
            AssociatedData(_b(p["image_hashes"][0]), _b(p["derivative"])),
        )
        for p in x["pictures"]
    ]
    random = DeterministicRandom(_b(x["random_seed"]))
    made = maker.deterministic_make_vouchers(pictures, random)
    return {"vouchers": [voucher.to_bytes().hex() for voucher in made]}


def _layout(x: Json) -> VoucherLayout:
    return VoucherLayout(x["slot_count"], x["dhf_width"], x["ad_len"])


def _parse_voucher(x: Json) -> Json:
    voucher = parse_voucher(_b(x["voucher"]), _layout(x))
    return {
        "account": voucher.account.hex(),
        "release_id": voucher.release_id.hex(),
        "id": voucher.asset_id.hex(),
        "device_key_id": voucher.device_key_id.hex(),
    }


def _match_voucher(x: Json) -> Json:
    secret = TableSecret(_secret(x["alpha"]), 1, _b(x["release_id"]))
    layout = _layout(x)
    result = match_vouchers(secret, layout, [parse_voucher(_b(x["voucher"]), layout)])[0]
    share = result.share.to_bytes().hex() if result.share else ""
    return {"outcome": result.outcome.value, "share": share}


# -- opening -------------------------------------------------------------------------------


def _detect(x: Json) -> Json:
    found = detect(_word_list(x["inputs"]), _words(x["outputs"]), x["min_shares"], x["delta_max"])
    return {"real": [bool(flag) for flag in found]}


def _open_account(x: Json) -> Json:
    parameters = _parameters(x["parameters"])
    shares = MatchSet(parse_share(_b(s), parameters.dhf_width) for s in x["shares"])
    opening = open_account(
        _b(x["account"]),
        shares,
        min_shares=parameters.min_shares,
        delta_max=parameters.delta_max,
    )
    return {
        "opened": [
            {"id": item.share.asset_id.hex(), "derivative": item.data.derivative.hex()}
            for item in opening.items
        ],
        "unopened_count": opening.unopened_count,
        "synthetic_count": opening.synthetic_count,
    }


OPERATIONS: dict[str, Operation] = {
    "seal/derive_key": _derive_key,
    "seal/prf": _prf,
    "seal/deterministic_random": _deterministic_random,
    "seal/seal": _seal,
    "seal/open": _open,
    "seal/seal_slot": _seal_slot,
    "seal/open_slot": _open_slot,
    "seal/sign": _sign,
    "seal/verify_signature": _verify_signature,
    "seal/hash_to_group": _hash_to_group,
    "seal/prove_knowledge": _prove_knowledge,
    "seal/verify_knowledge": _verify_knowledge,
    "seal/prove_equal": _prove_equal,
    "seal/verify_equal": _verify_equal,
    "seal/merkle_root": _merkle,
    "sharing/evaluate_polynomial": _evaluate_polynomial,
    "sharing/interpolate": _interpolate,
    "sharing/evaluate_dhf": _evaluate_dhf,
    "sharing/share_material": _share_material,
    "wire/length_prefixed": _length_prefixed,
    "wire/canonical_json": _canonical_json,
    "wire/manifest": _manifest,
    "wire/shard_list": _shard_list,
    "wire/metadata": _metadata,
    "wire/hash_list": _hash_list,
    "wire/voucher_batch": _voucher_batch,
    "wire/deletion_batch": _deletion_batch,
    "table/row_count": _row_count,
    "table/positions": _positions,
    "table/place": _place,
    "table/build": _build_table,
    "table/file": _table_file,
    "table/secret": _table_secret,
    "voucher/account": _account,
    "voucher/decide_kind": _decide_kind,
    "voucher/pad_associated_data": _pad_associated_data,
    "voucher/parse_associated_data": _parse_associated_data,
    "voucher/make": _make_vouchers,
    "voucher/parse": _parse_voucher,
    "voucher/match": _match_voucher,
    "opening/detect": _detect,
    "opening/open_account": _open_account,
}
