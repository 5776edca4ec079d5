"""Tie the load test to Locust: its options, the plan, the users, the session."""

from __future__ import annotations

import argparse
import sys

from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, Runner, WorkerRunner

from ktlsserve.errors import ConfigError
from loadtests.users.errors import LoadTestError
from loadtests.users.judging_session import JudgingSession
from loadtests.users.locust_users import BrowsingUser
from loadtests.users.master_session import MasterSession
from loadtests.users.options import add_options
from loadtests.users.plan import Plan, make_plan
from loadtests.users.session import Session
from loadtests.users.shape import ScenarioShape
from loadtests.users.worker_session import WorkerSession


def wire() -> None:
    """Register with Locust; a locustfile calls this."""
    events.init_command_line_parser.add_listener(add_options)
    events.init.add_listener(_start)


def _start(environment: Environment, **_rest: object) -> None:
    """Read what is to be done and get ready, or end with status 2 and the reason."""
    options = environment.parsed_options
    runner = environment.runner
    if options is None or runner is None:
        raise TypeError("Locust has both when it fires init")
    try:
        _require_one_protocol(environment, options)
        _require_host(environment, options)
        plan = make_plan(options)
    except (ConfigError, LoadTestError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    BrowsingUser.plan = plan
    BrowsingUser.rests = _session(environment, plan, runner, options).user_rests
    if plan.shape != "options" and not isinstance(runner, WorkerRunner):
        environment.shape_class = ScenarioShape(plan.shape, plan.scenario.load, options.run_time or 0)
        environment.shape_class.runner = runner


def _session(environment: Environment, plan: Plan, runner: Runner, options: argparse.Namespace) -> Session:
    if isinstance(runner, WorkerRunner):
        return WorkerSession(environment, plan, runner)
    if isinstance(runner, MasterRunner):
        return MasterSession(environment, plan, runner, options)
    return JudgingSession(environment, plan, runner, options)


def _require_one_protocol(environment: Environment, options: argparse.Namespace) -> None:
    """Users of both protocols in one run would share rows, and nobody could tell them apart."""
    if len(environment.user_classes) != 1 and not options.class_picker:
        raise LoadTestError("say over which protocol: HttpsUser or Http3User, before the options")


def _require_host(environment: Environment, options: argparse.Namespace) -> None:
    """Where nobody will be asked for the host, it must be there; users look at what the web interface was told."""
    if options.headless and not options.worker and not (environment.host or "").startswith("https://"):
        raise LoadTestError("say where the server is: --host https://127.0.0.1:8443")
