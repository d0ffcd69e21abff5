"""What a saved model is, by the name of its class."""

from collections.abc import Sequence
from typing import Literal


def kind_of(architectures: Sequence[str] | None) -> Literal["classifier", "autoencoder", "encoder"]:
    """The kind of a model, from the field `architectures` of its configuration. Without a name, it is an encoder."""
    architecture = (architectures or [""])[0]
    if architecture.endswith("ForVideoClassification"):
        return "classifier"
    return "autoencoder" if architecture.endswith("ForPreTraining") else "encoder"
