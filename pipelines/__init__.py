"""The sentences: commands, acts on Beam, runners, progress, and one file for each dataset."""
