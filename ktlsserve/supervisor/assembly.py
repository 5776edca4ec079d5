"""From a configuration to what the workers serve: every check that can fail happens here, before anybody is told.

Whoever assembles a service either gets a whole one or an error that says what is wrong and what to do.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from ktlsserve.config import Config, Tls
from ktlsserve.errors import KernelTlsMissing, StartupError
from ktlsserve.http1.request import HeadLimits
from ktlsserve.kernel.probe import KernelTls, probe_kernel_tls
from ktlsserve.networks import Network, Networks
from ktlsserve.observe.access_log import AccessLog
from ktlsserve.observe.counters import Counters
from ktlsserve.supervisor.confinement_assembly import assemble_confinement
from ktlsserve.supervisor.listeners import Listener
from ktlsserve.supervisor.site_assembly import assemble_redirect, assemble_sites, open_roots
from ktlsserve.tls.certificate_files import load_chain, read_authorities, read_crls
from ktlsserve.tls.certificates import CertificateIndex
from ktlsserve.tls.client_certificates import ClientPolicy
from ktlsserve.tls.context import ServerContext, TlsPolicy
from ktlsserve.tls.self_signed import self_signed
from ktlsserve.tls.suites import SUITES, Cipher, Suite, TlsVersion
from ktlsserve.tls.ticket_keys import read_ticket_keys
from ktlsserve.worker.handover import HandoverPlan
from ktlsserve.worker.service import Service, TlsService

logger = logging.getLogger(__name__)

_MIN_VERSION = {"1.2": TlsVersion.TLS1_2, "1.3": TlsVersion.TLS1_3}


def assemble(config: Config, listeners: tuple[Listener, ...]) -> Service:
    """Build the service that ``config`` describes on ``listeners``; raises StartupError and its kinds."""
    confinement = assemble_confinement(config.server)
    roots = open_roots(config)
    try:
        sites = assemble_sites(config, roots)
        redirecting = [listener for listener in listeners if listener.asked in config.redirect.listen]
        serving = [listener for listener in listeners if listener not in redirecting]
        return Service(
            listeners=tuple(listener.sock for listener in listeners),
            sites=sites,
            tls=None if config.tls.mode == "off" else assemble_tls(config.tls),
            head_limits=HeadLimits(
                head_bytes=config.http.max_head_bytes,
                target_bytes=config.http.max_target_bytes,
                headers=config.http.max_headers,
            ),
            timeouts=config.timeouts,
            limits=config.limits,
            files=config.files,
            drain_s=config.server.drain_s,
            access_log=_access_log(config),
            roots=tuple(roots.values()),
            redirect_listeners=tuple(listener.sock for listener in redirecting),
            redirect=assemble_redirect(config, roots, sites, serving) if redirecting else None,
            drain_pause_s=config.server.drain_pause_s,
            ready_path=config.server.ready_path.encode("ascii"),
            proxy_sources=_networks(config.server.proxy_protocol),
            forwarded_from=_networks(config.http.forwarded_from),
            confinement=confinement,
            counters=Counters(sites.labels()),
        )
    except BaseException:
        for root in roots.values():
            root.close()
        raise


def assemble_tls(tls: Tls) -> TlsService:
    """Load certificates, ask the kernel what it takes, and make the OpenSSL contexts."""
    index = _certificates(tls)
    wanted = _wanted_suites(tls)
    kernel = None if tls.mode == "userspace" else probe_kernel_tls()
    suites, plan = plan_handover(tls, wanted, kernel)
    policy = TlsPolicy(
        suites=suites,
        groups=tls.groups,
        session_lifetime_s=tls.session_lifetime_s,
        capture_secrets=plan.kernel_sends,
        clients=_clients(tls),
        ticket_keys=read_ticket_keys(tls.ticket_keys),
    )
    try:
        context = ServerContext(index, policy)
    except ValueError as error:
        raise StartupError(f"tls.groups: {error}; upgrade the cryptography package") from error
    return TlsService(
        context=context,
        plan=plan,
        max_handshake_bytes=tls.max_handshake_bytes,
        handshakes_in_progress=tls.handshakes_in_progress,
    )


def plan_handover(
    tls: Tls, wanted: tuple[Suite, ...], kernel: KernelTls | None
) -> tuple[tuple[Suite, ...], HandoverPlan]:
    """Decide what the kernel does, and return it with the suites that can then be offered.

    ``kernel`` is None where it isn't to be used. Raises KernelTlsMissing where it is required and can't.
    """
    required = tls.mode == "kernel"
    if kernel is None:
        logger.info("OpenSSL encrypts in userspace, as the configuration says (tls.mode = userspace)")
        return wanted, _userspace(tls)
    suites = tuple(suite for suite in wanted if (suite.version, suite.cipher) in kernel.tx)
    if not kernel.available or not suites:
        reason = kernel.reason or "the kernel takes none of the configured ciphers (tls.ciphers)"
        cure = kernel.cure or "run 'ktlsserve doctor' and configure those that it lists"
        if required:
            raise KernelTlsMissing(f"the kernel can't encrypt: {reason}; {cure}, or use --tls auto")
        logger.warning("OpenSSL encrypts in userspace, because the kernel can't: %s; %s", reason, cure)
        return wanted, _userspace(tls)
    plan = HandoverPlan(
        kernel_sends=True,
        kernel_receives=_kernel_receives(tls, suites, kernel),
        required=required,
        can_rekey=kernel.rekey,
        max_key_updates=tls.max_key_updates,
    )
    logger.info(
        "the kernel encrypts; requests are decrypted by %s; ciphers: %s",
        "the kernel" if plan.kernel_receives else "OpenSSL",
        ", ".join(dict.fromkeys(suite.cipher.label for suite in suites)),
    )
    return suites, plan


def _kernel_receives(tls: Tls, suites: tuple[Suite, ...], kernel: KernelTls) -> bool:
    """Decide who decrypts: the kernel's receiving side has had bugs that a remote peer could trigger."""
    if tls.receive == "openssl":
        return False
    lacking = [suite for suite in suites if (suite.version, suite.cipher) not in kernel.rx]
    if tls.receive == "kernel":
        if lacking:
            raise KernelTlsMissing(
                f"tls.receive = kernel, but this kernel can't receive with {lacking[0].openssl_name}; use auto"
            )
        if not kernel.rx_safe:
            logger.warning("the kernel decrypts as tls.receive says, although %s", kernel.rx_floor.reason)
        return True
    return kernel.rx_safe and not lacking


def _userspace(tls: Tls) -> HandoverPlan:
    return HandoverPlan(
        kernel_sends=False,
        kernel_receives=False,
        required=False,
        can_rekey=False,
        max_key_updates=tls.max_key_updates,
    )


def _wanted_suites(tls: Tls) -> tuple[Suite, ...]:
    """Return the suites of the configured versions, in the configured order of ciphers."""
    order = {Cipher.from_label(label): position for position, label in enumerate(tls.ciphers)}
    oldest = _MIN_VERSION[tls.min_version]
    wanted = [suite for suite in SUITES if suite.cipher in order and suite.version >= oldest]
    return tuple(sorted(wanted, key=lambda suite: order[suite.cipher]))


def _certificates(tls: Tls) -> CertificateIndex:
    now = datetime.now(UTC)
    chains = [load_chain(files.cert, files.key) for files in tls.certificates] or [self_signed(None, now)]
    index = CertificateIndex(chains)
    for chain in chains:
        for warning in chain.warnings(now):
            logger.warning("%s", warning)
    for chain in index.unused(chains):
        logger.warning("%s: never used, because certificates before it serve all its names", chain.source)
    return index


def _clients(tls: Tls) -> ClientPolicy | None:
    """Read whose certificates clients must show; None where they aren't asked."""
    if tls.client_auth == "off":
        return None
    if tls.client_ca == "off":
        raise StartupError("tls.client_auth asks clients for certificates, and tls.client_ca doesn't say of whom")
    clients = ClientPolicy(
        required=tls.client_auth == "required",
        authorities=read_authorities(tls.client_ca),
        crls=() if tls.client_crl == "off" else read_crls(tls.client_crl),
        depth=tls.client_depth,
    )
    for warning in clients.warnings(datetime.now(UTC)):
        logger.warning("%s", warning)
    return clients


def _networks(ranges: tuple[Network, ...]) -> Networks | None:
    """Return None for no networks, so that whoever asks for each connection or line can do without asking."""
    return Networks(ranges) if ranges else None


def _access_log(config: Config) -> AccessLog | None:
    target = config.log.access_log
    if target == "off":
        return None
    return AccessLog(str(target), as_json=config.log.access_format == "json")
