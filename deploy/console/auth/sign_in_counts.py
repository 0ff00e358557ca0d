"""How often people were signed in, and refused, since the start of the process."""

from collections import Counter
from dataclasses import dataclass, field

from stripeline.contracts.operator.operator_vocabulary import SignInRefusal


@dataclass(slots=True)
class SignInCounts:
    """signed_in: by a token or a link; a proxy signs people in itself. refused: requests, by reason."""

    signed_in: int = 0
    refused: Counter[SignInRefusal] = field(default_factory=Counter)
