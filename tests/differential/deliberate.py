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
    "type-behind-set-var": ("tidegate", r"set-var", r"cannot be turned into one"),
    "never-matches": ("tidegate", r"", r"is a bin, which cannot be compared as|can never match"),
}
# id: a function of the case's text, haproxy's and tidegate's (status, body)
ANSWERS = {
    "control-characters": lambda text, h, t: h[0] == t[0] and decoded(h[1]) == decoded(t[1]),
    "ge-minus-one": lambda text, h, t: re.search(r"(ge|gt) -1\b|-[0-9]+:", text),
    "language-case": lambda text, h, t: "language(" in text,
    "number-of-text": lambda text, h, t: re.search(r"(hdr|cook|urlp)_val|port_only", text),
    "hdr-ip-brackets": lambda text, h, t: "hdr_ip(" in text,
    "bool-arithmetic": lambda text, h, t: re.search(
        r"(always_true|always_false|bool|not|even|odd|http_first_req)[^ ]*,"
        r"(add|sub|mul|div|mod|and|or|xor|neg|cpl)", text),
    "address-tail": lambda text, h, t: re.search(r"-m ip|map_ip|ipmask", text) and re.search(
        r"base|url|hdr\(|fhdr\(", text),
    "base64-padding": lambda text, h, t: "b64dec" in text,
    "hdr-names-delimiter": lambda text, h, t: re.search(r"hdr_names\([^)]{2,}\)", text),
    "method-case": lambda text, h, t: re.search(r"method -i", text),
    "bare-delimiter": lambda text, h, t: re.search(r"-m (dom|dir)[^}]* /", text),
    "host-behind": lambda text, h, t: "set-uri" in text and "req.hdr" in text,
    "haproxy-ends": lambda text, h, t: h == (0, b"the program ended"),
    "absolute-target": lambda text, h, t: (
        re.sub(rb"http://[^/|]*", b"", h[1]) == t[1] or
        re.search(r"(set|replace)-(pathq?|query) .*;; replace-uri", text)),
    "invalid-target": lambda text, h, t: t[0] == 500 and h[0] == 200 and re.search(
        r"set-(uri|pathq?|query|method)|replace-(uri|pathq?)", text),
    "method-after-set": lambda text, h, t: "set-method" in text,
    "del-header-regex": lambda text, h, t: "-m reg" in text and "del-header" in text,
    "proxy-numbers": lambda text, h, t: "fe_id" in text,
    "negative-sums": lambda text, h, t: re.search(r"(add|sub)\(", text) and (
        b"9223372036854775807" in h[1] or "," in text.split("sub(" if "sub(" in text else "add(")[-1]),
}


def refusal(who, case, message):
    return next((n for n, row in REFUSALS.items() if who == row[0] and re.search(row[1], case[1])
                 and re.search(row[2], message)), None)


def answer(case, pair):
    if None in pair:
        return None
    return next((n for n, same in ANSWERS.items() if same(case[1], *pair)), None)
