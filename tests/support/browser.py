"""Headless Chromium, driven by Selenium: pages as a person's browser loads them, with all that it complains of.

The browser is Debian's and so is its driver: Selenium's own manager, which would fetch others, is never asked. No name
leads out of this machine: those that end in ``.example`` are the loopback, and all others don't exist.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.support.programs import find_program
from tests.support.waiting import LIMIT_S, wait_until

_OPTIONS = (
    "--headless=new",
    # Tests run as root, where there is no sandbox, and in containers whose /dev/shm is small.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    # What would talk to others than the page's server.
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--host-resolver-rules=MAP *.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    # A page may play what nobody clicked on.
    "--autoplay-policy=no-user-gesture-required",
    "--lang=en",
    # Instead of the page for new tabs, which is an application of its own.
    "about:blank",
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A reply that the browser got, as its developer tools would show it."""

    url: str
    status: int
    headers: dict[str, str]
    protocol: str
    tls: str
    key_exchange: str
    from_cache: bool

    @property
    def path(self) -> str:
        """The URL without scheme and host."""
        return "/" + self.url.split("/", 3)[3]


class Browser:
    """A browser with a profile of its own in ``folder``, which trusts the keys of ``certificate_files`` and no others.

    Its window is 1280 by 800 pixels; ``driver`` is Selenium's.
    """

    def __init__(self, folder: Path, certificate_files: Sequence[Path]) -> None:
        options = ChromeOptions()
        options.binary_location = find_program("chromium")
        for option in (
            *_OPTIONS,
            "--window-size=1280,800",
            f"--user-data-dir={folder / 'profile'}",
            # Not all errors are ignored: another server's certificate would still be one.
            f"--ignore-certificate-errors-spki-list={','.join(map(_key_hash, certificate_files))}",
        ):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = Service(find_program("chromedriver"), log_output=str(folder / "driver.log"))
        self.driver = Chrome(options, service)
        self.driver.set_page_load_timeout(LIMIT_S)
        self.driver.set_script_timeout(LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.driver.quit()

    def open(self, url: str) -> None:
        """Load a page, and what it names; returns after its event ``load``. What was said before it is forgotten."""
        self.complaints()
        self._events()
        self.driver.get(url)

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page, and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def wait_for(self, expression: str) -> Any:
        """Return the first true value of an expression in the page."""
        return wait_until(lambda: self.run(f"return {expression}"), f"{expression} in {self.driver.current_url}")

    def command(self, name: str, **parameters: object) -> dict[str, Any]:
        """Give a command of the DevTools protocol."""
        answer: dict[str, Any] = self.driver.execute_cdp_cmd(name, parameters)
        return answer

    def reset(self) -> None:
        """Leave the page, and undo what was emulated and disabled."""
        self.command("Emulation.setEmulatedMedia", features=[])
        self.command("Emulation.clearDeviceMetricsOverride")
        self.command("Emulation.setScriptExecutionDisabled", value=False)
        self.driver.get("about:blank")
        self.complaints()

    def screenshot(self, file: Path) -> None:
        """Save what the window shows as a PNG."""
        assert self.driver.get_screenshot_as_file(str(file))

    def complaints(self) -> list[str]:
        """Return what stands in the console since the last call: errors, warnings, and what pages log."""
        return [f"{entry['level']}: {entry['message']}" for entry in self._log("browser")]

    def loaded(self) -> list[Loaded]:
        """Return the replies since the last call; fail if something could not be loaded.

        A request that the browser itself gave up isn't a failure: it does so when a video is sought in.
        """
        found = []
        for event in self._events():
            if event["method"] == "Network.responseReceived":
                response = event["params"]["response"]
                # The browser's own pages, and the pictures of a video's buttons, have other schemes.
                if response["url"].startswith("https:"):
                    found.append(_loaded(response))
            elif event["method"] == "Network.loadingFailed":
                assert event["params"].get("canceled"), event["params"]
        return found

    def _events(self) -> Iterator[dict[str, Any]]:
        return (json.loads(entry["message"])["message"] for entry in self._log("performance"))

    def _log(self, kind: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return entries


def _loaded(response: dict[str, Any]) -> Loaded:
    security = response.get("securityDetails", {})
    return Loaded(
        url=response["url"],
        status=response["status"],
        headers={name.lower(): value for name, value in response["headers"].items()},
        protocol=response.get("protocol", ""),
        tls=security.get("protocol", ""),
        key_exchange=security.get("keyExchangeGroup", ""),
        from_cache=response.get("fromDiskCache", False),
    )


def _key_hash(certificate_file: Path) -> str:
    """Return the hash of a certificate's key (SubjectPublicKeyInfo) as Chromium's option takes it."""
    key = x509.load_pem_x509_certificate(certificate_file.read_bytes()).public_key()
    return b64encode(sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()).decode()
