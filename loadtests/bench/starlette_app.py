"""Starlette's StaticFiles over the folder that the environment names, for uvicorn."""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from loadtests.bench.workloads import FOLDER

app = Starlette(routes=[Mount(f"/{FOLDER}", StaticFiles(directory=os.environ["BENCH_FOLDER"]))])
