"""What :mod:`meagraph.compiling` makes ahead of need, by the stage that needs it."""

LEARNING = (
    "meagraph.graph.loops",
    "meagraph.model.loops",
    "meagraph.latent.nearest",
    "meagraph.latent.neighbours",
    "meagraph.inspection.phase_loops",
    "meagraph.inspection.reach",
)
FORCE_FIELD = ("meagraph.force_field.field",)
RANKING = ("meagraph.pruning.loops",)
