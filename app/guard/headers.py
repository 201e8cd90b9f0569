"""The headers of every answer: what a page of this server may load, and that no other page may use it.

Content-Security-Policy: nothing is allowed but what Streamlit's client and our live components need.

    default-src 'none'       whatever is not named below: frames, plugins, prefetching, kinds to come
    script-src 'self'        Streamlit's client, and our components' files below /live/dist
      blob:                  Streamlit imports a component's script, which came in a message, from a blob address
      'wasm-unsafe-eval'     onnxruntime compiles WebAssembly; this allows no `eval` of text
      'sha256-…'             the one inline script of Streamlit's index.html, by its content
    style-src 'self' 'unsafe-inline'
                             Streamlit (emotion), Plotly and our components make <style> elements and style attributes
                             while they run, whose content no hash can name beforehand
    img-src 'self' data:     /media and /live; most of our pictures are data: addresses
    font-src 'self' data:    Streamlit's fonts; its icons have one inlined
    connect-src 'self' data: its own server by http and websocket, nothing else; Walk fetches its data: pictures
    worker-src 'self'        the worker in which onnxruntime runs, of /live/dist
    media-src 'self'         sound and film, of /media
    manifest-src 'self'      Streamlit's manifest.json
    form-action 'none'       no form of this page sends anything by itself
    base-uri 'none'          an injected <base> would lead every relative address elsewhere
    frame-ancestors 'none'   nobody may lay this page under theirs and have it clicked

`tests/browser` fail on anything that this blocks.
"""

import base64
import hashlib
import re
from pathlib import Path

import streamlit

Headers = list[tuple[bytes, bytes]]
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_REPLACED = re.compile(rb"access-control-.*|content-security-policy.*|x-powered-by")
"""No other site may read an answer, whatever made it thinks; and there is one policy."""


def policy(index: str) -> str:
    """Return the Content-Security-Policy for a client whose page is `index`."""
    hashes = (hashlib.sha256(script.encode()).digest() for script in _INLINE_SCRIPT.findall(index))
    inline = " ".join(f"'sha256-{base64.b64encode(one).decode()}'" for one in hashes)
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' blob: 'wasm-unsafe-eval' {inline}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self' data:",
            "connect-src 'self' data:",
            "worker-src 'self'",
            "media-src 'self'",
            "manifest-src 'self'",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )


def fixed() -> Headers:
    """Return the headers that every answer has."""
    index = Path(streamlit.__file__).parent / "static" / "index.html"
    texts = {
        "content-security-policy": policy(index.read_text(encoding="utf-8")),
        "x-frame-options": "DENY",  # for browsers that do not know frame-ancestors
        "x-content-type-options": "nosniff",  # an uploaded picture is never run as a script
        "referrer-policy": "no-referrer",  # the address holds what was looked at
        "cross-origin-opener-policy": "same-origin",  # a page that opened this one holds no handle of it
        "cross-origin-resource-policy": "same-origin",  # other sites embed neither pictures nor models
        "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), "
        "display-capture=(), midi=(), browsing-topics=()",
    }
    return [(name.encode(), text.encode()) for name, text in texts.items()]


def protected(answer: Headers, fixed: Headers) -> Headers:
    """Return the headers of an answer with the fixed ones in place of its own."""
    names = {name for name, _ in fixed}
    kept = [(name, value) for name, value in answer if not (name.lower() in names or _REPLACED.fullmatch(name.lower()))]
    return [*kept, *fixed]
