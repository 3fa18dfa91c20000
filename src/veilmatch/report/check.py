"""The gate: from what people wrote to a report that may be sent.

In order: 1. viewed flags from recorded views; 2. every rule; 3. the operator's schema, where
there is one; 4. no open gap. Only this module makes a ``CheckedReport``.
Spec: ``spec/70-report.md`` section 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from veilmatch.errors import ConfigError, InputError, VerificationError
from veilmatch.report.completeness import Completeness, Waiver, measure_completeness
from veilmatch.report.model.document import FileDetails, Report
from veilmatch.report.rules import Finding, RuleContext, find_breaks
from veilmatch.report.serialize import to_xml
from veilmatch.report.viewed import UnseenPolicy, ViewEvent, derive_viewed


class OperatorSchema:
    """The body's own XSD, as the operator got it. It is not part of Veilmatch.

    Args:
        xsd: The schema file's bytes.

    Raises:
        ConfigError: lxml is not installed, or the bytes are no XML schema.
    """

    def __init__(self, xsd: bytes) -> None:
        try:
            from lxml import etree
        except ModuleNotFoundError as exc:
            raise ConfigError(
                "checking against a schema needs lxml", hint="pip install 'veilmatch[report]'"
            ) from exc
        self._etree: Any = etree
        try:
            self._schema = etree.XMLSchema(etree.fromstring(xsd, self._parser()))
        except (etree.XMLSyntaxError, etree.XMLSchemaParseError) as exc:
            raise ConfigError("the schema file is not an XML schema", setting="xsd") from exc

    def _parser(self) -> Any:
        return self._etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        )

    def accepts(self, document: bytes) -> bool:
        """Tell whether the schema accepts a document; its messages hold values and are not kept."""
        return bool(self._schema.validate(self._etree.fromstring(document, self._parser())))


@dataclass(frozen=True, repr=False)
class DraftFile:
    """A file as people describe it: no viewed flags yet. ``file_key`` names it in its case."""

    file_key: str
    details: FileDetails


@dataclass(frozen=True, repr=False)
class Draft:
    """A report as people wrote it, with the recorded views of its files."""

    report: Report
    files: tuple[DraftFile, ...]
    views: tuple[ViewEvent, ...] = ()
    waivers: tuple[Waiver, ...] = ()

    def __repr__(self) -> str:
        return f"Draft({len(self.files)} files)"


@dataclass(frozen=True, repr=False)
class CheckedReport:
    """A report that may be sent. Made by ``check_report`` alone."""

    report: Report
    files: tuple[FileDetails, ...]
    completeness: Completeness

    def __repr__(self) -> str:
        return f"CheckedReport({len(self.files)} files, score {self.completeness.score})"


@dataclass(frozen=True)
class Review:
    """What a check found: broken rules, documents the schema refuses, and completeness."""

    findings: tuple[Finding, ...]
    schema_errors: int
    is_schema_checked: bool
    completeness: Completeness

    @property
    def is_fit(self) -> bool:
        """Tell whether the report may be sent."""
        return not (self.findings or self.schema_errors or self.completeness.open_gaps)


def _fill_viewed(
    draft: Draft, context: RuleContext, policy: UnseenPolicy
) -> tuple[FileDetails, ...]:
    keys = [one.file_key for one in draft.files]
    if len(set(keys)) != len(keys):
        raise InputError("two files of a report have the same key")
    return tuple(
        derive_viewed(one.details, one.file_key, draft.views, context.now, policy)
        for one in draft.files
    )


def _review(
    draft: Draft, files: Sequence[FileDetails], context: RuleContext, schema: OperatorSchema | None
) -> Review:
    findings = find_breaks(draft.report, files, context)
    # What breaks the rules of XML cannot be written, and is refused by its rule already.
    writable = all(finding.rule_id != "text-xml" for finding in findings)
    errors = 0
    if schema is not None and writable:
        errors = sum(not schema.accepts(to_xml(one)) for one in (draft.report, *files))
    completeness = measure_completeness(draft.report, files, draft.waivers)
    return Review(findings, errors, schema is not None and writable, completeness)


def review_draft(
    draft: Draft,
    context: RuleContext,
    *,
    schema: OperatorSchema | None = None,
    policy: UnseenPolicy = UnseenPolicy.SAY_NO,
) -> Review:
    """Say everything that stands between a draft and sending; for screens.

    Raises:
        InputError: Viewed flags set by hand, or a waiver without a reason.
    """
    return _review(draft, _fill_viewed(draft, context, policy), context, schema)


def check_report(
    draft: Draft,
    context: RuleContext,
    *,
    schema: OperatorSchema | None = None,
    policy: UnseenPolicy = UnseenPolicy.SAY_NO,
) -> CheckedReport:
    """Make a report that may be sent.

    Raises:
        InputError: Viewed flags set by hand, or a waiver without a reason.
        VerificationError: A rule is broken, the schema refuses it, or a gap is open. The
            message names rules and gaps, no value.
    """
    files = _fill_viewed(draft, context, policy)
    review = _review(draft, files, context, schema)
    if not review.is_fit:
        names = sorted({finding.rule_id for finding in review.findings})
        names += [f"gap {gap.gap_id}" for gap in review.completeness.open_gaps]
        names += ["schema"] if review.schema_errors else []
        raise VerificationError(
            f"the report may not be sent yet: {', '.join(names)}",
            hint="veilmatch report check explains each; answer a gap or waive it with a reason",
        )
    return CheckedReport(draft.report, files, review.completeness)
