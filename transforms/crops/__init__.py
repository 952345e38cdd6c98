"""Farm parcels on patches of imagery: joined, as label rasters, as monthly statistics, in scenarios."""

from transforms.crops.cube import Months
from transforms.crops.join import Join
from transforms.crops.labels import Labels
from transforms.crops.limits import Least, Mapped, OneSide
from transforms.crops.oad import Oad, Statistics
from transforms.crops.scenarios import Scenarios
from transforms.crops.tables import Lost, Mapping, Numbers, Parcels

__all__ = [
    "Join", "Labels", "Least", "Lost", "Mapped", "Mapping", "Months", "Numbers", "Oad", "OneSide",
    "Parcels", "Scenarios", "Statistics",
]  # fmt: skip
