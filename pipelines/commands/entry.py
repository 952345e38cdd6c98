"""What every command does with a fault: one sentence on stderr, and an exit code."""

import os
import sys
from collections.abc import Callable
from typing import Any

from schemas.errors import LoomError, UsageError
from schemas.text import shown

CLOSED = 141
"""128 + SIGPIPE: the reader of our output has gone."""


def guarded(command: Callable[[], int]) -> int:
    """Run a command; a fault that a user can mend becomes one sentence, a bug keeps its traceback."""
    try:
        code = command()
        sys.stdout.flush()
        return code
    except LoomError as error:
        return _say(str(error), error.exit_code)
    except BrokenPipeError:  # of stdout: workers' pipes have errors of their own
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say(f"{where}{error.strerror or error}; what is finished is kept", 1)
    except KeyboardInterrupt:
        return 130


def leave_on_signals(first: Callable[[], None]) -> None:
    """SIGTERM and Ctrl-C end the process at once, after `first`: files are whole or absent."""
    import signal

    def leave(number: int, _: Any) -> None:
        first()
        print(f"interrupted ({signal.Signals(number).name}); run again to resume", file=sys.stderr)
        sys.stderr.flush()
        os._exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)


def readable(argv: list[str]) -> None:
    """Refuse arguments that are no text: paths are written into JSON and Parquet.

    Raises:
        UsageError: naming the argument.
    """
    for text in argv:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            named = text.encode("utf-8", "backslashreplace").decode()
            raise UsageError(f"{named}: not UTF-8 text; rename it") from error


def _say(sentence: str, code: int) -> int:
    from catalogs.sources.net.redact import scrub

    print(f"error: {shown(scrub(sentence))}", file=sys.stderr)
    return code
