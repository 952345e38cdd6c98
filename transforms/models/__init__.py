"""Networks in this process: encoders of pictures and texts, writers of texts.

torch and transformers belong to the extra `models` and are imported where a model is loaded.
"""
