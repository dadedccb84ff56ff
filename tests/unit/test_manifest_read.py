from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_cli.manifest.document import Document
from assets_cli.manifest.read import read
from assets_cli.model.problem import Place


def shown(document: Document) -> list[str]:
    """The problems as texts, without their excerpts."""
    return [
        f"{problem.place}: {problem.severity}[{problem.code}]: {problem.message}\n  hint: {problem.hint}"
        for problem in document.problems
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("2024-01-02", "2024-01-02"),
        ("1.2.3", "1.2.3"),
        ("12:30 uhr", "12:30 uhr"),
        ("-", "-"),
        (".", "."),
        ("nope", "nope"),
        ("tRUE", "tRUE"),
        ('"010"', "010"),
        ("'no'", "no"),
        ("!!str 010", "010"),
        ("! 5", "5"),
        ("!!int 5", 5),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">-\n  a\n  b\n", "a b"),
    ],
)
def test_a_scalar_has_its_value_of_the_core_rules(text: str, value: object) -> None:
    """Plain texts follow YAML 1.2; quoted ones, dates and versions stay text."""
    if text == "-":
        text = '"-"'
    document = read(f"a: {text}".encode(), "assets.yml")
    assert shown(document) == []
    assert document.values == {"a": value}
    assert type(document.values["a"]) is type(value)


SURPRISES = {
    "no": "'no' is text to some readers of YAML and true or false to others",
    "Y": "'Y' is text to some readers of YAML and true or false to others",
    "off": "'off' is text to some readers of YAML and true or false to others",
    "010": "'010' is a decimal number to some readers of YAML and an octal one to others",
    "08": "'08' is a decimal number to some readers of YAML and an octal one to others",
    "1_000": "'1_000' is text to some readers of YAML and a number to others",
    "0b101": "'0b101' is text to some readers of YAML and a number to others",
    "1:30": "'1:30' is text to some readers of YAML and a number in base 60 to others",
    "12:30:45": "'12:30:45' is text to some readers of YAML and a number in base 60 to others",
    ".inf": "'.inf' is not a number that can be compared",
    ".NaN": "'.NaN' is not a number that can be compared",
    "9223372036854775808": "'9223372036854775808' is a number too large to hold",
    "1e999": "'1e999' is a number too large to hold",
}


@pytest.mark.parametrize("text", SURPRISES)
def test_a_surprise_of_yaml_is_an_error_with_the_advice_to_quote(text: str) -> None:
    """What readers of YAML disagree about is refused, and quoted it is text."""
    document = read(f"version: 1\na: {text}\n".encode(), "assets.yml")
    hint = f'quote it if it is text: "{text}"'
    assert shown(document) == [f"assets.yml:2:4: error[A0113]: {SURPRISES[text]}\n  hint: {hint}"]
    assert read(f'a: "{text}"'.encode(), "assets.yml").values == {"a": text}


GRAMMAR = {
    "a:\n\t- b": ("2:1", "a tab is used for indentation", "indent with spaces"),
    "a: b: c": (
        "1:5",
        "a ':' is not expected here",
        "quote the value if the ':' is part of it, or check the indentation",
    ),
    "a: [1, 2\nb: 1": ("1:4", "this list is not closed", "add the missing ']' or ','"),
    "a: {b\n": ("1:4", "this mapping is not closed", "add the missing '}' or ','"),
    'a: "x\n': ("1:4", "this quote is not closed", "add the closing quote"),
    "a: {b: ${env.X}}": ("1:8", "between brackets this has to be quoted", 'write "${env.X}"'),
    "a: [c, x/${env.X}/${vars.y}.db ]": (
        "1:8",
        "between brackets this has to be quoted",
        'write "x/${env.X}/${vars.y}.db"',
    ),
    "a: {b: echo c: d}": (
        "1:8",
        "this text has a ':' in it",
        "quote it: between brackets a text without quotes ends at `: `, ` #`, `,` and at every bracket",
    ),
    "a: {b: echo # c}\nd: 1": ("1:13", "a comment begins here, and ends the text before it", "quote the text"),
    "a: {b: c, # d\n e: f\ng: 1": ("1:4", "this mapping is not closed", "add the missing '}' or ','"),
    'a: {b: "c}\nd: {e: "f"}': ("1:8", "this quote is not closed on its line", "add the closing quote"),
    "a: {b: 'it's'}": ("1:12", "something follows the closing quote", "put the whole value between quotes"),
    "a: {": ("1:4", "the file ends too early", "close what is open: a '[' or '{'"),
    "a: @x": ("1:4", "a value cannot start with '@'", "quote the value"),
    "a: %x": ("1:4", "a value cannot start with '%'", "quote the value"),
    'a: "\\q"': ("1:5", "unknown escape after '\\' in a double-quoted text", "use single quotes to keep '\\' as it is"),
    "a: - b": ("1:4", "a list item is not expected here", "start the list on a line of its own, below its key"),
    "- a\nb: 1": ("2:1", "a list item starting with '-' is expected here", "check the indentation of this line"),
    "a:\n  - b\n - c\n": (
        "3:2",
        "a key is expected here",
        "check the indentation and the quotes of this line and the one above",
    ),
    "a: &": ("1:4", "a name is expected after '&' or '*'", "quote it if it is text"),
    "a: [}": ("1:5", "a value is expected here", "write a value, or remove what stands before it"),
    "a: >x\n": (
        "1:5",
        "this is not valid YAML: did not find expected comment or line break",
        "check the indentation and the quotes of this line",
    ),
}


@pytest.mark.parametrize("text", GRAMMAR)
def test_broken_grammar_is_one_sentence_with_a_place(text: str) -> None:
    """Complaints of libyaml are told in our words, where the mistake is."""
    place, message, hint = GRAMMAR[text]
    document = read(text.encode(), "assets.yml")
    assert document.values is None
    assert shown(document) == [f"assets.yml:{place}: error[A0107]: {message}\n  hint: {hint}"]


MISTAKES = {
    "a: 1\n---\nb: 2": (
        "2:1: error[A0110]: a second document starts here",
        "keep one document in this file, and name further files under `include`",
    ),
    "1: x": ("1:1: error[A0112]: key '1' is not text", 'quote it: "1"'),
    "a: {{x}}": ("1:5: error[A0112]: a mapping cannot be a key", "quote the value if the '{{' is part of it"),
    "? [a]\n: b": ("1:3: error[A0112]: a list cannot be a key", "a key is one text; quote it if it is meant as such"),
    "a: !foo x": ("1:4: error[A0114]: tag '!foo' is not supported", "remove the tag"),
    'a: !!int "5"': ("1:4: error[A0114]: tag '!!int' is not supported", "remove the tag"),
    "a: !!python/object:os.system {}": (
        "1:4: error[A0114]: tag '!!python/object:os.system' is not supported",
        "remove the tag",
    ),
    "a: *b": ("1:4: error[A0115]: alias '*b' names no anchor", "write '&b' before its first use"),
    "a: &a [*a]": ("1:8: error[A0115]: alias '*a' stands inside what it names", "name something else"),
    "a: {<<: 5}": (
        "1:9: error[A0117]: '<<' merges mappings, and this is none",
        "name an anchor of a mapping: `<<: *common`",
    ),
    'a: "\\0"': ("1:4: error[A0106]: control character U+0000 cannot stand in a manifest", "remove it"),
    "a: \x07": (
        "1:4: error[A0106]: control character U+0007 cannot stand in a manifest",
        'remove it, or write it as an escape between double quotes: "\\t"',
    ),
    "a: " + "[" * 70: ("1:67: error[A0119]: values are nested more than 64 deep", "flatten them"),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_what_yaml_allows_and_a_manifest_does_not_is_refused(text: str) -> None:
    """Several documents, strange keys, tags, bad aliases, control characters and depth are errors with a place."""
    message, hint = MISTAKES[text]
    assert shown(read(text.encode(), "assets.yml")) == [f"assets.yml:{message}\n  hint: {hint}"]


def test_a_duplicate_key_names_the_first_one_and_the_first_value_counts() -> None:
    """The second value is dropped, and what follows keeps its place."""
    document = read(b"a: 1\nb: 2\na: [3, 4]\nc: 5\n", "assets.yml")
    assert shown(document) == ["assets.yml:3:1: error[A0111]: key 'a' is here twice\n  hint: keep one of the two"]
    assert [(str(r.place), r.message) for r in document.problems[0].related] == [("assets.yml:1:1", "first used here")]
    assert document.values == {"a": 1, "b": 2, "c": 5}
    assert document.place(["c"]) == Place("assets.yml", 4, 4)


def test_all_mistakes_of_a_file_are_reported_at_once() -> None:
    """Reading goes on after a mistake."""
    document = read(b"no: x\nb: 010\nc: !t x\nd: *z\nb: 1\n", "assets.yml")
    assert [(problem.code, str(problem.place)) for problem in document.problems] == [
        ("A0113", "assets.yml:1:1"),
        ("A0113", "assets.yml:2:4"),
        ("A0114", "assets.yml:3:4"),
        ("A0115", "assets.yml:4:4"),
        ("A0111", "assets.yml:5:1"),
    ]


def test_merge_keys_take_what_is_not_written_explicitly() -> None:
    """Explicit keys win over merged ones, earlier mappings over later ones, and places lead to where they are."""
    text = b"x: &x {a: 1, b: 2}\nw: &w {b: 9, d: 4}\nz: {<<: [*x, *w], a: 7}\nq: {'<<': 1}\n"
    document = read(text, "assets.yml")
    assert shown(document) == []
    assert document.values["z"] == {"a": 7, "b": 2, "d": 4}
    assert document.values["q"] == {"<<": 1}
    assert document.place(["z", "a"]) == Place("assets.yml", 3, 22)
    assert document.place(["z", "b"]) == Place("assets.yml", 1, 17)
    assert document.place(["z", "d"], key=True) == Place("assets.yml", 2, 14)


def test_aliases_share_their_value() -> None:
    """An alias stands for the value that its anchor marks."""
    document = read(b"a: &a {k: [1]}\nb: *a\nc: &t text\nd: *t\n*t : key\n", "assets.yml")
    assert document.values == {"a": {"k": [1]}, "b": {"k": [1]}, "c": "text", "d": "text", "text": "key"}


def test_an_alias_bomb_is_refused_without_being_written_out() -> None:
    """Nine aliases of nine aliases, twelve times over, would be 282 thousand million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    document = read("\n".join(lines).encode(), "assets.yml")
    assert [problem.code for problem in document.problems] == ["A0116"]
    assert document.values is None


def test_a_merge_bomb_is_refused() -> None:
    """Merging a large mapping again and again has the same limit."""
    keys = ", ".join(f"k{i}: x" for i in range(500))
    text = f"a: &a {{{keys}}}\nb:\n" + "".join("- {<<: *a}\n" for _ in range(500))
    assert [problem.code for problem in read(text.encode(), "assets.yml").problems] == ["A0116"]


def test_an_alias_used_by_every_asset_is_no_bomb() -> None:
    """A few values shared by thousands of assets are what aliases are for."""
    text = "e: &e {A: x, B: z}\nl:\n" + "- {n: a, e: *e}\n" * 5_000
    assert shown(read(text.encode(), "assets.yml")) == []


def test_a_value_longer_than_a_mebibyte_is_refused_with_its_size() -> None:
    """The place is that of the value, the excerpt is short, and reading goes on."""
    document = read(b'a: 1\nb: "' + b"x" * 2_097_152 + b'"\nc: no\n', "assets.yml")
    assert shown(document) == [
        (
            "assets.yml:2:4: error[A0118]: this value is 2.0 MiB long, and at most 1 MiB is read\n"
            "  hint: keep it in a file of its own and name that file"
        ),
        (
            "assets.yml:3:4: error[A0113]: 'no' is text to some readers of YAML and true or false to others\n"
            '  hint: quote it if it is text: "no"'
        ),
    ]
    assert document.problems[0].excerpt == 'b: "' + "x" * 196


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"a: 1\nb: caf\xe9\n",
            "assets.yml:2:7: error[A0105]: byte 0xe9 is not valid UTF-8\n  hint: save the file as UTF-8",
        ),
        (
            "a: 1".encode("utf-16"),
            (
                "assets.yml:1:1: error[A0105]: byte 0xff is not valid UTF-8\n"
                "  hint: the file looks like UTF-16; save the file as UTF-8"
            ),
        ),
    ],
)
def test_a_byte_that_is_not_utf8_has_a_place(data: bytes, message: str) -> None:
    """The column counts characters up to the byte."""
    assert shown(read(data, "assets.yml")) == [message]


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    """Columns are those that an editor shows."""
    document = read("\ufeffa: é x\n".encode(), "assets.yml")
    assert document.values == {"a": "é x"}
    assert document.place(["a"], key=True) == Place("assets.yml", 1, 1)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_places_hold_with_every_line_ending(ending: str) -> None:
    """Lines end as editors see them; a path that does not exist leads to what encloses it."""
    document = read(ending.join(["é: ü", "a:", "  - b: 1", "    c: [x, yy]", ""]).encode(), "assets.yml")
    assert document.place(["a", 0, "c", 1]) == Place("assets.yml", 4, 12)
    assert document.place(["a", 0, "c"], key=True) == Place("assets.yml", 4, 5)
    assert document.place(["a", 0, "nothing", "here"]) == Place("assets.yml", 3, 5)
    assert document.place(["a", 7]) == Place("assets.yml", 3, 3)
    assert document.excerpt_at(document.find(["a", 0, "c"])[0]) == "    c: [x, yy]"


def test_an_empty_file_has_neither_values_nor_problems() -> None:
    """Whoever reads it knows what it should have held."""
    for text in (b"", b"# nothing\n", b"---\n"):
        document = read(text, "assets.yml")
        assert (document.values, document.problems) == (None, [])


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "a: ",
                "b",
                "- ",
                "\n",
                "  ",
                "[",
                "]",
                "{",
                "}",
                ",",
                "&x ",
                "*x",
                "<<: ",
                "? ",
                ": ",
                "|\n",
                '"',
                "'",
                "!t ",
                "!!str ",
                "---\n",
                "#",
                "\t",
                "%",
                "\\",
                "1",
                "no",
                "~",
                "\ufeff",
                "\x00",
                "\x85",
                "\u2028",
                "é",
            ]
        ),
        st.text(max_size=5),
    ),
    max_size=30,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(PIECES.map(str.encode), st.binary(max_size=40), st.text().map(lambda text: text.encode(errors="replace")))
)
def test_no_text_raises_and_every_container_has_places(data: bytes) -> None:
    """Whatever the bytes are, reading ends with values or problems, and each value has a place inside the text."""
    document = read(data, "assets.yml")
    stack = [document.values]
    seen: set[int] = set()
    while stack:
        node = stack.pop()
        if not isinstance(node, (dict, list)) or id(node) in seen:
            continue
        seen.add(id(node))
        marks = document.marks[id(node)]
        assert len(marks) == (2 * len(node) if isinstance(node, dict) else len(node))
        assert all(0 <= mark <= len(document.text) for mark in marks)
        stack += node.values() if isinstance(node, dict) else node
    for problem in document.problems:
        assert problem.place is not None
        assert problem.place.line >= 1
        assert problem.place.column >= 1


def test_what_is_said_of_a_scalar_is_said_each_time() -> None:
    """A text that was met before is not resolved again; one that readers disagree about is, wherever it stands."""
    document = read(b"- 010\n- 010\n- y\n- {y: x}\n- y\n- 1h\n- 1h\n- ''\n- x\n- !!int x\n- 7\n- 7\n", "f.yml")
    assert document.values == ["010", "010", "y", {"y": "x"}, "y", "1h", "1h", "", "x", "x", 7, 7]
    assert [(problem.code, problem.place.line) for problem in document.problems if problem.place] == [
        ("A0113", 1),
        ("A0113", 2),
        ("A0113", 3),
        ("A0113", 5),
        ("A0114", 10),
    ]
