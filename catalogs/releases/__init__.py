"""What stands around the shards of a release: tables, STAC, card, statistics, manifest, checks."""
