"""Settings of all tests. HYPOTHESIS_PROFILE chooses: quick (the default), ci or thorough."""

import os

from hypothesis import Phase, settings

# an example may take its time on a busy machine; the phase left out, explain, reruns every failure
# many times to name lines that only failures reach
PHASES = [phase for phase in Phase if phase is not Phase.explain]
settings.register_profile("quick", deadline=None, phases=PHASES)
settings.register_profile("ci", settings.get_profile("quick"), print_blob=True)
settings.register_profile("thorough", settings.get_profile("ci"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
