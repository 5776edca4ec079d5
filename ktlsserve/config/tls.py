"""The TLS tables of the configuration; part of ``config``, which says how tables are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from ktlsserve.config.checks import Choice, FileOrOff, FilePath, ListOf, Problem, WholeNumber
from ktlsserve.config.rule_checks import Flag
from ktlsserve.config.table import Table, setting

# RFC 8446 section 4.6.1: servers must not use a ticket lifetime above seven days.
LONGEST_SESSION_S = 7 * 24 * 3600
KIB = 1024
MIB = 1024 * KIB

TlsMode = Literal["auto", "kernel", "userspace", "off"]
TlsReceive = Literal["auto", "kernel", "openssl"]
ClientAuth = Literal["off", "optional", "required"]
MinVersion = Literal["1.2", "1.3"]
CipherName = Literal["AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305"]
GroupName = Literal["X25519MLKEM768", "X25519", "P-256", "P-384"]


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate chain and its key; several for several names, or one name with keys of several kinds."""

    cert: Path = field(
        metadata=setting(
            FilePath(), "PEM: the server's certificate, then the intermediate ones in order.", example='"cert.pem"'
        ),
    )
    key: Path = field(
        metadata=setting(
            FilePath(),
            "PEM: the private key, RSA, ECDSA (P-256, P-384) or Ed25519, not encrypted.",
            example='"key.pem"',
        ),
    )


@dataclass(frozen=True, slots=True)
class Tls:
    """How connections are encrypted."""

    mode: TlsMode = field(
        default="auto",
        metadata=setting(
            Choice(get_args(TlsMode)),
            "auto: by the kernel where it can, else by OpenSSL, and the log says which and why. kernel: don't start "
            "without kTLS. userspace: always OpenSSL. off: plain HTTP. auto serves everywhere and never in clear.",
        ),
    )
    receive: TlsReceive = field(
        default="auto",
        metadata=setting(
            Choice(get_args(TlsReceive)),
            "Who decrypts requests where the kernel encrypts replies. auto: the kernel if its release has the fixes "
            "to its receiving side, else OpenSSL.",
        ),
    )
    min_version: MinVersion = field(
        default="1.2",
        metadata=setting(
            Choice(get_args(MinVersion)),
            "The oldest protocol version spoken. Only suites with forward secrecy and AEAD are offered, so 1.2 is safe "
            "(RFC 9325 section 3.1.1).",
        ),
    )
    ciphers: tuple[CipherName, ...] = field(
        default=("AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305"),
        metadata=setting(
            ListOf(Choice(get_args(CipherName))),
            "AEAD ciphers in order of preference, less those that the kernel can't take. AES-128 first: it is the "
            "fastest with AES instructions, and the strongest that nobody can break.",
        ),
    )
    groups: tuple[GroupName, ...] = field(
        default=("X25519MLKEM768", "X25519", "P-256"),
        metadata=setting(
            ListOf(Choice(get_args(GroupName))),
            "Key exchange in order of preference. The hybrid first: what is recorded today stays secret from a quantum "
            "computer.",
        ),
    )
    session_lifetime_s: int = field(
        default=7200,
        metadata=setting(
            WholeNumber(1, LONGEST_SESSION_S),
            "How long a client may resume a session, in seconds: two hours, OpenSSL's own default for tickets. "
            "RFC 8446 allows seven days.",
        ),
    )
    ticket_keys: tuple[Path, ...] = field(
        default=(),
        metadata=setting(
            ListOf(FilePath(), least=0),
            "Files with keys of session tickets, the same on each machine that serves a name, so that they resume each "
            "other's sessions: 80 random bytes each (or 48), as nginx has them, and nobody else's to read. The first "
            "seals new tickets, all open old ones. Without any, keys are made at each start and reload.",
        ),
    )
    max_handshake_bytes: int = field(
        default=64 * KIB,
        metadata=setting(
            WholeNumber(4 * KIB, MIB),
            "Most bytes that a client may send before its handshake is complete. A hybrid ClientHello is 2 KiB; the "
            "rest is room for a HelloRetryRequest, for large extensions and for a client's certificates.",
        ),
    )
    max_key_updates: int = field(
        default=16,
        metadata=setting(
            WholeNumber(0, 10_000),
            "Most KeyUpdates that a client may send on a connection. Each costs a key derivation and two system calls; "
            "one is due after 2^24.5 records of AES-GCM (RFC 8446 section 5.5), some 380 GB.",
        ),
    )
    handshakes_in_progress: int = field(
        default=1024,
        metadata=setting(
            WholeNumber(1, 1_000_000),
            "Most handshakes under way in a worker; further connections wait in the kernel's queue. Each holds an "
            "OpenSSL connection of some 50 KiB.",
        ),
    )
    reload_changed: bool = field(
        default=True,
        metadata=setting(
            Flag(),
            "Whether certificates and ticket keys are read again when their files change, within a few seconds and "
            "once each certificate fits its key: what an ACME client renews is served without being asked for.",
        ),
    )
    client_auth: ClientAuth = field(
        default="off",
        metadata=setting(
            Choice(get_args(ClientAuth)),
            "Whether clients must show a certificate (required), may (optional: one that is shown must be good) or are "
            "not asked. off: browsers that have any certificate ask their user which to show.",
        ),
    )
    client_ca: Path | Literal["off"] = field(
        default="off",
        metadata=setting(
            FileOrOff(),
            "PEM: the authorities whose certificates are good for clients. An authority is trusted whether or not its "
            "own issuer is there too, so that one department's can be named without the whole company's.",
        ),
    )
    client_depth: int = field(
        default=3,
        metadata=setting(
            WholeNumber(0, 10),
            "Most intermediate authorities, sent by the client, between its certificate and one in client_ca. More "
            "than people have, and each costs the verification of a signature.",
        ),
    )
    client_crl: Path | Literal["off"] = field(
        default="off",
        metadata=setting(
            FileOrOff(),
            "PEM: certificate revocation lists, read again at a reload. With them a certificate is good only if there "
            "is a valid list of its issuer, and of every authority up to the root where client_ca has only roots.",
        ),
    )
    certificates: tuple[CertificateFiles, ...] = field(
        default=(),
        metadata=setting(
            ListOf(Table(CertificateFiles), least=0),
            "Chosen by the name that the client asks for; the first where none fits. Without any, a self-signed one "
            "for localhost is made once and kept.",
        ),
    )

    def problems(self) -> list[Problem]:
        """Return what doesn't fit together: who asks for certificates says whose, and only who encrypts can ask."""
        problems = []
        if self.ticket_keys and self.mode == "off":
            problems.append(("ticket_keys", "are set, but plain HTTP (tls.mode = off) has no sessions"))
        if self.client_auth != "off":
            if self.client_ca == "off":
                problems.append(("client_ca", "is missing: client_auth asks for certificates, and here stands of whom"))
            if self.mode == "off":
                problems.append(("client_auth", "asks for certificates, which plain HTTP (tls.mode = off) hasn't"))
            return problems
        return problems + [
            (key, "is set, but clients aren't asked for certificates: set client_auth to optional or required")
            for key in ("client_ca", "client_crl")
            if getattr(self, key) != "off"
        ]
