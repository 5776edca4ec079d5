from __future__ import annotations

from pathlib import Path

import pytest

from ktlsserve.address import Address
from ktlsserve.config import CertificateFiles, Config
from ktlsserve.config.file import key_lines, load_config, parse_config, reload_config
from ktlsserve.errors import EXIT_USAGE, ConfigError

FOLDER = Path("/etc/ktlsserve")


def problems_of(text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        parse_config(text)
    return dict(raised.value.problems)


def test_an_empty_file_is_the_defaults() -> None:
    assert parse_config("") == Config()


def test_values_have_the_types_of_the_program() -> None:
    config = parse_config(
        """
        [server]
        root = "site"
        listen = ["[::1]:0", "localhost:8080"]
        workers = 3
        [tls]
        certificates = [{ cert = "a.pem", key = "/keys/a.key" }]
        [http.mime]
        md = "text/markdown; charset=utf-8"
        [timeouts]
        idle_s = 5
        close_s = 0.5
        [log]
        access_log = "access.log"
        """,
        folder=FOLDER,
    )
    assert config.server.root == FOLDER / "site"
    assert config.server.listen == (Address("::1", 0), Address("localhost", 8080))
    assert config.server.workers == 3
    assert config.tls.certificates == (CertificateFiles(FOLDER / "a.pem", Path("/keys/a.key")),)
    assert config.http.mime == {"md": "text/markdown; charset=utf-8"}
    assert config.timeouts.idle_s == 5.0
    assert config.timeouts.close_s == 0.5
    assert config.log.access_log == FOLDER / "access.log"


@pytest.mark.parametrize("word", ["off", "-"])
def test_the_access_log_may_be_a_word(word: str) -> None:
    assert parse_config(f'[log]\naccess_log = "{word}"').log.access_log == word


def test_a_file_called_off_is_reached_by_its_path() -> None:
    assert parse_config('[log]\naccess_log = "./off"', folder=FOLDER).log.access_log == FOLDER / "off"


@pytest.mark.parametrize(
    ("text", "key", "complaint"),
    [
        ("frob = 1", "frob", "unknown key; known are server, tls, http"),
        ("tsl = {}", "tsl", "did you mean tls?"),
        ('listn = ["a:1"]', "listn", "did you mean server.listen?"),
        ("[timeouts]\nidle = 3", "timeouts.idle", "did you mean idle_s?"),
        ('[server]\n"a b" = 1', 'server."a b"', "unknown key"),
        ("server = 3", "server", "must be a table with the keys root, listen"),
        ("[server]\nroot = 3", "server.root", "must be a path, not 3"),
        ('[server]\nroot = ""', "server.root", 'must be a path, not ""'),
        ('[server]\nlisten = "localhost:1"', "server.listen", "must be a list, each an address"),
        ("[server]\nlisten = []", "server.listen", "must have at least 1 entry, each an address"),
        ("[server]\nlisten = [1]", "server.listen[0]", "must be an address such as 127.0.0.1:8443, not 1"),
        ('[server]\nlisten = ["a:1", "b"]', "server.listen[1]", "must end in a port"),
        ('[server]\nlisten = ["a:1", "a:1"]', "server.listen[1]", '"a:1" is in the list twice'),
        ("[server]\nworkers = 0", "server.workers", 'must be "auto" or a whole number from 1 to 1024, not 0'),
        ('[server]\nworkers = "many"', "server.workers", 'not "many"'),
        ("[server]\nworkers = true", "server.workers", "not true"),
        ('[server]\nindex = ["../x"]', "server.index[0]", "without slashes"),
        ('[server]\nindex = [".htaccess"]', "server.index[0]", "doesn't start with a dot"),
        ("[server]\ndrain_s = 0", "server.drain_s", "above 0"),
        ('[tls]\nmode = "kernl"', "tls.mode", 'must be "auto", "kernel", "userspace" or "off", not "kernl"'),
        ("[tls]\nmode = []", "tls.mode", "not an empty list"),
        ("[tls]\nmin_version = 1.3", "tls.min_version", 'must be "1.2" or "1.3", not 1.3'),
        ('[tls]\nciphers = ["RC4"]', "tls.ciphers[0]", 'not "RC4"'),
        ('[tls]\ngroups = ["X25519", "X25519"]', "tls.groups[1]", "twice"),
        ("[tls]\nsession_lifetime_s = 0", "tls.session_lifetime_s", "from 1 to 604800"),
        ("[tls]\nmax_key_updates = 1.0", "tls.max_key_updates", "must be a whole number"),
        ('[[tls.certificates]]\ncert = "a"', "tls.certificates[0].key", "is missing"),
        ("[tls]\ncertificates = [3]", "tls.certificates[0]", "must be a table with the keys cert, key, not 3"),
        ("[http]\nmime = 3", "http.mime", "must be a table that maps"),
        ('[http.mime]\n".md" = "text/x"', 'http.mime.".md"', "without its dot"),
        ('[http.mime]\nmd = "markdown"', "http.mime.md", "must be a media type"),
        ('[http.mime]\nmd = "text/x\\r\\nA: b"', "http.mime.md", "must be a media type"),
        ('[http]\nserver_header = "a\\r\\nB: c"', "http.server_header", "must be printable ASCII"),
        ("[http]\nmax_head_bytes = 4096", "http.max_target_bytes", r"must be below max_head_bytes (4096)"),
        ("[timeouts]\nhead_s = nan", "timeouts.head_s", "not nan"),
        ("[timeouts]\nhead_s = inf", "timeouts.head_s", "not inf"),
        ("[timeouts]\nhead_s = true", "timeouts.head_s", "not true"),
        ('[timeouts]\nhead_s = "3"', "timeouts.head_s", 'not "3"'),
        ("[limits]\nbacklog = {}", "limits.backlog", "not a table"),
        ("[limits]\nslice_bytes = [1]", "limits.slice_bytes", "not a list"),
        ('[log]\naccess_log = "a\\u0000"', "log.access_log", '"off", "-" (standard output) or a path'),
    ],
)
def test_a_wrong_value_is_named_by_its_key_path(text: str, key: str, complaint: str) -> None:
    problems = problems_of(text)
    assert list(problems) == [key]
    assert complaint in problems[key]


def test_all_problems_are_found_at_once_with_their_lines() -> None:
    problems = problems_of(
        '[timeouts]\nidle_s = 0\nfrob = 1\n\n[tls]\nmode = "no"\n\n[[tls.certificates]]\ncert = "a"\n# key\n'
        '[[tls.certificates]]\ncert = 3\nkey = "b"\n'
    )
    assert {key: message.rpartition(" (")[2] for key, message in problems.items()} == {
        "timeouts.idle_s": "line 2)",
        "timeouts.frob": "line 3)",
        "tls.mode": "line 6)",
        "tls.certificates[0].key": "line 8)",
        "tls.certificates[1].cert": "line 12)",
    }


def test_lines_are_found_for_tables_arrays_and_dotted_keys() -> None:
    text = 'server.root = "."\n[ tls ] # comment\n"mode" = "off"\n[[tls.certificates]]\n[[tls.certificates]]\ncert=""'
    assert key_lines(text) == {
        "server.root": 1,
        "tls": 2,
        "tls.mode": 3,
        "tls.certificates[0]": 4,
        "tls.certificates[1]": 5,
        "tls.certificates[1].cert": 6,
    }


def test_a_long_value_is_shown_short() -> None:
    message = problems_of(f'[tls]\nmode = "{"x" * 5000}"')["tls.mode"]
    assert message.endswith("xxx... (line 2)")
    assert len(message) < 200


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[server\n", "at line 1"),
        ("[tls]\nmode = 'off'\nmode = 'off'\n", "at line 3"),
        ("a = " + "[" * 5000, "nested too deeply"),
    ],
)
def test_a_syntax_error_tells_the_place(text: str, complaint: str) -> None:
    assert complaint in problems_of(text)["syntax"]


def test_a_file_is_read_and_its_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site.toml").write_text('[server]\nroot = "www"\n[tls]\nmode = "off"\n')
    monkeypatch.chdir(tmp_path)
    config = load_config(Path("site.toml"))
    assert config.server.root == tmp_path / "www"
    assert config.tls.mode == "off"
    assert config.origin.file == tmp_path / "site.toml"


def test_problems_of_a_file_name_it(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[server]\nroot = "."\n[timeouts]\nidle_s = 0\n')
    with pytest.raises(ConfigError) as raised:
        load_config(file)
    assert str(raised.value).startswith(f"{file}: timeouts.idle_s: must be")
    assert raised.value.exit_status == EXIT_USAGE


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="file: can't be read: No such file or directory"):
        load_config(tmp_path / "missing.toml")


def test_a_file_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(ConfigError, match="must be UTF-8 text, and isn't at byte 5"):
        load_config(tmp_path / "latin.toml")


def test_somebody_must_name_the_root(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text("[timeouts]\nidle_s = 0\n")
    with pytest.raises(ConfigError) as raised:
        load_config(file)
    assert [key for key, _ in raised.value.problems] == ["server.root", "timeouts.idle_s"]
    file.write_text("")
    with pytest.raises(ConfigError, match=r"server\.root: is missing"):
        load_config(file)
    assert load_config(file, root_needed=False).server.root == Path()
    assert load_config(file, {"server.root": "/srv"}).server.root == Path("/srv")


def test_the_command_line_goes_before_the_file_and_before_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[server]\nroot = "www"\nworkers = 2\n[tls]\nmode = "off"\n')
    overrides = {"tls.mode": "userspace", "log.level": "debug", "server.listen": ["[::1]:1"]}
    config = load_config(file, overrides)
    assert (config.tls.mode, config.log.level, config.server.workers) == ("userspace", "debug", 2)
    assert config.server.listen == (Address("::1", 1),)
    assert config.server.root == tmp_path / "www"
    assert load_config(None, overrides | {"server.root": "/srv"}).tls.mode == "userspace"


def test_a_value_over_something_that_is_no_table_leaves_that_to_be_reported(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text("tls = 3\n")
    with pytest.raises(ConfigError, match="tls: must be a table"):
        load_config(file, {"server.root": "/srv", "tls.mode": "off"})


def test_a_reload_reads_the_file_again_under_the_same_command_line(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[server]\nroot = "www"\nworkers = 2\n')
    config = load_config(file, {"tls.mode": "off"})
    file.write_text('[server]\nroot = "www"\nworkers = 5\n[tls]\nmode = "auto"\n')
    again = reload_config(config)
    assert (again.server.workers, again.tls.mode) == (5, "off")
    assert reload_config(again) == again
