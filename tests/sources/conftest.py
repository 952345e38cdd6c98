"""A wide extract and its feature table, made once."""

from pathlib import Path

import pytest

from catalogs.sources.feature_table import FeatureTable
from catalogs.sources.osm_features import feature_table
from osm_world import wide_town


@pytest.fixture(scope="session")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An extract of many blocks; not to be changed."""
    return wide_town(tmp_path_factory.mktemp("extract"))


@pytest.fixture(scope="session")
def table(extract: Path) -> FeatureTable:
    """Its table; not to be changed."""
    return feature_table(extract, extract.with_name("town.parquet"))
