"""Dagster Pipes: scripts that use the public client as real processes, and what else could be in a channel."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import dagster_pipes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_cli.computes import pipes, pipes_messages
from assets_cli.computes.pipes_messages import Said, SaidCheck
from assets_cli.computes.reported import Reported
from assets_cli.model.history import Input, Materialization

CONTEXT = pipes.Context(
    asset="raw/events",
    run="20261122T130204.548039-a106",
    environment="default",
    code_version="sha256:ab",
    output="/shop/data/events.csv",
    upstreams={"crm": "/shop/crm.csv", "hub": None},
    vars={"currency": "EUR", "top": 3},
)
HEAD = "from dagster_pipes import *\nimport os, sys, signal\n"
STDIO = """
class Writer(PipesMessageWriter):
    def open(self, params):
        return PipesDefaultMessageWriter().open({%s})
"""


class Ended(NamedTuple):
    """How a script ended, what it said, what went into the log besides what it printed, and the log."""

    code: int
    said: Said
    written: str
    log: str


class Stage:
    """A folder in which scripts run as an attempt's command does: both streams in the log."""

    def __init__(self, root: Path) -> None:
        self.log = root / "x.1.log"
        self.files = pipes.Files.beside(root / "x.1.result.json")

    def run(self, script: str, context: pipes.Context = CONTEXT, environment: Mapping[str, str] | None = None) -> Ended:
        """Run a Python script to its end and read what it said."""
        variables = pipes.environment(context, self.files) if environment is None else environment
        with self.log.open("ab") as log:
            code = subprocess.run(
                [sys.executable, "-c", HEAD + textwrap.dedent(script)],
                env={**os.environ, **variables},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                check=False,
                timeout=60,
            ).returncode
        return Ended(code, *self.read(), self.log.read_text(errors="replace"))

    def read(self) -> tuple[Said, str]:
        """What was said, and what goes into the log."""
        written: list[str] = []
        said = pipes_messages.read("raw/events", self.files, str(self.log), written.append)
        return said, "".join(written)

    def messages(self, *lines: bytes) -> tuple[Said, str]:
        """What is said by a file of messages with these lines."""
        Path(self.files.messages).write_bytes(b"".join(lines))
        return self.read()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """An empty folder."""
    return Stage(tmp_path)


def message(method: str, **params: Any) -> bytes:
    """A message as the client writes it."""
    return json.dumps({"__dagster_pipes_version": "0.1", "method": method, "params": params}).encode() + b"\n"


def unpacked(text: str) -> Any:
    """What is in a variable."""
    return json.loads(zlib.decompress(base64.b64decode(text)))


# -- to the script -----------------------------------------------------------------------------------------------------


def test_the_variables_are_the_base64_of_compressed_json(stage):
    """The client's own decoder reads them, and so does anybody who follows its format."""
    variables = pipes.environment(CONTEXT, stage.files)
    assert sorted(variables) == ["DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES"]
    for text in variables.values():
        assert unpacked(text) == dagster_pipes.decode_param(text)
    assert unpacked(variables[pipes.MESSAGES]) == {"path": stage.files.messages}
    data = unpacked(variables[pipes.CONTEXT])["data"]
    assert set(data) == set(dagster_pipes.PipesContextData.__annotations__)
    assert data == {
        "asset_keys": ["raw/events"],
        "code_version_by_asset_key": {"raw/events": "sha256:ab"},
        "provenance_by_asset_key": {"raw/events": None},
        "partition_key": None,
        "partition_key_range": None,
        "partition_time_window": None,
        "run_id": "20261122T130204.548039-a106",
        "job_name": None,
        "retry_number": 0,
        "extras": {
            "currency": "EUR",
            "top": 3,
            "vars": {"currency": "EUR", "top": 3},
            "environment": "default",
            "output": "/shop/data/events.csv",
            "upstreams": {"crm": "/shop/crm.csv", "hub": None},
        },
    }


def test_the_client_finds_every_part_of_its_context(stage):
    """Key, code version, provenance, run, retry, extras; no partition."""
    made = Materialization(
        *(7, "raw/events", "run-0", 1, 0, 0, "sha256:old", {}, "v0", None, None),
        inputs={"crm": Input("v9", 3), "hub": Input(None, None)},
    )
    done = stage.run(
        """
        with open_dagster_pipes() as context:
            provenance = context.provenance
            print(context.asset_key, context.asset_keys, context.code_version, context.run_id, context.retry_number)
            print(provenance["code_version"], provenance["input_data_versions"], provenance["is_user_provided"])
            print(context.is_asset_step, context.is_partition_step, context.job_name)
            print(context.get_extra("currency"), context.get_extra("vars"), context.extras["upstreams"]["crm"])
        """,
        CONTEXT._replace(attempt=3, last=made),
    )
    assert done.code == 0
    assert done.log == (
        "raw/events ['raw/events'] sha256:ab 20261122T130204.548039-a106 2\n"
        "sha256:old {'crm': 'v9', 'hub': ''} False\n"
        "True False None\n"
        "EUR {'currency': 'EUR', 'top': 3} /shop/crm.csv\n"
    )


@pytest.mark.parametrize("size", [0, 49_000, 60_000, 3_000_000])
def test_a_long_context_is_in_a_file(stage, size):
    """No variable comes near to what the kernel allows, and the client finds the same in both."""
    done = stage.run(
        """
        with open_dagster_pipes() as context:
            print(len(context.get_extra("big")))
        """,
        CONTEXT._replace(vars={"big": "x" * size}),
    )
    assert (done.code, done.log) == (0, f"{size}\n")
    assert Path(stage.files.context).exists() is (size > 20_000)


def test_what_json_has_no_word_for_is_text(stage):
    """Bytes of a path that are no UTF-8, a date among the variables."""
    from datetime import date  # only here

    variables = pipes.environment(
        CONTEXT._replace(output=os.fsdecode(b"/shop/\xff"), vars={"day": date(2026, 1, 31)}), stage.files
    )
    extras = dagster_pipes.decode_param(variables[pipes.CONTEXT])["data"]["extras"]
    assert os.fsencode(extras["output"]) == b"/shop/\xff"
    assert extras["day"] == "2026-01-31"


# -- the channels of the client ----------------------------------------------------------------------------------------

REPORT = """
    print("before")
    context.log.info("loaded %d rows", 3)
    context.log.warning("two\\nlines")
    context.report_asset_materialization({"rows": 3, "page": {"raw_value": "https://x", "type": "url"}}, "v1")
    context.report_asset_check("no_nulls", True)
    context.report_asset_check("few", False, "WARN", {"limit": 2})
    context.report_custom_message({"a": [1]})
    context.log_external_stream("stdout", "from elsewhere\\n")
    print("after")
"""
SAID = Said(
    Reported("v1", None, {"rows": 3, "page": {"raw_value": "https://x", "type": "url"}}),
    (SaidCheck("no_nulls", True, "error", {}), SaidCheck("few", False, "warn", {"limit": 2})),
)
WRITTEN = """\
INFO loaded 3 rows
WARNING two
lines
materialized: data version v1, rows: 3, page: https://x
check no_nulls: passed
check few: warns, limit: 2
message: {"a": [1]}
from elsewhere
"""


def test_the_channel_is_a_file(stage):
    """All that can be said arrives, in order, and the log has what was printed."""
    done = stage.run("with open_dagster_pipes() as context:" + REPORT)
    assert (done.code, done.said, done.written, done.log) == (0, SAID, WRITTEN, "before\nafter\n")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("kind", ["stdio", "buffered_stdio"])
def test_messages_are_found_in_what_a_script_prints(stage, kind, stream):
    """One that picks a writer to a stream is heard, and its other lines stay where they are."""
    script = STDIO % f"{kind!r}: {stream!r}" + "with open_dagster_pipes(message_writer=Writer()) as context:" + REPORT
    done = stage.run(script)
    assert (done.code, done.said, done.written) == (0, SAID, WRITTEN)
    assert [line for line in done.log.splitlines() if not line.startswith("{")] == ["before", "after"]
    assert not Path(stage.files.messages).exists()


def test_a_script_may_be_given_the_stream_as_its_channel(stage):
    """Where the file is out of reach, as in a container: its variable names the stream; the context is in `data`."""
    variables = pipes.environment(CONTEXT, stage.files)
    variables[pipes.MESSAGES] = dagster_pipes.encode_param({"stdio": "stderr"})
    done = stage.run("with open_dagster_pipes() as context:" + REPORT, environment=variables)
    assert (done.code, done.said, done.written) == (0, SAID, WRITTEN)


def test_a_context_that_is_never_closed(stage):
    """Nothing is lost for want of an end."""
    done = stage.run("context = open_dagster_pipes()\nif True:" + REPORT)
    assert (done.code, done.said, done.written) == (0, SAID, WRITTEN)


def test_what_a_dying_script_said_is_kept(stage):
    """It ended in the middle, without cleaning up."""
    done = stage.run("with open_dagster_pipes() as context:" + REPORT + "    os._exit(3)")
    assert (done.code, done.said, done.written) == (3, SAID, WRITTEN)


def test_a_script_that_is_killed_in_the_middle_of_a_message(stage):
    """What it had said before is kept; what it had begun to say is left out, and that is said."""
    done = stage.run(
        """
        with open_dagster_pipes() as context:
            context.log.info("one")
            with open(os.environ["CHANNEL"], "a") as file:
                file.write('{"__dagster_pipes_version": "0.1", "method": "log", "par')
                file.flush()
                os.kill(os.getpid(), signal.SIGKILL)
        """,
        environment={**pipes.environment(CONTEXT, stage.files), "CHANNEL": stage.files.messages},
    )
    assert (done.code, done.written) == (-9, "INFO one\n")
    assert done.said == Said(warnings=("its last Pipes message is unfinished and was left out",))


def test_a_script_that_is_killed_in_the_middle_of_a_printed_message(stage):
    """The same, where the messages are in the log."""
    done = stage.run(
        STDIO % "'stdio': 'stdout'"
        + """
with open_dagster_pipes(message_writer=Writer()) as context:
    context.log.info("one")
    sys.stdout.write('{"__dagster_pipes_version": "0.1", "method": "log", "par')
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    assert (done.code, done.written) == (-9, "INFO one\n")
    assert done.said == Said(warnings=("its last Pipes message is unfinished and was left out",))


# -- exceptions --------------------------------------------------------------------------------------------------------


def test_an_exception_is_told_in_a_line(stage):
    """Its traceback is in the log once: the script has printed it."""
    done = stage.run('with open_dagster_pipes() as context:\n    raise ValueError("no rows\\nat all")')
    assert (done.code, done.said.exception, done.written) == (1, "ValueError: no rows", "")
    assert done.log.endswith("ValueError: no rows\nat all\n")


@pytest.mark.parametrize(("lines", "again"), [(3, ""), (10, ""), (11, "{traceback}")])
def test_the_traceback_is_told_again_below_many_lines(stage, lines, again):
    """What is shown of a failure is the end of the log."""
    done = stage.run(
        f"""
        with open_dagster_pipes() as context:
            for _ in range({lines}):
                context.log.info("hm")
            raise ValueError("no")
        """
    )
    assert (done.code, done.said.exception) == (1, "ValueError: no")
    traceback = 'Traceback (most recent call last):\n  File "<string>", line 7, in <module>\nValueError: no\n'
    assert (done.log, done.written) == (traceback, "INFO hm\n" * lines + again.format(traceback=traceback))


def test_a_traceback_that_nobody_printed_is_told_whole(stage):
    """With its causes, the first of them first."""
    done = stage.run(
        """
        try:
            with open_dagster_pipes() as context:
                try:
                    raise KeyError("day")
                except KeyError as error:
                    raise RuntimeError("no day") from error
        except RuntimeError:
            pass
        """
    )
    assert (done.code, done.said.exception, done.log) == (0, "RuntimeError: no day", "")
    assert done.written == (
        'Traceback (most recent call last):\n  File "<string>", line 7, in <module>\n'
        "KeyError: 'day'\n\nThe exception above is the cause of the following one:\n\n"
        'Traceback (most recent call last):\n  File "<string>", line 9, in <module>\nRuntimeError: no day\n'
    )


def test_an_exception_of_a_script_that_the_command_survived(stage):
    """A later script that opened its own channel has the last word."""
    stage.run('with open_dagster_pipes() as context:\n    raise ValueError("first")')
    done = stage.run("with open_dagster_pipes() as context:\n    pass")
    assert (done.code, done.said.exception) == (0, None)


@pytest.mark.parametrize(
    ("exception", "reason"),
    [
        ({"message": "boom", "name": "Error", "stack": []}, "Error: boom"),
        ({"message": "  File x\n    y =\nSyntaxError: bad\nnote", "name": "SyntaxError"}, "SyntaxError: bad"),
        ({"message": "", "name": "Error"}, "Error"),
        ({"message": None, "name": None, "stack": "no list", "cause": 3}, "an exception"),
        ({}, "an exception"),
        ({"message": "x" * 2000, "name": "E"}, "E: " + "x" * 496 + "…"),
    ],
)
def test_clients_in_other_languages_tell_less(stage, exception, reason):
    """Whatever is missing of an exception, there is a line for it."""
    assert stage.messages(message("closed", exception=exception))[0].exception == reason


# -- values ------------------------------------------------------------------------------------------------------------


def test_every_type_of_metadata_is_kept(stage):
    """As it is where JSON tells the type itself, otherwise with the type."""
    typed = {
        "text": "a",
        "url": "https://x",
        "path": "/a",
        "notebook": "/a.ipynb",
        "json": {"a": [1, None]},
        "md": "# a",
        "float": 0.5,
        "int": 3,
        "bool": True,
        "dagster_run": "run-1",
        "asset": "a/b",
        "null": None,
        "table": {"schema": None, "records": [{"a": 1}]},
        "table_schema": {"columns": [{"name": "a", "type": "int"}]},
        "table_column_lineage": {"deps_by_column": {"a": [{"asset_key": "raw", "column_name": "b"}]}},
        "timestamp": 1_769_851_800.5,
        "__infer__": "x",
    }
    assert set(typed) == dagster_pipes._METADATA_TYPES
    metadata = {kind: {"raw_value": raw, "type": kind} for kind, raw in typed.items()}
    done = stage.run(
        "import json\nwith open_dagster_pipes() as context:\n"
        f"    context.report_asset_materialization(json.loads({json.dumps(metadata)!r}))"
    )
    plain = {"text", "json", "float", "int", "bool", "null", "__infer__"}
    assert done.said.reported.metadata == {
        kind: raw if kind in plain else {"raw_value": raw, "type": kind} for kind, raw in typed.items()
    }


def test_values_that_json_cannot_hold(stage):
    """Numbers that are not finite, integers of thousands of digits, halves of characters, a bottomless list."""
    done = stage.run(
        """
        deep = []
        for _ in range(500):
            deep = [deep]
        sys.set_int_max_str_digits(0)
        with open_dagster_pipes() as context:
            context.log.info("half \\ud800")
            context.report_asset_materialization({
                "nan": float("nan"), "inf": -float("inf"), "big": 10**30, "half\\udcff": "\\ud800 \\0", "deep": deep,
            })
            context.report_asset_check("huge", True, metadata={"huge": 10**5000})
        """
    )
    assert done.code == 0
    metadata = dict(done.said.reported.metadata)
    deep = json.dumps(metadata.pop("deep"), ensure_ascii=False)
    assert deep == "[" * 32 + '"…"' + "]" * 32
    assert metadata == {"nan": "NaN", "inf": "-Infinity", "big": 10**30, "half\\udcff": "\\ud800 \0"}
    assert done.said.checks == (SaidCheck("huge", True, "error", {"huge": f"1{'0' * 5000}"}),)
    assert done.written.startswith("INFO half \\ud800\n")
    assert done.written.encode()


def test_a_moment_in_the_metadata_is_the_data_time(stage):
    """Under Dagster's name for it as seconds, or as `data_time` in any form that $ASSETS_RESULT takes."""

    def time_of(**metadata: Any) -> int | None:
        said, _ = stage.messages(message("report_asset_materialization", metadata=metadata))
        assert said.warnings == ()
        return said.reported.data_time

    stamp = {"raw_value": 1_769_851_800.5, "type": "timestamp"}
    assert time_of(**{"dagster/last_updated_timestamp": stamp}) == 1_769_851_800_500_000
    assert time_of(data_time=stamp) == 1_769_851_800_500_000
    assert time_of(data_time=1_769_851_800) == 1_769_851_800_000_000
    assert time_of(data_time="2026-01-31T09:30:00Z") == 1_769_851_800_000_000
    assert time_of(data_time=[1], other="2026-01-31") is None
    said, _ = stage.messages(message("report_asset_materialization", metadata={"data_time": "noon"}))
    assert said == Said(
        Reported(None, None, {"data_time": "noon"}),
        warnings=("what it reported by Pipes has a data_time of 'noon'; write it like 2026-01-31T09:30:00Z",),
    )


def test_two_scripts_of_one_command_share_a_channel(stage):
    """What was said later counts, by field, by metadata's name and by check."""
    report = "report_asset_materialization"
    said, _ = stage.messages(
        message(report, metadata={"a": 1, "b": 1}, data_version="v1"),
        message("report_asset_check", check_name="x", passed=False, severity="ERROR"),
        message(report, metadata={"b": 2}),
        message("report_asset_check", check_name="x", passed=True, severity="ERROR"),
    )
    assert said == Said(Reported("v1", None, {"a": 1, "b": 2}), (SaidCheck("x", True, "error", {}),))


# -- what is none of that ----------------------------------------------------------------------------------------------


def test_what_is_no_message_is_counted(stage):
    """It stops nothing that comes after it."""
    said, written = stage.messages(b"not json\n", b"\n", b"[1]\n", b'{"method": "log"}\n', b"\xff\xfe\n", INFO)
    assert written == "INFO on\n"
    assert said.warnings == ("4 of its Pipes messages could not be read and were left out",)
    said, _ = stage.messages(b"not json\n", INFO)
    assert said.warnings == ("a Pipes message of it could not be read and was left out",)


INFO = message("log", level="INFO", message="on")


def test_a_message_behind_an_unfinished_one_is_read(stage):
    """A script died in the middle of a line, and the next one went on there."""
    said, written = stage.messages(INFO[:40], INFO)
    assert written == "INFO on\n"
    assert said.warnings == ("a Pipes message of it could not be read and was left out",)


def test_a_last_message_without_a_line_break_is_whole_if_it_is(stage):
    """Not every client ends its last line."""
    assert stage.messages(INFO.rstrip()) == (Said(), "INFO on\n")


def test_messages_of_another_asset_are_left_out(stage):
    """By a warning that names it."""
    said, written = stage.messages(
        message("report_asset_materialization", asset_key="other", metadata={"a": 1}),
        message("report_asset_check", asset_key="other", check_name="x", passed=False),
    )
    warning = "it reported of other by Pipes, which is another asset: left out"
    assert (said, written) == (Said(warnings=(warning,)), "")


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        (message("shout"), "it sent a Pipes message of the unknown method shout"),
        (message(["log"]), 'it sent a Pipes message of the unknown method ["log"]'),
        (
            message("report_asset_check", passed=True),
            "it reported a check by Pipes without a name, or without saying whether it passed",
        ),
        (
            message("report_asset_check", check_name="x", passed="yes"),
            "it reported a check by Pipes without a name, or without saying whether it passed",
        ),
        (
            message("report_asset_materialization", data_version=" "),
            "what it reported by Pipes has an empty data_version",
        ),
        (
            message("report_asset_materialization", data_version=[1]),
            "what it reported by Pipes has a data_version that is a list instead of text",
        ),
    ],
)
def test_messages_that_make_no_sense(stage, line, warning):
    """Each is a warning, and the rest is read."""
    said, written = stage.messages(line, INFO)
    assert said.warnings == (warning,)
    assert written.endswith("INFO on\n")


METHODS = ["opened", "closed", "log", "log_external_stream", "report_custom_message"]
METHODS += ["report_asset_materialization", "report_asset_check"]
NAMES = ["exception", "message", "stack", "cause", "metadata", "raw_value", "type", "check_name", "passed"]
PARAMS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner),
)
MESSAGES = st.builds(
    lambda method, params: message(method, **params),
    st.sampled_from(METHODS),
    st.dictionaries(st.sampled_from(NAMES), PARAMS),
)
LINES = st.binary(max_size=40).map(lambda data: data + b"\n")


@given(st.lists(MESSAGES | LINES))
def test_nothing_that_is_in_a_channel_ends_in_an_exception(tmp_path_factory, lines):
    """What comes out can be kept as JSON and written as UTF-8."""
    said, written = Stage(tmp_path_factory.mktemp("stage")).messages(*lines)
    assert json.dumps(said, allow_nan=False)
    written.encode()
    json.dumps(said, ensure_ascii=False).encode()


LEFT_OUT = (
    "it wrote {} MiB of Pipes messages: the first and the last {} MiB were read, what is between them was left out"
)


# -- much of it --------------------------------------------------------------------------------------------------------


def test_a_command_without_messages_has_said_nothing(stage):
    """No file, and a log without a message at its beginning or its end."""
    assert not pipes.has_spoken(stage.files, str(stage.log))
    stage.log.write_text("hello\n")
    assert not pipes.has_spoken(stage.files, str(stage.log))
    assert stage.read() == (Said(), "")
    stage.log.write_bytes(b"hello\n" + INFO)
    assert pipes.has_spoken(stage.files, str(stage.log))


def test_of_a_huge_log_only_the_ends_are_looked_at(stage):
    """A message at either end announces the script; one in the middle alone does not."""
    for beginning, middle, end in ((b"", INFO, b""), (INFO, b"", b""), (b"", b"", INFO)):
        with stage.log.open("wb") as log:
            log.write(beginning)
            log.truncate(500 << 20)
            log.seek(250 << 20)
            log.write(b"\n" + middle)
            log.seek(0, os.SEEK_END)
            log.write(b"\n" + end)
        assert pipes.has_spoken(stage.files, str(stage.log)) is not bool(middle)
        said, written = stage.read()
        assert written == ("" if middle else "INFO on\n")
        assert len(said.warnings) == (0 if middle else 1)


def test_of_many_messages_the_ends_are_read(stage, monkeypatch):
    """What is left out is said. Nothing is read twice, and no line that was cut is taken for a message."""
    monkeypatch.setattr(pipes_messages, "WINDOW", 1 << 20)
    with Path(stage.files.messages).open("wb") as file:
        file.writelines(message("log", level="INFO", message=str(number)) for number in range(50_000))
    said, written = stage.read()
    numbers = [int(line.split()[1]) for line in written.splitlines()]
    size = Path(stage.files.messages).stat().st_size
    assert said.warnings == (LEFT_OUT.format(size >> 20, 1),)
    assert (numbers[0], numbers[-1], numbers == sorted(set(numbers))) == (0, 49_999, True)
    assert 20_000 < len(numbers) < 25_000


def test_a_line_that_begins_with_the_second_window_is_read(stage, monkeypatch):
    """It was not begun before."""
    lines = [message("log", level="INFO", message=str(number)) for number in range(10, 20)]
    monkeypatch.setattr(pipes_messages, "WINDOW", 3 * len(lines[0]))
    _, written = stage.messages(*lines)
    assert written == "".join(f"INFO {number}\n" for number in (10, 11, 12, 17, 18, 19))


def test_messages_that_fit_into_the_windows_are_read_whole(stage, monkeypatch):
    """Up to twice the window nothing is left out."""
    lines = [message("log", level="INFO", message=str(number)) for number in range(1000)]
    monkeypatch.setattr(pipes_messages, "WINDOW", sum(map(len, lines)) // 2 + 1)
    said, written = stage.messages(*lines)
    assert (said, written) == (Said(), "".join(f"INFO {number}\n" for number in range(1000)))


def test_a_message_of_a_gigabyte_is_not_read_into_memory(stage):
    """One line without an end: left out, in a process whose memory would not hold it."""
    with Path(stage.files.messages).open("wb") as file:
        file.write(INFO + b'{"__dagster_pipes_version": "')
        file.truncate(1 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b'"}\n' + INFO)
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, stage.files.messages.removesuffix(".pipes.result.json") + ".result.json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "INFO on",
        "INFO on",
        LEFT_OUT.format("1,024", 16),
        "a Pipes message of more than 4 MiB was left out",
    ]


BOUNDED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))
from assets_cli.computes import pipes, pipes_messages
said = pipes_messages.read("x", pipes.Files.beside(sys.argv[1]), "/nowhere", sys.stdout.write)
print(*sorted(said.warnings, reverse=True), sep="\\n")
"""


def test_there_is_an_end_to_what_is_kept(stage, monkeypatch):
    """Of metadata; what is only logged goes on."""
    monkeypatch.setattr(pipes_messages, "KEPT", 1_000)
    said, written = stage.messages(
        message("report_asset_materialization", metadata={"a": "x" * 500}),
        message("report_asset_check", check_name="x", passed=True, metadata={"a": "x" * 500}),
        INFO,
    )
    assert (set(said.reported.metadata), said.checks, written.endswith("INFO on\n")) == ({"a"}, (), True)
    assert said.warnings == ("it reported more than 0 MiB of metadata: what came later was left out",)


def test_the_files_go_away(stage):
    """Both, and it is no error where there are none."""
    for path in stage.files:
        Path(path).write_text("x")
    stage.files.remove()
    stage.files.remove()
    assert not any(Path(path).exists() for path in stage.files)
    assert [Path(path).name for path in stage.files] == ["x.1.pipes.result.json", "x.1.context.result.json"]
