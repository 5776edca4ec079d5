from __future__ import annotations

import itertools
import logging
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import get_args

import pytest

from ktlsserve.config import Config, Http, Log, Server
from ktlsserve.config.tls import CertificateFiles, CipherName, Tls, TlsMode, TlsReceive
from ktlsserve.errors import CertificateError, KernelTlsMissing, RootError, StartupError
from ktlsserve.kernel.probe import KernelTls
from ktlsserve.supervisor import assembly
from ktlsserve.supervisor.assembly import _wanted_suites, assemble, assemble_tls, plan_handover
from ktlsserve.tls.suites import SUITES, Cipher, TlsVersion
from ktlsserve.worker.handover import HandoverPlan
from tests.support.kernel_tls import BELOW_FLOORS, EVERYTHING, FULL, NONE
from tests.support.pki import TODAY_TOO, new_authority, write_pair
from tests.support.tls_client import MemoryClient, Wishes, shake_hands
from tests.support.tls_server import established, new_handshake

UNAVAILABLE = "nothing"
SENDS = "sends"
BOTH = "sends and receives"
FAILS = "refuses to start"

KERNELS: dict[str, KernelTls | None] = {
    "full": FULL,
    "below the floors": BELOW_FLOORS,
    "sends only": replace(FULL, rx=frozenset()),
    "without": NONE,
}

# mode, kernel, receive → what the kernel does. userspace never asks it.
DECISIONS = {
    ("auto", "full", "auto"): BOTH,
    ("auto", "full", "kernel"): BOTH,
    ("auto", "full", "openssl"): SENDS,
    ("auto", "below the floors", "auto"): SENDS,
    ("auto", "below the floors", "kernel"): BOTH,
    ("auto", "below the floors", "openssl"): SENDS,
    ("auto", "sends only", "auto"): SENDS,
    ("auto", "sends only", "kernel"): FAILS,
    ("auto", "sends only", "openssl"): SENDS,
    ("auto", "without", "auto"): UNAVAILABLE,
    ("auto", "without", "kernel"): UNAVAILABLE,
    ("auto", "without", "openssl"): UNAVAILABLE,
    ("kernel", "full", "auto"): BOTH,
    ("kernel", "full", "kernel"): BOTH,
    ("kernel", "full", "openssl"): SENDS,
    ("kernel", "below the floors", "auto"): SENDS,
    ("kernel", "below the floors", "kernel"): BOTH,
    ("kernel", "below the floors", "openssl"): SENDS,
    ("kernel", "sends only", "auto"): SENDS,
    ("kernel", "sends only", "kernel"): FAILS,
    ("kernel", "sends only", "openssl"): SENDS,
    ("kernel", "without", "auto"): FAILS,
    ("kernel", "without", "kernel"): FAILS,
    ("kernel", "without", "openssl"): FAILS,
}


def decide(tls: Tls, kernel: KernelTls | None) -> str:
    try:
        suites, plan = plan_handover(tls, SUITES, kernel)
    except KernelTlsMissing:
        return FAILS
    assert suites == SUITES
    if not plan.kernel_sends:
        assert plan == HandoverPlan(
            kernel_sends=False, kernel_receives=False, required=False, can_rekey=False, max_key_updates=16
        )
        return UNAVAILABLE
    assert kernel is not None
    assert (plan.required, plan.can_rekey) == (tls.mode == "kernel", kernel.rekey)
    return BOTH if plan.kernel_receives else SENDS


def test_every_case_is_in_the_table() -> None:
    assert set(DECISIONS) == set(itertools.product(("auto", "kernel"), KERNELS, get_args(TlsReceive)))


@pytest.mark.parametrize(("case", "expected"), DECISIONS.items(), ids=str)
def test_what_the_kernel_does(case: tuple[TlsMode, str, TlsReceive], expected: str) -> None:
    mode, kernel, receive = case
    assert decide(Tls(mode=mode, receive=receive), KERNELS[kernel]) == expected


@pytest.mark.parametrize("receive", get_args(TlsReceive))
def test_userspace_asks_no_kernel(receive: TlsReceive, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert decide(Tls(mode="userspace", receive=receive), None) == UNAVAILABLE
    assert "as the configuration says" in caplog.text


def test_the_plan_has_the_configured_limit() -> None:
    for kernel in (FULL, None):
        _, plan = plan_handover(Tls(max_key_updates=3), SUITES, kernel)
        assert plan.max_key_updates == 3


# Which suites are offered.


def test_only_what_the_kernel_can_send_is_offered() -> None:
    gcm = frozenset((version, cipher) for version, cipher in EVERYTHING if cipher is not Cipher.CHACHA20_POLY1305)
    suites, plan = plan_handover(Tls(), SUITES, replace(FULL, tx=gcm, rx=gcm))
    assert suites == tuple(suite for suite in SUITES if suite.cipher is not Cipher.CHACHA20_POLY1305)
    assert plan.kernel_receives
    old = frozenset({(TlsVersion.TLS1_2, Cipher.AES_128_GCM)})
    suites, _ = plan_handover(Tls(), SUITES, replace(FULL, tx=old, rx=old))
    assert {(suite.version, suite.cipher) for suite in suites} == old


def test_a_cipher_that_the_kernel_can_not_receive_leaves_receiving_to_openssl() -> None:
    """One answer for all connections: who receives doesn't depend on what a client chooses."""
    lacking = EVERYTHING - {(TlsVersion.TLS1_3, Cipher.CHACHA20_POLY1305)}
    suites, plan = plan_handover(Tls(), SUITES, replace(FULL, rx=lacking))
    assert suites == SUITES
    assert (plan.kernel_sends, plan.kernel_receives) == (True, False)
    # What isn't offered isn't lacking.
    offered = tuple(suite for suite in SUITES if suite.cipher is not Cipher.CHACHA20_POLY1305)
    _, plan = plan_handover(Tls(), offered, replace(FULL, rx=lacking))
    assert plan.kernel_receives
    with pytest.raises(KernelTlsMissing, match="can't receive with TLS_CHACHA20_POLY1305_SHA256; use auto"):
        plan_handover(Tls(receive="kernel"), SUITES, replace(FULL, rx=lacking))


def test_a_kernel_that_takes_none_of_the_configured_ciphers_is_as_none(caplog: pytest.LogCaptureFixture) -> None:
    only_aes = replace(FULL, tx=frozenset({(TlsVersion.TLS1_3, Cipher.AES_128_GCM)}))
    chacha = tuple(suite for suite in SUITES if suite.cipher is Cipher.CHACHA20_POLY1305)
    suites, plan = plan_handover(Tls(), chacha, only_aes)
    assert (suites, plan.kernel_sends) == (chacha, False)
    assert "takes none of the configured ciphers" in caplog.text
    with pytest.raises(KernelTlsMissing, match="takes none of the configured ciphers"):
        plan_handover(Tls(mode="kernel"), chacha, only_aes)


@pytest.mark.parametrize("ciphers", list(itertools.permutations(get_args(CipherName), 2)))
@pytest.mark.parametrize(("min_version", "versions"), [("1.2", 2), ("1.3", 1)])
def test_the_configured_order_is_kept(ciphers: tuple[CipherName, ...], min_version: str, versions: int) -> None:
    suites = _wanted_suites(Tls(ciphers=ciphers, min_version=min_version))  # type: ignore[arg-type]
    assert list(dict.fromkeys(suite.cipher.label for suite in suites)) == list(ciphers)
    assert len({suite.version for suite in suites}) == versions
    # TLS 1.3, and TLS 1.2 with each kind of certificate.
    assert len(suites) == 2 * (3 if versions == 2 else 1)


# What is said.


def test_the_log_says_what_was_decided_and_why(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        plan_handover(Tls(), SUITES, FULL)
        plan_handover(Tls(), SUITES, BELOW_FLOORS)
        plan_handover(Tls(receive="kernel"), SUITES, BELOW_FLOORS)
        plan_handover(Tls(), SUITES, NONE)
    lines = [(record.levelname, record.message) for record in caplog.records]
    ciphers = "ciphers: AES-128-GCM, AES-256-GCM, CHACHA20-POLY1305"
    assert lines[0] == ("INFO", f"the kernel encrypts; requests are decrypted by the kernel; {ciphers}")
    assert lines[1] == ("INFO", f"the kernel encrypts; requests are decrypted by OpenSSL; {ciphers}")
    assert lines[2][0] == "WARNING"
    assert "although Linux 6.12.20 has remotely triggerable receive bugs" in lines[2][1]
    assert lines[4][0] == "WARNING"
    assert NONE.reason in lines[4][1]
    assert NONE.cure in lines[4][1]


def test_a_refusal_says_why_and_what_to_do() -> None:
    with pytest.raises(KernelTlsMissing, match="modprobe tls, or use --tls auto") as caught:
        plan_handover(Tls(mode="kernel"), SUITES, NONE)
    assert NONE.reason in str(caught.value)
    assert caught.value.exit_status == 3


# The whole.


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[KernelTls]:
    """Have the probe answer with the last item of this list."""
    answers = [FULL]
    monkeypatch.setattr(assembly, "probe_kernel_tls", lambda: answers[-1])
    return answers


def test_secrets_are_captured_only_for_the_kernel(state: Path, probed: list[KernelTls]) -> None:
    assert assemble_tls(Tls()).context.policy.capture_secrets
    assert not assemble_tls(Tls(mode="userspace")).context.policy.capture_secrets
    probed.append(NONE)
    assert not assemble_tls(Tls()).context.policy.capture_secrets


def test_the_configuration_reaches_the_handshake(state: Path, probed: list[KernelTls]) -> None:
    tls = Tls(
        ciphers=("AES-256-GCM",),
        min_version="1.3",
        groups=("P-256",),
        session_lifetime_s=99,
        max_handshake_bytes=5000,
        handshakes_in_progress=7,
    )
    service = assemble_tls(tls)
    assert (service.max_handshake_bytes, service.handshakes_in_progress) == (5000, 7)
    assert service.context.policy.session_lifetime_s == 99
    client, handshake = MemoryClient(), new_handshake(service.context)
    shake_hands(client, handshake)
    result = established(handshake)
    assert (result.suite.openssl_name, result.group) == ("TLS_AES_256_GCM_SHA384", "secp256r1")


def test_without_certificates_one_is_made_and_kept(state: Path, probed: list[KernelTls]) -> None:
    service = assemble_tls(Tls(mode="userspace"))
    assert (state / "ktlsserve" / "self-signed.pem").exists()
    client, handshake = MemoryClient(Wishes(server_name="localhost")), new_handshake(service.context)
    shake_hands(client, handshake)


def test_certificates_are_read_and_doubts_about_them_logged(
    tmp_path: Path, probed: list[KernelTls], caplog: pytest.LogCaptureFixture
) -> None:
    authority = new_authority()
    pairs = [write_pair(tmp_path, name, authority.issue(name, ["a.example"])) for name in ("first", "second")]
    files = tuple(CertificateFiles(cert=cert, key=key) for cert, key in pairs)
    assemble_tls(Tls(mode="userspace", certificates=files))
    # These certificates are made for another time.
    assert "first.pem: certificate CN=first isn't valid before" in caplog.text
    assert "second.pem: never used, because certificates before it serve all its names" in caplog.text
    with pytest.raises(CertificateError, match=r"missing\.pem"):
        assemble_tls(Tls(certificates=(CertificateFiles(cert=tmp_path / "missing.pem", key=pairs[0][1]),)))


def test_a_group_that_this_openssl_lacks_is_a_startup_error(
    state: Path, probed: list[KernelTls], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StartupError, match=r"tls\.groups: this OpenSSL doesn't know all of the groups Kyber; upgrade"):
        assemble_tls(Tls(groups=("Kyber",)))  # type: ignore[arg-type]


@pytest.fixture
def client_files(tmp_path: Path) -> Tls:
    root = new_authority("Clients", days=TODAY_TOO)
    (tmp_path / "ca.pem").write_bytes(root.pem)
    (tmp_path / "crl.pem").write_bytes(root.revoke())
    return Tls(client_auth="required", client_ca=tmp_path / "ca.pem", client_crl=tmp_path / "crl.pem", client_depth=2)


def test_the_clients_certificates_are_those_of_the_configuration(
    state: Path, probed: list[KernelTls], client_files: Tls, caplog: pytest.LogCaptureFixture
) -> None:
    assert assemble_tls(Tls()).context.policy.clients is None
    clients = assemble_tls(client_files).context.policy.clients
    assert clients is not None
    assert (clients.required, clients.depth, len(clients.crls)) == (True, 2, 1)
    assert [authority.subject.rfc4514_string() for authority in clients.authorities] == ["CN=Clients"]
    assert "client_c" not in caplog.text
    optional = assemble_tls(replace(client_files, client_auth="optional", client_crl="off")).context.policy.clients
    assert optional is not None
    assert (optional.required, optional.crls) == (False, ())


def test_doubts_about_clients_certificates_are_logged(
    state: Path, probed: list[KernelTls], client_files: Tls, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "crl.pem").write_bytes(new_authority("Other", days=TODAY_TOO).revoke())
    assemble_tls(client_files)
    assert "tls.client_crl: there is no list of CN=Clients: its clients will be refused" in caplog.text


@pytest.mark.parametrize("name", ["ca.pem", "crl.pem"])
def test_what_clients_are_verified_with_must_be_readable(
    state: Path, probed: list[KernelTls], client_files: Tls, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).unlink()
    with pytest.raises(CertificateError, match=f"{name}: can't be read: No such file or directory"):
        assemble_tls(client_files)


def test_nobody_is_asked_for_a_certificate_of_nobody(state: Path, probed: list[KernelTls], client_files: Tls) -> None:
    with pytest.raises(StartupError, match=r"tls\.client_ca doesn't say of whom"):
        assemble_tls(replace(client_files, client_ca="off"))


def test_a_service_is_whole(tmp_path: Path, state: Path, probed: list[KernelTls]) -> None:
    config = Config(
        server=Server(root=tmp_path, index=("home.html",), drain_s=3.0, proxy_protocol=(ip_network("192.0.2.0/24"),)),
        http=Http(server_header="me", max_head_bytes=9000, forwarded_from=(ip_network("198.51.100.0/24"),)),
        log=Log(access_log=tmp_path / "access.log"),
    )
    service = assemble(config, ())
    try:
        assert service.listeners == ()
        assert service.tls is not None
        assert (service.sites.default.index_names, service.sites.default.server) == ((b"home.html",), b"me")
        assert (service.head_limits.head_bytes, service.drain_s) == (9000, 3.0)
        assert service.proxy_sources is not None
        assert ip_address("192.0.2.1") in service.proxy_sources
        assert ip_address("127.0.0.1") not in service.proxy_sources
        assert service.forwarded_from is not None
        assert ip_address("198.51.100.1") in service.forwarded_from
        assert service.access_log is not None
        assert (service.timeouts, service.limits, service.files) == (config.timeouts, config.limits, config.files)
    finally:
        service.close()


def test_plain_http_needs_no_certificate(tmp_path: Path, state: Path) -> None:
    service = assemble(Config(server=Server(root=tmp_path), tls=Tls(mode="off")), ())
    service.close()
    assert (service.tls, service.access_log) == (None, None)
    assert (service.proxy_sources, service.forwarded_from) == (None, None)
    assert not state.exists()


def open_descriptors() -> set[str]:
    return {link.name for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}


def test_what_can_not_be_assembled_leaves_nothing_open(tmp_path: Path, state: Path, probed: list[KernelTls]) -> None:
    before = open_descriptors()
    probed.append(NONE)
    with pytest.raises(KernelTlsMissing):
        assemble(Config(server=Server(root=tmp_path), tls=Tls(mode="kernel")), ())
    with pytest.raises(RootError):
        assemble(Config(server=Server(root=tmp_path / "missing")), ())
    with pytest.raises(StartupError, match="access log"):
        assemble(Config(server=Server(root=tmp_path), log=Log(access_log=tmp_path)), ())
    assert open_descriptors() == before
