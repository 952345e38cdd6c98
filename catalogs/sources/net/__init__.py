"""The network: nothing else in the project opens a connection."""
