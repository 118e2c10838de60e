"""Looking over an installation: this computer, what is installed, the configuration, every destination; and what mends what is amiss.

Nothing is changed, but that at each destination an object of 16 KiB is stored and removed again, to see whether that can be done.
"""

from photovault.app.doctoring.run import examine
from photovault.app.doctoring.values import Look, State

__all__ = ["Look", "State", "examine"]
