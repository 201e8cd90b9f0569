from typing import ClassVar, Literal

from aecore.parts.contracts import Loop, Procedure


class Joint(Procedure):
    """Encoder and decoder together, by minibatch back-propagation of the objective.

    Source: Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", Nature 323 (1986).
    """

    title: ClassVar[str] = "Joint back-propagation"
    kind: Literal["joint"] = "joint"

    def run(self, loop: Loop) -> None:
        loop.backprop("joint", loop.config.training.epochs, list(loop.model.parameters()))
