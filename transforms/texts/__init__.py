"""Texts of samples: what is wrong with one, and what it may say."""
