# SPDX-License-Identifier: MIT
"""What random expressions, conditions and requests are made of. One row per word of the language;
types only steer the choice: one chain in eight is made without looking at them, so that refusals
are compared as well."""
import random
import re

WORDS = ["a", "A", "ab", "abc", "ABC", "b", "foo", "Foo", "bar", "img", "www", "example", "x-y",
         "a.b.c", "www.example.com", "Example.COM", "/", "/a", "/a/b", "/a/b/", "/img/logo.png",
         "//x", "0", "1", "7", "-5", "42", "007", "0x1f", "12abc", "4294967296",
         "9223372036854775807", "-9223372036854775808", "99999999999999999999", "true", "10.0.0.1",
         "10.1.2.3", "127.0.0.1", "192.168.0.255", "256.1.1.1", "::1", "2001:db8::1",
         "::ffff:10.0.0.1", "YWJj", "YWJjZA==", "!!!", "6162", "616", "a-b_c~d", "AbCdEf"]
# Words that a header value or a query may hold beyond those: blanks, quotes, escapes, lists.
RICH = ["a b", "a,b,c", "a, b,, c ", ",", "a;q=0.5, b;q=1", "da, en-gb;q=0.8, en;q=0.7", "k=v",
        "k=v; n=w", "a=1&b=2", "%41%42", "%zz%4", "a+b", "\"quoted\"", "it's", "a\\b", "{\"a\":1}",
        "{\"a\":{\"b\":[1,2,\"x\"]},\"c\":true}", "[1,2]", "Mon, 01 Jan 2024 00:00:00 GMT",
        "\xe9\xff", "tab\there", "<&>"]
NAMES = ["x-a", "x-b", "x-none", "host", "X-A"]
DELIMITERS = [".", "/", "-", "a", "=", ":", "\\,", "\\ "]
NETWORKS = ["10.0.0.0/8", "10.1.0.0/16", "127.0.0.1", "192.168.0.0/255.255.0.0", "0.0.0.0/0",
            "::1", "2001:db8::/32", "::/0", "::ffff:0:0/96"]
REGEXES = ["^a", "b$", "[0-9]+", "(a)(b)", "^/[a-z]+/", "A|B", ".", "x*", "\\\\.", "^$", "(.*)/(.*)"]


def integer(r):
    return str(r.choice([0, 1, 2, 3, 5, 8, 10, -1, -2, -7, 16, 31, 64, 255, 1000, 2147483647,
                         r.randint(-100, 100), r.randint(-2**62, 2**62)]))


def small(r):
    return str(r.randint(-4, 6))


def natural(r):
    return str(r.randint(0, 8))


def word(r):
    return r.choice(WORDS)


def name(r):
    return r.choice(NAMES)


def delimiter(r):
    return r.choice(DELIMITERS)


def one_of(*words):
    return lambda r: r.choice(words)


def variable(r):
    return r.choice(["txn.i", "txn.s", "txn.none", "req.s", "sess.n", "proc.p"])


def number_or_variable(r):
    return variable(r) if r.random() < 0.15 else integer(r)


def maybe(make):
    """An argument that may be left out, with all behind it."""
    def made(r):
        return make(r)
    made.optional = True
    return made


# name: (type, arguments)
FETCHES = {
    "path": ("str", []), "pathq": ("str", []), "url": ("str", []), "base": ("str", []),
    "baseq": ("str", []), "query": ("str", []), "method": ("meth", []), "req.ver": ("str", []),
    "hdr": ("str", [name, maybe(small)]), "req.hdr": ("str", [name, maybe(small)]),
    "req.fhdr": ("str", [name, maybe(small)]), "req.hdr_cnt": ("sint", [name]),
    "req.fhdr_cnt": ("sint", [name]), "req.hdr_val": ("sint", [name, maybe(small)]),
    "req.hdr_ip": ("ipv4", [name, maybe(small)]),
    "req.hdr_names": ("str", [maybe(one_of("|", "-", ":"))]),
    "url_param": ("str", [one_of("a", "b", "k", "none"), maybe(one_of("?", ";"))]),
    "urlp_val": ("sint", [one_of("a", "b", "k", "none")]),
    "req.cook": ("str", [one_of("k", "n", "none")]),
    "req.cook_cnt": ("sint", [one_of("k", "n", "none")]),
    "req.cook_val": ("sint", [one_of("k", "n", "none")]),
    "base32": ("sint", []), "url32": ("sint", []), "url_ip": ("ipv4", []), "url_port": ("sint", []),
    "int": ("sint", [integer]), "str": ("str", [word]), "bool": ("bool", [one_of("true", "false", "1")]),
    "bin": ("bin", [one_of("6162", "00ff", "31", "")]),
    "ipv4": ("ipv4", [one_of("10.0.0.1", "192.168.0.255")]),
    "ipv6": ("ipv6", [one_of("::1", "2001:db8::1", "::ffff:10.0.0.1")]),
    "always_true": ("bool", []), "always_false": ("bool", []), "src": ("ipv4", []),
    "dst": ("ipv4", []), "fe_name": ("str", []), 
    "capture.req.method": ("str", []), "capture.req.uri": ("str", []),
    "capture.req.ver": ("str", []), "req.body": ("bin", []), "req.body_len": ("sint", []),
    "req.body_size": ("sint", []), "req.body_param": ("str", [maybe(one_of("a", "b", "k"))]),
    "req.hdrs": ("str", []), "fe_id": ("sint", []),
    "fe_defbe": ("str", []), "so_id": ("sint", []),
    "var": ("any", [variable]), "env": ("str", [one_of("DIFF_WORD", "DIFF_NONE")]),
}

# name: (types taken, type given, arguments); "same" gives what it took.
NUMBER, TEXT = ("sint",), ("str",)
BYTES = ("bin", "str")
ARITHMETIC = {n: (NUMBER, "sint", [number_or_variable])
              for n in ("add", "sub", "mul", "div", "mod", "and", "or", "xor")}
HASHES = {n: (BYTES, "sint", [maybe(one_of("0", "1"))])
          for n in ("crc32", "crc32c", "djb2", "sdbm", "wt6", "xxh32")}

# map_MATCH and map_MATCH_OUTPUT: the file of keys for a match, by what its values are.
MAP_KEYS = {**{m: (TEXT, "TEXT") for m in ("str", "beg", "end", "sub", "dir", "dom")},
            "reg": (TEXT, "REG"), "int": (NUMBER, "INT"), "ip": (("ipv4", "ipv6"), "NET")}
MAP_GIVES = {"": ("str", "STR", word), "_int": ("sint", "INT", integer),
             "_ip": ("addr", "IP", one_of("10.9.9.9", "192.168.0.1"))}


def map_file(keys, values):
    """Its values are sometimes not what the converter wants."""
    return lambda r: f"@{keys}-{values if r.random() < 0.97 else 'STR'}@"


MAPS = {f"map_{m}{out}": (takes, gives, [map_file(keys, values), maybe(default)])
        for m, (takes, keys) in MAP_KEYS.items() for out, (gives, values, default) in MAP_GIVES.items()}
MAPS["map"] = MAPS["map_str"]
MAPS["map_regm"] = (TEXT, "str", [map_file("REG", "STR"), maybe(word)])
CONVERTERS = {
    **ARITHMETIC, **HASHES,
    "cpl": (NUMBER, "sint", []), "neg": (NUMBER, "sint", []), "not": (NUMBER, "bool", []),
    "bool": (NUMBER, "bool", []), "even": (NUMBER, "bool", []), "odd": (NUMBER, "bool", []),
    "xxh3": (BYTES, "sint", [maybe(natural)]), "xxh64": (BYTES, "sint", [maybe(natural)]),
    "lower": (TEXT, "str", []), "upper": (TEXT, "str", []), "length": (TEXT, "sint", []),
    "hex": (BYTES, "str", []), "hex2i": (TEXT, "sint", []), "base64": (BYTES, "str", []),
    "b64dec": (TEXT, "bin", []), "ub64enc": (BYTES, "str", []), "ub64dec": (TEXT, "bin", []),
    "bytes": (BYTES, "bin", [natural, maybe(natural)]), "cut_crlf": (TEXT, "str", []),
    "concat": (TEXT, "str", [one_of("<", "-", ""), maybe(variable), maybe(one_of(">", ""))]),
    "add_item": (TEXT, "str", [delimiter, maybe(variable), maybe(word)]),
    "field": (TEXT, "str", [small, delimiter, maybe(natural)]),
    "word": (TEXT, "str", [small, delimiter, maybe(natural)]),
    "ltrim": (TEXT, "str", [one_of("a", "/", "w.", "-0")]),
    "rtrim": (TEXT, "str", [one_of("a", "/", "c.", "1")]),
    "iif": (("bool",), "str", [one_of("yes", ""), one_of("no", "")]),
    "ipmask": (("ipv4", "ipv6"), "same", [one_of("8", "24", "255.255.0.0", "32", "0"),
                                          maybe(one_of("64", "0", "128"))]),
    "json": (TEXT, "str", [maybe(one_of("ascii", "utf8", "utf8s", "utf8p", "utf8ps"))]),
    "json_query": (TEXT, "any", [one_of("'$.a'", "'$.a.b'", "'$.c'", "'$.none'"),
                                 maybe(one_of("int"))]),
    "url_dec": (TEXT, "str", [maybe(one_of("0", "1"))]), "url_enc": (TEXT, "str", []),
    "regsub": (TEXT, "str", [lambda r: "\"" + r.choice(["a", "[a-c]", "/", "(.)b", "[0-9]+"]) + "\"",
                             one_of("X", "", "<\\\\1>"), maybe(one_of("g", "i", "gi"))]),
    "strcmp": (TEXT, "sint", [variable]), "host_only": (TEXT, "str", []),
    "port_only": (TEXT, "sint", []), "language": (TEXT, "str", [one_of("en;fr", "da;de"),
                                                                maybe(one_of("fr", "xx"))]),
    "sha1": (BYTES, "bin", []), "sha2": (BYTES, "bin", [maybe(one_of("256", "384", "512", "224"))]),
    "digest": (BYTES, "bin", [one_of("sha256", "md5")]),
    "http_date": (NUMBER, "str", [maybe(integer), maybe(one_of("s", "ms", "us"))]),
    "utime": (NUMBER, "str", [one_of("%Y-%m-%d %H:%M", "%s")]),
    "ltime": (NUMBER, "str", [one_of("%Y-%m-%d", "%j")]),
    "htonl": (NUMBER, "bin", []), "be2dec": (BYTES, "str", [one_of(":", "."), maybe(one_of("1", "2", "4")),
                                                            maybe(one_of("0", "1"))]),
    "be2hex": (BYTES, "str", [one_of(":", "-"), maybe(one_of("1", "2", "3")), maybe(one_of("0", "1"))]),
    "set-var": (("any",), "same", [one_of("txn.w", "req.w")]),
    "unset-var": (("any",), "same", [one_of("txn.w", "txn.i")]),
    **MAPS,
}
# Of numbers that a calendar knows alone: far outside of it the two differ, and nobody cares.
DATES = {"http_date", "ltime", "utime"}
# What a value of a type turns into by itself, on the way into a converter or a match.
CASTS = {"sint": ("str", "bin", "bool"), "bool": ("sint", "str"), "bin": ("str",),
         "str": ("bin", "sint"), "meth": ("str",), "ipv4": ("str", "ipv6", "sint"), "ipv6": ("str",),
         "any": ("str", "sint", "bin")}

# match: patterns
MATCHES = {
    "bool": one_of("true", "false", "1", "0"),
    "int": lambda r: r.choice([integer(r), "1:10", "gt 5", "le 0", "eq 1", "lt 100", "ge -1",
                               ":10", "5:", "-5:5"]),
    "str": word, "beg": word, "end": word, "sub": word, "dir": word, "dom": word,
    "len": lambda r: r.choice(["0", "1", "3", "1:4", "gt 2", "5:"]),
    "reg": lambda r: "\"" + r.choice(REGEXES) + "\"", "ip": lambda r: r.choice(NETWORKS),
    "bin": one_of("6162", "61", "00ff"), "found": None,
}
MATCHES_OF = {"sint": ["int", "str", "bool", "found"], "bool": ["bool", "int", "found"],
              "ipv4": ["ip", "str", "found"], "ipv6": ["ip", "found"], "addr": ["ip", "found"], "meth": ["str", "beg", "found"]}
# The keys of maps, and the values that go with them in turn.
KEYS = {"TEXT": ["a", "ab", "/a", "/a/b", "www.example.com", "example", "10", "abc", "a", "img/"],
        "REG": ["^a", "[0-9]+", "(x)-(y)", "/"], "INT": ["1", "42", "7", "10:20", "100:"],
        "NET": ["10.0.0.0/8", "10.1.0.0/16", "127.0.0.1", "::1", "2001:db8::/32", "10.1.0.0/16"]}
VALUES = {"STR": ["one", "Two", "<\\2\\1>", "4", "10.0.0.1"], "INT": ["42", "-3", "0", "9223372036854775807"],
          "IP": ["10.9.9.9", "127.0.0.1", "2001:db8::7"]}
FILES = {f"{k}-{v}": "".join(f"{key} {VALUES[v][i % len(VALUES[v])]}\n" for i, key in enumerate(KEYS[k]))
         for k in KEYS for v in VALUES}
# Fetches that bring their own match.
OWN = {"path_beg": word, "path_end": word, "path_sub": word, "path_dir": word, "path_dom": word,
       "path_len": one_of("3", "1:5"), "path_reg": lambda r: "\"" + r.choice(REGEXES) + "\"",
       "hdr_beg(x-a)": word, "hdr_end(x-a)": word, "hdr_sub(x-a)": word, "hdr_dom(host)": word,
       "hdr_len(x-a)": one_of("0", "3"), "hdr_cnt(x-a)": one_of("0", "1", "gt 1"),
       "hdr_val(x-a)": lambda r: r.choice(["gt 1", "1:9", integer(r)]),
       "hdr_ip(x-a)": lambda r: r.choice(NETWORKS), "urlp_sub(a)": word, "url_beg": word,
       "base_sub": word, "cook(k)": word, "method": one_of("GET", "POST", "get", "HEAD", "FOO"),
       "path": word, "src": lambda r: r.choice(NETWORKS)}


# Matches whose values may come from a file.
FILES_OF = {m: "@WORDS@" for m in ("str", "beg", "end", "sub", "dir", "dom")} | {"ip": "@NETS@"}


def arguments(r, makers):
    words = []
    for make in makers:
        if getattr(make, "optional", False) and r.random() < 0.5:
            break
        words.append(make(r))
    if r.random() < 0.02:
        words.append(word(r))  # one too many, mostly
    return "(" + ",".join(words) + ")" if words else ""


def expression(r):
    """(text, type) of a fetch with up to four converters."""
    careless = r.random() < 0.05
    fetch = r.choice(list(FETCHES))
    kind, makers = FETCHES[fetch]
    text = fetch + arguments(r, makers)
    for _ in range(r.choice([0, 1, 1, 2, 2, 3, 4])):
        reach = {kind, *CASTS.get(kind, ())}
        fit = [n for n, row in CONVERTERS.items()
               if careless or "any" in row[0] or reach & set(row[0])]
        converter = r.choice(fit)
        if converter in DATES and not re.fullmatch(r"int\(\d{1,10}\)", text):
            continue
        _, gives, makers = CONVERTERS[converter]
        text += "," + converter + arguments(r, makers)
        kind = kind if gives == "same" else gives
    return text, kind


def test(r):
    """One anonymous ACL."""
    if r.random() < 0.25:
        fetch = r.choice(list(OWN))
        flags = r.choice(["", "", "-i "])
        return f"{{ {fetch} {flags}{patterns(r, OWN[fetch])} }}"
    text, kind = expression(r)
    match = r.choice(MATCHES_OF.get(kind, ["str", "beg", "end", "sub", "dir", "dom", "len", "reg",
                                           "found", "bin", "int", "ip"]))
    if r.random() < 0.06:
        match = r.choice(list(MATCHES))
    flags = r.choice(["", "", "", "-i "])
    if MATCHES[match] is None:
        return f"{{ {text} -m {match} }}"
    if match in FILES_OF and r.random() < 0.2:
        more = r.choice(["", " " + patterns(r, MATCHES[match])])
        return f"{{ {text} {flags}-m {match} -f {FILES_OF[match]}{more} }}"
    return f"{{ {text} {flags}-m {match} {patterns(r, MATCHES[match])} }}"


def patterns(r, make):
    first = make(r)
    if first.split()[0] in ("eq", "ge", "gt", "le", "lt"):
        return first
    return " ".join([first] + [make(r) for _ in range(r.choice([0, 0, 1, 2]))])


def condition(r):
    terms = []
    for i in range(r.choice([1, 1, 1, 2, 3])):
        if i and r.random() < 0.4:
            terms.append(r.choice(["or", "||"]))
        terms.append(r.choice(["", "", "!"]) + test(r))
    return " ".join(terms)


def text_format(r):
    """What an action writes: words and expressions. Not what would end a line or a header."""
    parts = []
    for _ in range(r.choice([1, 1, 2])):
        parts.append(r.choice(["x", "a-b", "v1", "%%"]) if r.random() < 0.4
                     else f"%[{expression(r)[0]}]")
    return "".join(parts).replace(" ", "\\ ").replace("\"", "\\\"")


def field(r):
    return r.choice(["x-a", "X-A", "x-b", "x-new"])


def regex(r):
    return r.choice(["a", "^a", "b$", "[0-9]+", "(a)(b)", "^/([a-z]+)/", ".", "(.*)", "^(.*)/(.*)$"])


def replacement(r):
    return r.choice(["X", "<\\\\1>", "\\\\2-\\\\1", "\\\\0\\\\0", "%[path]", "/\\\\1", "%[str(x),upper]"])


def target_part(r):
    return r.choice(["/v1", "/v1%[path]", "%[path]x", "/a%[query]", "/%[req.hdr(x-a),url_enc]",
                     "/a?b=1", "//z", "/%[method,lower]"])


ACTIONS = [
    lambda r: f"set-header {field(r)} {text_format(r)}",
    lambda r: f"add-header {field(r)} {text_format(r)}",
    lambda r: f"del-header {field(r)}",
    lambda r: f"del-header {r.choice(['x-a', 'X-A', 'x-b', 'a', '^x-[ab]$'])} -m "
              f"{r.choice(['str', 'beg', 'end', 'reg'])}",
    lambda r: f"replace-header {field(r)} {regex(r)} {replacement(r)}",
    lambda r: f"replace-value {field(r)} {regex(r)} {replacement(r)}",
    lambda r: f"set-method {r.choice(['GET', 'POST', 'FOO', '%[str(put),upper]'])}",
    lambda r: f"set-path {target_part(r)}", lambda r: f"set-pathq {target_part(r)}",
    lambda r: f"set-query {r.choice(['a=1', '%[query]&z=1', '%[path]', 'x'])}",
    lambda r: f"set-uri {r.choice(['/u', 'http://www.example.com/u?x=1', '/%[path]', '*'])}",
    lambda r: f"replace-path {regex(r)} {replacement(r)}",
    lambda r: f"replace-pathq {regex(r)} {replacement(r)}",
    lambda r: f"replace-uri {regex(r)} {replacement(r)}",
    lambda r: f"set-var({r.choice(['txn.w', 'req.w', 'txn.s'])}"
              f"{r.choice(['', '', ',ifexists', ',ifnotexists', ',ifempty', ',ifgt'])}) {expression(r)[0]}",
    lambda r: f"set-var-fmt(txn.w) {text_format(r)}",
    lambda r: "unset-var(txn.s)",
    lambda r: f"set-src {r.choice(['ipv4(10.0.0.1)', 'req.hdr_ip(x-a)', 'src,ipmask(8)'])}",
]
# What is told of a request behind its actions.
TOLD = ["method", "url", "path", "query", "req.fhdr(x-a)", "req.fhdr_cnt(x-a)", "req.fhdr(x-b)",
        "req.hdr(x-a,1)", "req.fhdr(x-new)", "base", "var(txn.w)", "var(txn.s)", "var(req.w)", "src"]


def action(r):
    """Some actions on the request, each perhaps under a condition."""
    made = []
    for _ in range(r.choice([1, 1, 2, 3])):
        made.append(r.choice(ACTIONS)(r) + (f" IF {test(r)}" if r.random() < 0.25 else ""))
    return " ;; ".join(made)


def redirect(r):
    kind = r.choice(["location", "prefix", "scheme"])
    to = {"location": lambda: r.choice(["/there", "http://x.example%[path]", "%[url]", "%[hdr(x-none)]"]),
          "prefix": lambda: r.choice(["/p", "/", "http://x.example", "https://x.example/a/"]),
          "scheme": lambda: r.choice(["https", "http"])}[kind]()
    more = "".join(w for w in (" code 301", " code 308", " drop-query", " append-slash",
                               " ignore-empty") if r.random() < 0.25)
    return f"{kind} {to}{more}".replace(" code 301 code 308", " code 308")


# Sets that change: by match what keys they get and what is looked for. None matches sync()'s keys.
CHANGED = {**{m: WORDS for m in ("str", "beg", "end", "sub", "dir", "dom")},
           "reg": ["^a", "b$", "[0-9]+", "(a)(b)", "^/[a-z]+/", "A|B", "[", "\\."],
           "int": ["1", "7", "42", "1:10", "20:99", "x", "007"],
           "ip": [n for n in NETWORKS if "/0" not in n and ":0:0" not in n] + ["10.1.2.3", "x", "1.2.3.4/40"]}
LOOKED_FOR = {"int": ["1", "7", "3", "42", "-5", "0", "100", "-2147483648"],
              "ip": [w for w in WORDS if re.fullmatch(r"[0-9a-f:.]+[.:][0-9a-f:.]+", w)]}


def match_of(text):
    return re.search(r"(?:map_|-m )([a-z]+)", text)[1].replace("regm", "reg")


def sync(text, n):
    """A key that no other of the set matches, and that matches itself alone."""
    match = match_of(text)
    if match == "ip":
        return f"198.18.{n // 250}.{n % 250}"
    return str(770000 + n) if match == "int" else "Q" + "".join("XZ"[n >> i & 1] for i in range(14))


def changing(r):
    """A map or an ACL's file that rules change: how it is looked at, and its lines at start."""
    match = r.choice(list(CHANGED))
    acl = r.random() < 0.4
    how = f"acl {r.choice(['', '', '-i '])}-m {match}" if acl else f"map_{match}"
    if match == "reg" and not acl:
        how = r.choice(["map_reg", "map_regm"])
    keys = [k for k in CHANGED[match] if k not in ("[", "x", "1.2.3.4/40") and " " not in k]
    lines = [r.choice(keys) + ("" if acl else " " + r.choice(VALUES["STR"])) for _ in range(r.randint(0, 6))]
    return " | ".join([how, *lines])


def change(r, text):
    """A request on such a set: changes it, or looks into it."""
    match = match_of(text)
    headers = [("host", "www.example.com")]
    if r.random() < 0.5:
        key = r.choice(CHANGED[match])
        headers += [("x-do", r.choice(["put", "put", "del"])), ("x-key", key),
                    ("x-value", r.choice(VALUES["STR"] + ["a b", "a, b", "\"q\""]))]
    else:
        headers.append(("x-ask", r.choice(LOOKED_FOR.get(match, WORDS + RICH))))
    return "GET", "/", headers, b""


def case(r):
    """("value", expression), ("verdict", condition), ("action", actions), ("redirect", words) or
    ("change", set)."""
    which = r.random()
    if which < 0.08:
        return "change", changing(r)
    if which < 0.5:
        return "value", expression(r)[0]
    if which < 0.8:
        return "verdict", condition(r)
    return ("action", action(r)) if which < 0.95 else ("redirect", redirect(r))


def value(r):
    return r.choice(WORDS) if r.random() < 0.6 else r.choice(RICH)


def request(r):
    """(method, target, headers, body) of one hostile or ordinary request that is valid HTTP/1.1."""
    target = r.choice(["/", "/a", "/a/b", "/img/logo.png", "/a/b?a=1&b=foo", "/?a=%41%42&b=",
                       "/x?a=10.0.0.1&k=v", "/abc/?k", "/A/B.png?a=a+b&a=2", "//x", "/a?b;a=3",
                       "http://www.example.com/a?b=1", "http://10.0.0.1:8080/x", "*"])
    method = "OPTIONS" if target == "*" else r.choice(["GET", "GET", "POST", "HEAD", "FOO", "PUT"])
    headers = [("host", r.choice(["www.example.com", "Example.COM:8080", "10.0.0.1", "[::1]:80"]))]
    if target.startswith("http://"):
        headers = [("host", target.split("/")[2])]
    for _ in range(r.randint(0, 4)):
        headers.append((r.choice(["x-a", "X-A", "x-b"]), value(r)))
    if r.random() < 0.4:
        headers.append(("cookie", r.choice(["k=v", "k=1; n=2", "n=2;k=\"q\"", "k=; n", "kk=1; k=7"])))
    body = b""
    if method in ("POST", "PUT"):
        body = r.choice([b"", b"a=1&b=two", b"\x00\xffbin", b"{\"a\":1}", b"k=%41&a"])
        headers.append(("content-type", r.choice(["application/x-www-form-urlencoded", "text/plain"])))
    return method, target, headers, body


def generator(seed):
    return random.Random(seed)
