"""The card (`README.md`) of a model.

May import `configuration`.
"""

from .card import card_for_repository, is_as_written, write_model_card
from .facts import ModelFacts


__all__ = ["ModelFacts", "card_for_repository", "is_as_written", "write_model_card"]
