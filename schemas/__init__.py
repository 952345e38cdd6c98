"""The nouns of the engine, its table schemas and the facts it relies on. No Beam, no I/O."""
