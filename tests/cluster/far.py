"""The method of the study that the faults of a cluster disturb: it says on which host it is, and may be held there."""

import socket
import time
from pathlib import Path
from typing import ClassVar

from relab.prepared import Prepared
from relab.trial import Trial

from tests.faults.walk import Walk, WalkConfig, Witness


class Far(Walk):
    """A walk whose trials begin only while there is no file ``hold`` beside the witness, or it has their key."""

    name: ClassVar[str] = "tests.cluster.far:Far"

    def train(self, config: WalkConfig, data: Prepared, trial: Trial) -> None:
        witness, key = Witness(Path(config.witness)), trial.folder.name
        witness.note(socket.gethostname(), key)
        hold = witness.folder / "hold"
        while hold.exists() and key not in hold.read_text():
            time.sleep(0.1)
        super().train(config, data, trial)
