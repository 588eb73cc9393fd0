"""What each kind of finding means, and what can be done."""

from __future__ import annotations

ABOUT = {
    "quarantined": "Mend or remove these frames, then read the files again.",
    "overlap": "No calculation gives a usable label there. Look at the units of cell and positions, and at the cell.",
    "crowded": "Matter is never so dense. Look at the units of cell and positions.",
    "short-distance": "Sets made for repulsion have such on purpose; otherwise look at what made them.",
    "no-energy": "Name the key of the energy when reading, or leave these structures out of what needs one.",
    "no-forces": "Name the key of the forces when reading, or leave these structures out of what needs them.",
    "partial-forces": "A fit must leave out the atoms without a force, not take it for zero.",
    "no-stress": "A fit to stress sees the others only.",
    "stress-convention": "A fit to stress would be led astray. Mend the files: stress is positive in tension here, "
    "and its six numbers are xx yy zz yz xz xy.",
    "stress-unit": "A fit to stress would be led astray. Mend the files, or name the unit when reading "
    "(--stress-unit); if the stress is right the energies are not.",
    "labels-disagree": "One geometry with two answers cannot be learnt: another magnetic or electronic state, other "
    "settings, or an error. Keep one of them.",
    "net-force": "Forces of converged calculations without a field add up to zero. These may be of another structure, "
    "in another order, not converged, or partly missing.",
    "strong-force": "A fit by squares follows such forces first. Weigh them down or leave them out unless repulsion "
    "matters.",
    "low-energy": "Nothing in nature explains such an energy; another unit, reference or number of atoms does.",
    "high-energy": "Great pressure explains such an energy, and so do another unit or reference. A fit by "
    "squares follows it first.",
    "zero-force": "Atoms that were frozen have no force to learn from; nor has what was never written.",
    "alone": "A descriptor of that cutoff sees nothing there. Isolated atoms of a reference have their own structures.",
    "duplicates": "Repeats count double in a fit, and what stands in a test set is known already if it is trained on.",
    "symmetric-duplicates": "A model that sees no direction learns nothing from a second copy. meagraph duplicates "
    "lists each beside the one that it repeats.",
    "near-duplicates": "One of them says as much as all; what lies beyond 5 Å does not count.",
    "across-files": "What stands in a test set is known already if it is trained on. meagraph duplicates --train A "
    "--test B lists all pairs; meagraph split divides a set so that none is left.",
    "unseen-pairs": "A model has nothing to learn from of how these elements bind to each other.",
}
