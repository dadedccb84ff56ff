"""A shell text as its simple commands: the words of each, quotes removed, with what is expanded left out.

A reader, not a shell: it follows quotes, operators, redirections, here-documents and command substitutions far enough
to say which words stand where. It accepts any text and never fails; what it can't follow it skips.
Knows nothing of files or of what the commands mean.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_OPERATORS = ("&&", "||", ";;", "|&", "\n", ";", "&", "|", "(", ")")
_REDIRECTIONS = ("<<<", "<<-", "<<", "<&", "<>", "<", "&>>", "&>", ">>", ">&", ">|", ">")
_ORDINARY = re.compile(r"[^ \t\r\n;&|()<>\\'\"$`]+")
"""Characters of a word that mean nothing but themselves."""


class Word(NamedTuple):
    """One word. It is `literal` when nothing in it is expanded, so that `text` is what the command gets.

    `quoted` says that it was quoted or escaped somewhere: such a word is never a keyword.
    """

    text: str
    literal: bool = True
    quoted: bool = False


class SimpleCommand(NamedTuple):
    """Words up to an operator. `stdin` are the words after `<`, `writes` those after `>`.

    `depth` counts the parentheses around it: each is a shell of its own, with its own working directory.
    """

    words: tuple[Word, ...]
    stdin: tuple[Word, ...] = ()
    writes: tuple[Word, ...] = ()
    depth: int = 0


class Reading(NamedTuple):
    """The simple commands of a text, and the texts of its command substitutions, which are shell texts themselves."""

    commands: tuple[SimpleCommand, ...]
    substitutions: tuple[str, ...]


@lru_cache(maxsize=16)  # whoever asks what a text runs also asks what it writes and what it names
def read(text: str) -> Reading:
    """The simple commands of a shell text, in order."""
    return _Reader(text.replace("\\\n", "")).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.commands: list[SimpleCommand] = []
        self.substitutions: list[str] = []
        self.words: list[Word] = []
        self.stdin: list[Word] = []
        self.writes: list[Word] = []
        self.heredocs: list[tuple[str, bool]] = []

    def read(self) -> Reading:
        text, end = self.text, len(self.text)
        while self.at < end:
            char = text[self.at]
            if char in " \t\r":
                self.at += 1
            elif char == "#":
                self._skip_to("\n")
            elif char in "&|;\n()" and (operator := self._operator()):
                self._finish()
                self.at += len(operator)
                self.depth += {"(": 1, ")": -1}.get(operator, 0)
                if operator == "\n":
                    self._skip_heredocs()
            elif char in "<>&":
                self._redirect(next(each for each in _REDIRECTIONS if text.startswith(each, self.at)))
            else:
                self._argument()
        self._finish()
        return Reading(tuple(self.commands), tuple(self.substitutions))

    def _operator(self) -> str | None:
        if self.text.startswith(("&>", "<(", ">("), self.at):
            return None
        return next((each for each in _OPERATORS if self.text.startswith(each, self.at)), None)

    def _finish(self) -> None:
        if self.words or self.stdin or self.writes:
            found = SimpleCommand(tuple(self.words), tuple(self.stdin), tuple(self.writes), self.depth)
            self.commands.append(found)
        self.words, self.stdin, self.writes = [], [], []

    def _argument(self) -> None:
        word = self._word()
        if word.text.isdigit() and self.at < len(self.text) and self.text[self.at] in "<>":
            return  # the 2 of `2>` is no word
        self.words.append(word)

    def _redirect(self, operator: str) -> None:
        if self.text.startswith(("<(", ">("), self.at):
            self.at += 2
            self.substitutions.append(self._until_parenthesis())
            self.words.append(Word("", literal=False))
            return
        self.at += len(operator)
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1
        if self.at >= len(self.text) or self._operator():
            return
        word = self._word()
        if operator in ("<<", "<<-"):
            self.heredocs.append((word.text, operator == "<<-"))
        elif operator in ("<", "<>"):
            self.stdin.append(word)
        elif operator not in ("<<<", "<&"):
            self.writes.append(word)

    def _word(self) -> Word:
        """The word that starts here: up to a blank, an operator or a redirection that isn't quoted."""
        text, end, start = self.text, len(self.text), self.at
        parts: list[str] = []
        literal, quoted = True, False
        while self.at < end:
            if ordinary := _ORDINARY.match(text, self.at):
                parts.append(ordinary[0])
                self.at = ordinary.end()
                continue
            char = text[self.at]
            if char in " \t\r\n;&|()<>" and not (self.at == start and char in "<>"):
                break
            self.at += 1
            if char == "\\":
                parts.append(text[self.at : self.at + 1])
                self.at += 1
                quoted = True
            elif char == "'":
                parts.append(self._skip_to("'"))
                self.at += 1
                quoted = True
            elif char == '"':
                inner, plain = self._double_quoted()
                parts.append(inner)
                literal, quoted = literal and plain, True
            elif char in "$`":
                literal = self._expansion(char, parts) and literal
            else:
                parts.append(char)
        return Word("".join(parts), literal, quoted)

    def _double_quoted(self) -> tuple[str, bool]:
        parts: list[str] = []
        literal = True
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == '"':
                break
            if char == "\\" and self.text[self.at : self.at + 1] in ("$", "`", '"', "\\"):
                parts.append(self.text[self.at])
                self.at += 1
            elif char in "$`":
                literal = self._expansion(char, parts) and literal
            else:
                parts.append(char)
        return "".join(parts), literal

    def _expansion(self, char: str, parts: list[str]) -> bool:
        """Step over an expansion whose first character was just read; whether it was none, but a lone `$`."""
        following = self.text[self.at : self.at + 1]
        if char == "`":
            self.substitutions.append(self._skip_to("`"))
            self.at += 1
        elif following == "(":
            self.at += 1
            self.substitutions.append(self._until_parenthesis())
        elif following == "{":
            self._skip_to("}")
            self.at += 1
        elif following == "$":  # `$${x}` in a manifest is the shell's own `${x}`
            return self._dollar_dollar()
        elif following.isalnum() or (following and following in "_@*#?!-"):
            self.at += 1
            while self.at < len(self.text) and (self.text[self.at].isalnum() or self.text[self.at] == "_"):
                self.at += 1
        elif following in ("'", '"') and following:
            return True  # $'…' and $"…": the quotes follow
        else:
            parts.append("$")
            return True
        return False

    def _dollar_dollar(self) -> bool:
        self.at += 1
        if self.text.startswith("{", self.at):
            self._skip_to("}")
            self.at += 1
        return False

    def _until_parenthesis(self) -> str:
        """The text up to the parenthesis that closes the one just read; quotes hide theirs."""
        start, open_ones, quote = self.at, 1, ""
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == "\\" and quote != "'":
                self.at += 1
            elif quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
            elif char in "()":
                open_ones += 1 if char == "(" else -1
                if not open_ones:
                    return self.text[start : self.at - 1]
        return self.text[start:]

    def _skip_to(self, char: str) -> str:
        """Move to the next such character, or to the end; the text in between."""
        start = self.at
        found = self.text.find(char, start)
        self.at = len(self.text) if found < 0 else found
        return self.text[start : self.at]

    def _skip_heredocs(self) -> None:
        for delimiter, indented in self.heredocs:
            while self.at < len(self.text):
                line = self._skip_to("\n")
                self.at += 1
                if (line.lstrip("\t") if indented else line) == delimiter:
                    break
        self.heredocs = []
