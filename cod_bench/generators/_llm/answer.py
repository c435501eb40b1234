"""Chat completion -> what a row keeps of it: no secret in it, nothing that cannot be written, no longer than asked."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from openai import OpenAI

LONGEST = 100_000
"""Characters of an answer's text; what is longer is cut and says so."""
PER_TOKEN = 16
"""Characters of one token of `max_tokens`, on average, that no model's answer has."""
LABEL = 200
"""Characters of whatever names something: the model that served, why it ended, a count."""
MOST_TOKENS = 10**12
CUT = "[key]"
_HALVES = re.compile("[\ud800-\udfff]")
_MARK = "\ufffd"


class Secrets:
    """What must stand in nothing that is written or told: the key, and a password in the address."""

    def __init__(self, *secrets: str) -> None:
        self._found = re.compile("|".join(re.escape(form) for form in _forms(secrets)) or "(?!)", re.IGNORECASE)

    @classmethod
    def of(cls, client: OpenAI) -> Secrets:
        """Those of a client."""
        return _secrets(client.api_key, client.base_url.username, client.base_url.password)

    def cut(self, text: str) -> str:
        """A text without them, plain, as JSON, in an address, in a page, in hexadecimal or in base64."""
        return self._found.sub(CUT, text)

    def tidy(self, text: str) -> str:
        """The same, without halves of characters, which no file takes."""
        return self.cut(_HALVES.sub(_MARK, text))


@lru_cache(maxsize=8)
def _secrets(key: str, name: str, password: str) -> Secrets:
    return Secrets(key, password, f"{name}:{password}" if password else "")


def _forms(secrets: tuple[str, ...]) -> list[str]:
    """What a server that repeats what it was sent may make of them, longest first."""
    found: set[str] = set()
    for secret in secrets:
        # "any word for a keyless server": such a word is no secret, and cutting it would change what texts say
        if not (len(secret) >= 16 or (len(secret) >= 8 and not secret.isalpha())):
            found |= {f"Bearer {secret}"} if secret else set()
            continue
        data = secret.encode()
        found |= {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
        found |= {html.escape(secret), data.hex()}
        for before in range(3):  # inside a longer text it may begin at any of three places of base64's groups
            whole = bytes(before) + data
            for text in (base64.b64encode(whole).decode(), base64.urlsafe_b64encode(whole).decode()):
                found.add(text[-(-before * 8 // 6) : len(whole) * 8 // 6])
    return sorted(found, key=lambda form: (-len(form), form))


def as_answer(completion: Any, secrets: Secrets, max_tokens: int, samples: int = 1) -> dict[str, Any]:
    """What a row keeps of a chat completion: `samples` of its answers at most, further ones under `more`.

    Where a server's count of tokens is that of the first answer alone, the row says so by `counted_first`.

    Raises:
        KeyError, AttributeError, TypeError, IndexError: it is none.
    """
    choices = [completion["choices"][0], *completion["choices"][1:samples]]
    first, *more = (_choice(choice, secrets, max_tokens) for choice in choices)
    usage = _counts(completion.get("usage"), secrets)
    found = {
        **first, "served": _label(completion.get("model"), secrets), "usage": usage or None, "time": now(),
    }  # fmt: skip
    if more:
        found["more"] = more
        timings = completion.get("timings")  # llama.cpp's server tells of its first answer there, and in `usage`
        if isinstance(timings, Mapping) and timings.get("predicted_n") == usage.get("completion_tokens", 0) > 0:
            found["counted_first"] = True
    return found


def _choice(choice: Any, secrets: Secrets, max_tokens: int) -> dict[str, Any]:
    content = choice["message"]["content"]
    if not isinstance(content, str | None):
        raise TypeError("content is no text")
    text, finish = secrets.tidy(content or ""), _label(choice.get("finish_reason"), secrets)
    most = min(LONGEST, PER_TOKEN * max_tokens)
    if len(text) > most:
        text, finish = text[:most], "length"
    return {"text": text, "finish_reason": finish}


def now() -> str:
    """The time as rows have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def whole(text: str) -> str:
    """A text without halves of characters."""
    return _HALVES.sub(_MARK, text)


def _label(value: Any, secrets: Secrets) -> str | None:
    return secrets.tidy(value)[:LABEL] if isinstance(value, str) else None


def _counts(usage: Any, secrets: Secrets, depth: int = 0) -> dict[str, Any]:
    """The counts of tokens, and those of their kinds below them; what is no count is left out."""
    found: dict[str, Any] = {}
    for name, value in [*usage.items()][:40] if isinstance(usage, Mapping) else ():
        if isinstance(value, Mapping) and depth == 0:
            found[_label(name, secrets) or ""] = _counts(value, secrets, 1)
        elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS:
            found[_label(name, secrets) or ""] = int(value)
    return found
