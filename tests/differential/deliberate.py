# SPDX-License-Identifier: MIT
"""The differences that doc/differences.md explains, as rows: who refuses or what the two answer,
and in which cases. A row that is no longer needed should go: run --deliberate counts each."""
import re


def decoded(body):
    """%XX of control characters back to bytes."""
    return re.sub(rb"%([01][0-9A-F]|7F)", lambda m: bytes([int(m[1], 16)]), body)


# id in doc/differences.md: (who refuses, pattern over the case, pattern over the message)
REFUSALS = {
    "bool-values": ("tidegate", r"-m bool", r"takes no value"),
    "dash-patterns": ("haproxy", r" -[0-9]", r"is not a valid (ACL option|number range)"),
    "operator-range": ("tidegate", r"", r"an operator takes no range"),
    "be2hex-chunk": ("haproxy", r"be2hex\([^,)]*\)", r"chunk_size needs to be positive"),
    "bounds": ("tidegate", r"", r"is not within|is not an integer|the delimiter is one character"),
    "bytes-or-text": ("haproxy", r"req\.(hdrs|body_param)", r"cannot be applied|matching method"),
    "address-of-map": ("haproxy", r"map_[a-z]+_ip\(", r"cannot be (applied|used)"),
    "type-behind-set-var": ("tidegate", r"set-var", r"cannot be turned into one"),
    "never-matches": ("tidegate", r"", r"is a bin, which cannot be compared as|can never match"),
}


def absolute_target(text, request, h, t):
    """Where the scheme and host of this request, or of a set-uri, stand in haproxy's answer and are gone in
    tidegate's; a replacement behind the edit sees another text."""
    edits = re.search(r"(set|replace)-(pathq?|query) .*", text)
    wholes = {w for s in (request[1], *re.findall(r"set-uri (\S+)", text))
              for w in re.findall(r"^http://[^/]*", s)}
    if not edits or not wholes or h[0] != t[0]:
        return False
    return "replace-uri" in edits[0] or any(
        h[1].count(w) > t[1].count(w) and h[1].replace(w, b"") == t[1].replace(w, b"")
        for w in map(str.encode, wholes))


def address_tail(text, request, h, t):
    """`base` of a request to an address begins with it, and goes on."""
    host = dict(request[2])["host"]
    return host.startswith("10.0.0.1") and re.search(
        r"\b(baseq?|path,base)\b[^ ]*(,(ipmask|map_ip(_[a-z]+)?)\(| (-i )?-m ip)", text)


# id: a function of the case's text, the request, haproxy's and tidegate's (status, body)
ANSWERS = {
    "control-characters": lambda text, q, h, t: h[0] == t[0] and decoded(h[1]) == decoded(t[1]),
    "ge-minus-one": lambda text, q, h, t: re.search(r"(ge|gt) -1\b|-[0-9]+:", text),
    "language-case": lambda text, q, h, t: "language(" in text,
    "number-of-text": lambda text, q, h, t: re.search(r"(hdr|cook|urlp)_val|port_only", text),
    "hdr-ip-brackets": lambda text, q, h, t: "hdr_ip(" in text,
    "bool-arithmetic": lambda text, q, h, t: re.search(
        r"(always_true|always_false|bool|not|even|odd|http_first_req)[^ ]*,"
        r"(add|sub|mul|div|mod|and|or|xor|neg|cpl)", text),
    "address-tail": address_tail,
    "base64-padding": lambda text, q, h, t: "b64dec" in text,
    "hdr-names-delimiter": lambda text, q, h, t: re.search(r"hdr_names\([^)]{2,}\)", text),
    "method-case": lambda text, q, h, t: re.search(r"method -i", text),
    "bare-delimiter": lambda text, q, h, t: re.search(r"-m (dom|dir)[^}]* /", text),
    "host-behind": lambda text, q, h, t: "set-uri" in text and "req.hdr" in text,
    "haproxy-ends": lambda text, q, h, t: h == (0, b"the program ended"),
    "absolute-target": absolute_target,
    "invalid-target": lambda text, q, h, t: t[0] == 500 and h[0] == 200 and re.search(
        r"set-(uri|pathq?|query|method)|replace-(uri|pathq?)", text),
    "method-after-set": lambda text, q, h, t: "set-method" in text,
    "del-header-regex": lambda text, q, h, t: "-m reg" in text and "del-header" in text,
    "proxy-numbers": lambda text, q, h, t: "fe_id" in text,
    "negative-sums": lambda text, q, h, t: re.search(r"(add|sub)\(", text) and (
        b"9223372036854775807" in h[1] or "," in text.split("sub(" if "sub(" in text else "add(")[-1]),
}


def refusal(who, case, message):
    return next((n for n, row in REFUSALS.items() if who == row[0] and re.search(row[1], case[1])
                 and re.search(row[2], message)), None)


def answer(case, request, pair):
    if None in pair:
        return None
    return next((n for n, same in ANSWERS.items() if same(case[1], request, *pair)), None)
