"""Connecting: once, as whom, and what is said when it fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from catalogs.sources.earth_engine.session import HIGH_VOLUME, Settings, connect
from earth_engine_server import Refusal, World
from earth_engine_world import PROJECT, Clock
from schemas.errors import SourceError, UsageError


def test_once_in_a_process(served: World) -> None:
    connect()
    first = [request.path for request in served.requests]
    assert f"/v1alpha/projects/{PROJECT}/algorithms" in first
    connect()
    connect(PROJECT)
    assert len(served.requests) == len(first)


def test_another_project_is_another_connection(served: World) -> None:
    connect()
    connect("another-project")
    assert served.requests[-1].headers["X-Goog-User-Project"] == "another-project"


def test_workers_find_the_project_of_the_option(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHLOOM_EE_PROJECT", "")
    connect("from-the-option")
    code = "from catalogs.sources.earth_engine.session import connect; print(connect().project)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == "from-the-option", done.stderr


def test_settings() -> None:
    none = Settings.of("", {})
    assert (none.project, none.url, none.loopback) == ("", HIGH_VOLUME, False)
    google = {"GOOGLE_CLOUD_PROJECT": "g", "GOOGLE_APPLICATION_CREDENTIALS": "key.json"}
    assert Settings.of("", google) == Settings("g", HIGH_VOLUME, "key.json")
    assert Settings.of("", {**google, "EARTHLOOM_EE_PROJECT": "e"}).project == "e"
    assert Settings.of("option", {**google, "EARTHLOOM_EE_PROJECT": "e"}).project == "option"
    assert Settings.of("", {"EARTHLOOM_EE_URL": "http://localhost:1/"}).loopback


def test_credentials_never_travel_in_the_clear() -> None:
    for url in ("http://ee.example", "ftp://ee.example", "http://127.0.0.1.ee.example"):
        with pytest.raises(UsageError, match="must be an https address"):
            Settings.of("p", {"EARTHLOOM_EE_URL": url})


def test_no_project(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHLOOM_EE_PROJECT", "")
    with pytest.raises(UsageError, match="EARTHLOOM_EE_PROJECT"):
        connect()
    assert not served.requests


@pytest.mark.parametrize("route", ["algorithms", "discovery"])
def test_access_refused(served: World, route: str) -> None:
    path = "/$discovery/rest" if route == "discovery" else f"/v1alpha/projects/{PROJECT}/{route}"
    served.refuse(path, Refusal(403, "Caller does not have required permission to use project"))
    with pytest.raises(SourceError, match=r"required permission.*eligibility anew") as error:
        connect()
    assert "\n" not in str(error.value)


def test_a_busy_service_is_asked_again(served: World, clock: Clock) -> None:
    served.refuse(f"/v1alpha/projects/{PROJECT}/algorithms", Refusal(503, "later"))
    connect(by=clock.service())
    assert len(clock.slept) == 1


def test_a_service_out_of_reach(
    served: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHLOOM_EE_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match="try again later"):
        connect(by=clock.service())


def test_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ee", None)
    monkeypatch.setenv("EARTHLOOM_EE_PROJECT", "not-connected-before")
    with pytest.raises(UsageError, match=r"pip install 'earthloom\[gee\]'"):
        connect()


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user without credentials, on no cloud machine."""
    pytest.importorskip("ee", reason="the Earth Engine client (extra `gee`) is not installed")
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "EARTHLOOM_EE_URL", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EARTHLOOM_EE_PROJECT", "somebodys-project")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.mark.usefixtures("nobody")
def test_no_credentials() -> None:
    with pytest.raises(UsageError, match="run `earthengine authenticate`, or name"):
        connect()


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("text", [None, json.dumps({"type": "service_account"})])
def test_a_key_that_is_none(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key.json"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(UsageError, match="not a service account's key"):
        connect()
