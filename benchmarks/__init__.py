"""Speed against a hand-written loop and against peer libraries, in one run."""
