"""What the list of candidates shows of each: a structure, an environment, or structures that are off together."""

from __future__ import annotations

from typing import Any

from meaviz.judgements.candidates import Candidates
from meaviz.judgements.ledger import VERDICTS
from meaviz.session import Session


def row_of(session: Session, found: Candidates, place: int) -> dict[str, Any]:
    """The row of the item at ``place``, for :class:`meaviz.components.candidate_list.CandidateList`."""
    analysis, judgements, lead = session.data.found, session.judging.judgements, int(found.leads[place])
    assert judgements is not None
    data, outliers = analysis.dataset, analysis.survey.outliers
    family, count = found.families.get(lead), len(found.members(lead))
    if family is not None:
        title, reasons = family.title, [family.what]
    else:
        which = f"{count} atoms" if count > 1 else f"atom {data.atom_of[lead]}"
        title, reasons = f"structure {data.structure_of[lead]}, {which}", outliers.reasons(lead)
    verdict = VERDICTS[judgements.verdict[lead]]
    return {
        "row": lead,
        "rank": place + 1,
        "title": title,
        "text": " · ".join([f"{outliers.score[lead]:.2f}", *reasons]),
        "verdict": "disputed" if judgements.disputed[lead] else "" if verdict == "open" else verdict,
    }
