"""The five acts, each a Beam pipeline over small rows with commit records."""
