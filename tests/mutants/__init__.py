"""Ways to break malsync, each by a name: what `./run mutations` breaks, and which tests must notice.

A mutant is a text that stands once in a file of the product, what stands there instead, and the tests that know better.
"""

from tests.mutants.kinds import Edit, Mutant
from tests.mutants.planning import PLANNING
from tests.mutants.pruning import PRUNING
from tests.mutants.reading import READING
from tests.mutants.secrets import SECRETS
from tests.mutants.showing import SHOWING
from tests.mutants.storing import STORING
from tests.mutants.writing import WRITING

MUTANTS: tuple[Mutant, ...] = (*READING, *STORING, *PRUNING, *PLANNING, *WRITING, *SECRETS, *SHOWING)
"""All of them, by the part of the promises that they break."""

__all__ = ["MUTANTS", "Edit", "Mutant"]
