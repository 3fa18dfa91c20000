"""x."""
from veilmatch.console.guard import Door
DOORS: list[Door] = []
