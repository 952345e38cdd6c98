"""Signatures, tokens and query strings, taken out of everything that is shown or stored.

A signed URL is a key. rasterio's exception chain was seen to hold one whole, so messages alone
are not enough: tracebacks, with all causes and contexts, and log records are cleaned too.
"""

import logging
import re
import traceback

from schemas.text import shown as plain

GONE = "[redacted]"
_SECRETS = (
    r"sig|se|skoid|sktid|signature|awsaccesskeyid|googleaccessid|credential|"
    r"x-(?:amz|goog|ms)-[\w-]+|(?:\w+[_-])*(?:token|secret|password|(?:api|access|account|private|"
    r"subscription|secret)[_-]?key(?:[_-]id)?)"
)
_START = r"(?:(?<![\w-])|(?<=%3F)|(?<=%26))"  # the last two: within an encoded URL
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
    # Google's access tokens, by how they begin
    (re.compile(r"\bya29\.[\w.~+/-]{8,}"), GONE),
    (re.compile(r"\b(bearer|basic|sharedkey)\s+[\w.~+/:=-]{8,}", re.IGNORECASE), rf"\1 {GONE}"),
    # keys that tell themselves: Google's for its APIs, and private ones as text
    (re.compile(r"\bAIza[\w-]{6,}"), GONE),
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z)", re.DOTALL),
        GONE,
    ),
    # single values: sig=..., "token": "...", X-Amz-Signature=..., and percent-encoded ones
    (
        re.compile(
            rf"{_START}({_SECRETS})(=|%3D|['\"]\s*[:=]\s*['\"]?|:\s+)(?!\[redacted)[^\s'\"<>&,;)}}]+",
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
