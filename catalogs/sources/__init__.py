"""Places that things come from: imagery catalogues and files, OSM extracts, feature tables."""
