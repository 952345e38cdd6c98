"""annotate: captions, scores and embeddings by models, on what `make` has left. No source access."""

from pipelines.job import Job
from schemas.errors import UsageError
from schemas.recipes import name_of


def annotate(job: Job) -> None:
    """Run the act: nothing to do for a recipe that names no model.

    Raises:
        UsageError: the recipe names a model step; this version brings none.
    """
    if job.recipe.annotate:
        names = ", ".join(name_of(step) for step in job.recipe.annotate)
        raise UsageError(f"recipe {job.recipe.card.name}: this version cannot run {names}")
