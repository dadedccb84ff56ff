"""A selection as a tree, and back: `parse(show(tree))` is the tree. Knows no assets.

    either  := both ("or" both)*
    both    := negated ("and" negated)*
    negated := "not"* layers
    layers  := [[NUMBER] "+"] operand ["+" [NUMBER]]
    operand := "(" either ")" | ("roots" | "sinks") "(" either ")" | NAME | ATTRIBUTE ":" VALUE

A number and a closing `+` belong to what they touch, so that a `+` after a blank begins the next term.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, NoReturn

from assets_cli.graph.selection.lexer import ENDS, KEYWORDS, Token, pointed, quoted, tokens
from assets_cli.model.problem import AssetsError, Problem

DEEPEST: Final = 50
_MOST_DIGITS: Final = 9
# What people bring from other tools. In names none of them can stand.
_FOREIGN: Final = {
    ",": "write `and` for what is in both, `or` for what is in either, or give two arguments",
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not`",
    "^": "write `not`",
    "[": "the wildcards are * and ?",
    "]": "the wildcards are * and ?",
}


class Term(NamedTuple):
    """What names assets by itself: by name where `attribute` is empty. `at` is where it stands in the expression."""

    attribute: str
    value: str
    at: int = 0

    @property
    def value_at(self) -> int:
        """Where the value stands."""
        return self.at + len(self.attribute) + 1 if self.attribute else self.at


class Layers(NamedTuple):
    """What `of` names with so many layers above and below it, None for all. One of the two is not 0."""

    of: Tree
    up: int | None = 0
    down: int | None = 0


class Ends(NamedTuple):
    """The members of `of` that have no ancestor, or no descendant, in it."""

    end: Literal["roots", "sinks"]
    of: Tree


class Not(NamedTuple):
    """All others."""

    of: Tree


class And(NamedTuple):
    """What all parts name; two at least."""

    parts: tuple[Tree, ...]


class Or(NamedTuple):
    """What any part names; two at least."""

    parts: tuple[Tree, ...]


Tree = Term | Layers | Ends | Not | And | Or


def parse(expression: str) -> Tree:
    """The tree of an expression.

    Raises:
        AssetsError: it cannot be read (A0401), with the place.
    """
    return _Parser(expression).whole()


def show(tree: Tree) -> str:
    """The expression of a tree, with the parentheses that it needs and no others."""
    if isinstance(tree, Term):
        if tree.attribute:
            return f"{tree.attribute}:{quoted(tree.value)}"
        return quoted(tree.value) if _is_bare_name(tree.value) else _in_quotes(tree.value)
    if isinstance(tree, Layers):
        up = "" if tree.up == 0 else f"{_number(tree.up)}+"
        down = "" if tree.down == 0 else f"+{_number(tree.down)}"
        return up + _inside(tree.of, Term, Ends) + down
    if isinstance(tree, Ends):
        return f"{tree.end}({show(tree.of)})"
    if isinstance(tree, Not):
        return "not " + _inside(tree.of, Term, Ends, Layers, Not)
    if isinstance(tree, And):
        return " and ".join(_inside(part, Term, Ends, Layers, Not) for part in tree.parts)
    return " or ".join(_inside(part, Term, Ends, Layers, Not, And) for part in tree.parts)


def _inside(tree: Tree, *without_parentheses: type) -> str:
    return show(tree) if isinstance(tree, without_parentheses) else f"({show(tree)})"


def _number(layers: int | None) -> str:
    return "" if layers is None else str(layers)


def _is_bare_name(text: str) -> bool:
    """Whether a name needs no quotes for what it says; it may still need them for its blanks."""
    return not (text.lower() in KEYWORDS or text.isdigit() or ":" in text or any(sign in text for sign in _FOREIGN))


def _in_quotes(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


class _Parser:
    """One pass over the tokens of one expression."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens = tokens(expression)
        self.index = 0
        self.depth = 0

    def next(self) -> Token:
        return self.tokens[self.index]

    def take(self) -> Token:
        self.index += 1
        return self.tokens[self.index - 1]

    def refuse(self, at: int, message: str, hint: str) -> NoReturn:
        raise AssetsError(pointed(self.expression, at, "A0401", message, hint))

    def whole(self) -> Tree:
        if self.next().kind == "end":
            hint = "write the name of an asset, raw/*, tag:x or group:x"
            raise AssetsError(Problem("A0401", "the selection is empty", hint=hint))
        tree = self.either()
        if self.next().kind != "end":
            self.refuse_rest(self.next())
        return tree

    def either(self) -> Tree:
        parts = [self.both()]
        while self.next().keyword == "or":
            self.take()
            parts.append(self.both())
        return Or(tuple(parts)) if len(parts) > 1 else parts[0]

    def both(self) -> Tree:
        parts = [self.negated()]
        while self.next().keyword == "and":
            self.take()
            parts.append(self.negated())
        return And(tuple(parts)) if len(parts) > 1 else parts[0]

    def negated(self) -> Tree:
        count = 0
        while self.next().keyword == "not":
            self.deeper(self.take())
            count += 1
        tree = self.layers()
        for _ in range(count):
            tree = Not(tree)
        self.depth -= count
        return tree

    def layers(self) -> Tree:
        up: int | None = 0
        if self.next().kind == "+":
            self.take()
            up = None
        elif self.begins_with_a_number():
            up = _layers(self.take().text)
            self.take()
        operand = self.operand()
        down: int | None = 0
        if self.touches("+") and not self.is_prefix():
            self.take()
            down = None
            if self.touches("word") and self.next().is_number:
                down = _layers(self.take().text)
        return operand if up == 0 and down == 0 else Layers(operand, up, down)

    def begins_with_a_number(self) -> bool:
        """Whether this is `2+x`, and not the asset `2` with all that is below it."""
        number, plus, operand = (*self.tokens, self.tokens[-1], self.tokens[-1])[self.index : self.index + 3]
        return (
            number.is_number
            and plus.kind == "+"
            and plus.at == number.end
            and (operand.kind in ("quoted", "(") or (operand.kind == "word" and operand.keyword is None))
        )

    def touches(self, kind: str) -> bool:
        """Whether the next token is of this kind and nothing stands before it."""
        return self.next().kind == kind and self.next().at == self.tokens[self.index - 1].end

    def is_prefix(self) -> bool:
        """Whether two `+` follow one another, of which neither can be meant."""
        following = self.tokens[self.index + 1]
        if following.kind == "+" and following.at == self.next().end:
            self.refuse(following.at, "one '+' is enough", "x+ adds everything below x, x+2 two layers")
        return False

    def operand(self) -> Tree:
        token = self.take()
        if token.kind == "(":
            return self.parenthesis(token)
        if token.kind == "quoted":
            if not token.text:
                self.refuse(token.at, "a name is empty", "write the name of an asset between the quotes")
            return Term("", token.text, token.at)
        if token.kind != "word" or token.keyword:
            self.refuse_operand(token)
        name = token.text.lower()
        if self.next().kind == "(" and name in ENDS and token.text in (name, name.upper()):
            return Ends("roots" if name == "roots" else "sinks", self.parenthesis(self.take()))
        if self.touches("("):
            hint = "the functions are roots( ) and sinks( )"
            self.refuse(token.at, f"there is no function {token.text!r}", hint)
        return self.term(token)

    def term(self, token: Token) -> Term:
        attribute, colon, value = token.text.partition(":")
        if not colon:
            for offset, sign in enumerate(token.text):
                if sign in _FOREIGN:
                    self.refuse(token.at + offset, f"{sign!r} means nothing in a selection", _FOREIGN[sign])
            return Term("", token.text, token.at)
        if self.touches("quoted"):
            if value:
                hint = f'put the whole value between quotes: {attribute}:"{value}…"'
                self.refuse(self.next().at, "a quote begins within a value", hint)
            value = self.take().text
        if not value:
            self.refuse(token.at, f"{token.text!r} names no {attribute or 'attribute'}", f"write {attribute}:NAME")
        return Term(attribute, value, token.at)

    def parenthesis(self, opening: Token) -> Tree:
        self.deeper(opening)
        if self.next().kind == ")":
            self.refuse(opening.at, "nothing stands between the parentheses", "write an expression between them")
        tree = self.either()
        if self.next().kind == "end":
            self.refuse(opening.at, "this '(' is not closed", "write a ')' where it ends")
        if self.next().kind != ")":
            self.refuse_rest(self.next())
        self.take()
        self.depth -= 1
        return tree

    def deeper(self, token: Token) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            hint = "several arguments are a union and need no parentheses"
            self.refuse(token.at, f"more than {DEEPEST} parentheses and nots inside one another", hint)

    def refuse_operand(self, token: Token) -> NoReturn:
        """Something else stands where an operand should."""
        before = self.tokens[self.index - 2] if self.index > 1 else None
        if token.kind == "+" and before and before.kind == "+":
            self.refuse(token.at, "one '+' is enough", "+x adds everything above x, 2+x two layers")
        if before and before.kind == "+":
            self.refuse(before.at, "'+' belongs to a name", "+x adds everything above x, x+ everything below")
        # A shell that splits `not tag:x` gives the word alone: an expression with blanks has to be one argument.
        whole = "put the whole expression between quotes"
        if before and before.keyword:
            alone = before.at == 0 and before.end >= len(self.expression.rstrip())
            hint = f"{whole}: '{before.text} tag:x'" if alone else f"write what follows: {before.text} tag:x"
            self.refuse(before.at, f"nothing stands after {before.text!r}", hint)
        if token.keyword:
            alone = token.at == 0 and token.end >= len(self.expression.rstrip())
            hint = f"{whole}: 'tag:x {token.text} tag:y'" if alone else f"write what precedes: tag:x {token.text} …"
            self.refuse(token.at, f"nothing stands before {token.text!r}", hint)
        if token.kind == ")":
            self.refuse(token.at, "this ')' closes nothing", "remove it, or write a '(' where it begins")
        self.refuse((before or token).at, "this '(' is not closed", "write an expression and a ')'")

    def refuse_rest(self, token: Token) -> NoReturn:
        """A complete expression is followed by something that is no operator."""
        if token.kind == ")":
            self.refuse(token.at, "this ')' closes nothing", "remove it, or write a '(' where it begins")
        if token.kind == "word" and token.text.lower() in KEYWORDS:
            hint = f"write {token.text.lower()} or {token.text.upper()}"
            if token.keyword:
                hint = f"write `and {token.keyword}` or `or {token.keyword}`"
            self.refuse(token.at, f"{token.text!r} is no operator here", hint)
        if token.kind == "word" and token.text[0] in _FOREIGN:
            self.refuse(token.at, f"{token.text!r} means nothing in a selection", _FOREIGN[token.text[0]])
        hint = "names hold no blanks; write `or` for what either names, `and` for what both name, or give two arguments"
        shown = repr(token.text) if token.kind != "quoted" else "this"
        self.refuse(token.at, f"'and' or 'or' is missing before {shown}", hint)


def _layers(digits: str) -> int:
    """So many layers; more than a thousand million are as good as these."""
    return int(digits) if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS
