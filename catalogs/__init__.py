"""The world's catalogues and ours: finding and reading sources, describing a release. No Beam."""
