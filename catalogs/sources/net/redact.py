"""Signatures, tokens and query strings, taken out of everything that is shown or stored.

A signed URL is a key. rasterio's exception chain was seen to hold one whole, so messages alone
are not enough: causes, contexts, tracebacks and log records are cleaned too.
"""

import logging
import re
import traceback
from collections.abc import Iterator

from schemas.text import shown as plain

GONE = "[redacted]"
_SECRETS = (
    r"sig|se|skoid|sktid|signature|awsaccesskeyid|googleaccessid|credential|"
    r"x-(?:amz|goog|ms)-[\w-]+|(?:\w+[_-])*(?:token|api_?key|secret|password|subscription-key)"
)
_HEADERS = r"\b((?:(?:proxy-)?authorization|(?:set-)?cookie)['\"]?\s*[:=]\s*+)"
_RULES = (
    # user-info: https://name:password@host
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/?#'\"<>@]*@", re.IGNORECASE), r"\1"),
    # query strings, of whole URLs and of the bare paths that HTTP libraries log
    (re.compile(r"\?[\w.~%+$:\[\]-]+=[^\s'\"<>]*"), f"?{GONE}"),
    # header lines, their whole value; between quotes where they are shown in a dict
    (
        re.compile(rf"{_HEADERS}(['\"])(?:(?!\2)[^\n])*", re.IGNORECASE),
        rf"\1\2{GONE}",
    ),
    (re.compile(rf"{_HEADERS}[^'\"\n]+", re.IGNORECASE), rf"\1{GONE}"),
    (re.compile(r"\b(bearer|basic|sharedkey)\s+[\w.~+/:=-]{8,}", re.IGNORECASE), rf"\1 {GONE}"),
    # single values: sig=..., "token": "...", X-Amz-Signature=..., and percent-encoded ones
    (
        re.compile(
            rf"(?<![\w-])({_SECRETS})(=|%3D|['\"]\s*[:=]\s*['\"]?|:\s+)(?!\[redacted)[^\s'\"<>&,;)}}]+",
            re.IGNORECASE,
        ),
        rf"\1\2{GONE}",
    ),
)


def scrub(text: str) -> str:
    """The text without query strings, user-info, signatures, tokens and authorisation headers."""
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text


def bare(url: str) -> str:
    """The URL without user-info, query and fragment: what a message may show."""
    return scrub(re.split(r"[?#]", url, maxsplit=1)[0])


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, its causes and contexts and the members of groups, each once."""
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        this = todo.pop(0)
        if this is None or id(this) in seen:
            continue
        seen.add(id(this))
        yield this
        todo += [this.__cause__, this.__context__]
        if isinstance(this, BaseExceptionGroup):
            todo += this.exceptions


def cleanse(error: BaseException) -> None:
    """Scrub every text that an exception and its chain carry, in place."""
    for this in chain(error):
        this.args = tuple(_scrubbed(value) for value in this.args)
        for name in ("filename", "filename2", "strerror", "object", "reason", "msg"):
            _replace(this, name, getattr(this, name, None))
        for name, value in list(getattr(this, "__dict__", {}).items()):
            _replace(this, name, value)


def _scrubbed(value: object) -> object:
    """The value scrubbed where it is text, or a sequence or a dict that holds text."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, bytes):
        return scrub(value.decode("latin-1")).encode("latin-1")
    if type(value) is list:
        return [_scrubbed(one) for one in value]
    if type(value) is tuple:
        return tuple(_scrubbed(one) for one in value)
    return {k: _scrubbed(v) for k, v in value.items()} if type(value) is dict else value


def _replace(error: BaseException, name: str, value: object) -> None:
    clean = _scrubbed(value)
    if clean != value:
        setattr(error, name, clean)


def shown(error: BaseException) -> str:
    """The formatted traceback, scrubbed."""
    return scrub("".join(traceback.format_exception(error)))


class Redact(logging.Filter):
    """Scrubs a log record: message, traceback and stack; terminal controls are written out.

    A logger's filters do not see its children's records, so it belongs on handlers.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """True, after cleaning the record."""
        record.msg, record.args = plain(scrub(record.getMessage())), ()
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text, record.exc_info = plain(shown(record.exc_info[1])).rstrip(), None
        elif record.exc_text:
            record.exc_text = plain(scrub(record.exc_text))
        if record.stack_info:
            record.stack_info = plain(scrub(record.stack_info))
        return True


def guard_logging(logger: logging.Logger | None = None) -> None:
    """Put the filter on every handler of a logger (the root), and on the one used without any."""
    handlers = list((logger or logging.getLogger()).handlers)
    if logging.lastResort is not None:
        handlers.append(logging.lastResort)
    for handler in handlers:
        if not any(isinstance(known, Redact) for known in handler.filters):
            handler.addFilter(Redact())


def guard_library() -> None:
    """Put the filter on the HTTP library's own loggers: they log paths with their queries."""
    for name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, Redact) for known in logger.filters):
            logger.addFilter(Redact())
