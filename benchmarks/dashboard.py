"""The page in a headless browser over a scan that grows: how soon it shows, how often it draws, what it holds.

::

    python benchmarks/dashboard.py [--minutes 5] [--viewers 1 4] [--opens 8] [--rounds 3] [--skip first soak rate]

A synthetic pipeline publishes a 256x256 scan with all panels four times a second, in a process of its own; the
dashboard server and Chromium run as they do for an operator. `first`: from asking for the page until the first
pictures are drawn. `soak`: updates drawn and their age as the page itself counts them, and the slopes of the
browser's JavaScript heap (after collecting garbage) and of the server's resident memory. `rate`: frames per second
of a real pipeline at full speed with no, one and four viewers, in turn; with each number of viewers twice: their
browsers on the same processors at the priority of the pipeline, and all browser processes at nice 19. The latter
stands for browsers on other machines: while the pipeline computes, the system gives them next to nothing. It is
not the same: they still take caches and memory bandwidth, and as they draw slowly the server sends them less.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from soak import resident_mb

import pipeline
from livebragg.cli.demo import free_ports

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
FAKE = Path(__file__).parents[1] / "tests" / "dashboards" / "fake_pipeline.py"
SAMPLE_S, SETTLE_S = 5.0, 30.0
SHOWN = """() => {
  const doc = window.Bokeh?.documents?.[0], link = doc?.get_model_by_name('link');
  return link?.ack > 0 && doc.get_model_by_name('picture_classes').data.image[0].shape[0] > 1 && performance.now();
}"""


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="length of each soak")
    parser.add_argument("--viewers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--opens", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each pipeline, in turn; the median counts")
    parser.add_argument("--skip", nargs="*", default=[], choices=["first", "soak", "rate"])
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[1]:.1f} before", flush=True)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        if "first" not in args.skip or "soak" not in args.skip:
            with synthetic() as (feed, control), served(feed, control) as (url, pid):
                if "first" not in args.skip:
                    first_picture(browser, url, args.opens)
                for viewers in () if "soak" in args.skip else args.viewers:
                    soak(browser, url, pid, viewers, args.minutes)
        if "rate" not in args.skip:
            pipeline_rate(playwright, args.viewers, args.rounds)
        browser.close()
    print(f"load {os.getloadavg()[1]:.1f} after")


@contextlib.contextmanager
def synthetic() -> Iterator[tuple[str, str]]:
    """A pipeline that is a quarter through its scan, and goes on for hours."""
    feed, control = (f"tcp://127.0.0.1:{port}" for port in free_ports(2))
    words = ["--scan", "256", "256", "--frame", "256", "256", "--rate", "10", "--start", "16000"]
    with _process([str(FAKE), *words, "--feed", feed, "--control", control]):
        yield feed, control


@contextlib.contextmanager
def served(feed: str, control: str) -> Iterator[tuple[str, int]]:
    """Address and process id of a dashboard server."""
    words = ["-m", "livebragg_dashboards.cli", "--no-browser", "--port", "0"]
    with _process([*words, "--feed", feed, "--control", control]) as process:
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            raise SystemExit("the dashboard did not start")
        time.sleep(2.0)
        yield found.group(), process.pid


@contextlib.contextmanager
def _process(words: list[str]) -> Iterator[Any]:
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


@contextlib.contextmanager
def pages(browser: Any, url: str, number: int) -> Iterator[list[Any]]:
    """Pages that show pictures already, each in a browser profile of its own."""
    contexts = [browser.new_context(viewport={"width": 1920, "height": 1080}) for _ in range(number)]
    opened = [context.new_page() for context in contexts]
    try:
        for page in opened:
            page.goto(url)
            page.wait_for_function(SHOWN, timeout=60_000)
        yield opened
    finally:
        for context in contexts:
            context.close()


def first_picture(browser: Any, url: str, opens: int) -> None:
    """Seconds from asking for the page until its pictures are drawn, with an empty cache each time."""
    times = []
    for _ in range(opens):
        context = browser.new_context(viewport={"width": 1920, "height": 1080})
        page = context.new_page()
        page.goto(url, wait_until="commit")
        times.append(page.wait_for_function(SHOWN, polling=10, timeout=60_000).json_value() / 1000)
        context.close()
        time.sleep(4.0)
    print(
        f"first pictures after {np.median(times):.2f} s (median of {opens}; {min(times):.2f} to {max(times):.2f})"
    )


def soak(browser: Any, url: str, pid: int, viewers: int, minutes: float) -> None:
    """Rate and age as the pages say, memory and its slope."""
    with pages(browser, url, viewers) as opened:
        clients = [page.context.new_cdp_session(page) for page in opened]
        time.sleep(SETTLE_S)
        began, paces, heaps, servers = time.monotonic(), [], [], []
        while time.monotonic() < began + 60 * minutes:
            time.sleep(SAMPLE_S)
            paces += [_pace(page) for page in opened]
            if len(servers) * 30 <= time.monotonic() - began:
                at = (time.monotonic() - began) / 3600
                heaps.append((at, float(np.mean([_heap_mb(client) for client in clients]))))
                servers.append((at, resident_mb(pid)))
    rate, p50, p95 = np.nanmedian(np.array(paces), axis=0)
    (heap, heap_slope), (server, server_slope) = _slope(heaps), _slope(servers)
    print(
        f"{viewers} viewer(s), {minutes:g} min: {rate:.1f} of 4 drawn per second, age {1000 * p50:.0f} ms, 95 % "
        f"{1000 * p95:.0f} ms; page {heap:.1f} MB, {heap_slope:+.1f} MB an hour; server {server:.0f} MB, "
        f"{server_slope:+.1f} MB an hour",
        flush=True,
    )


def _pace(page: Any) -> tuple[float, float, float]:
    """Updates drawn per second, and their age in seconds: the median and 95 %."""
    pace = page.evaluate("livebragg.texts().pace")
    return float(pace["rate"].split()[0]), _seconds(pace["p50"]), _seconds(pace["p95"])


def _seconds(text: str) -> float:
    number, _, unit = text.partition(" ")
    return float(number) * {"ms": 1e-3, "s": 1.0}[unit] if unit in ("ms", "s") else float("nan")


def _heap_mb(client: Any) -> float:
    client.send("Performance.enable")
    client.send("HeapProfiler.collectGarbage")
    metrics = {m["name"]: m["value"] for m in client.send("Performance.getMetrics")["metrics"]}
    return float(metrics["JSHeapUsedSize"]) / 1e6


def _slope(samples: list[tuple[float, float]]) -> tuple[float, float]:
    """Last value, and change per hour over the second half: what a page takes at the start is no leak."""
    half = np.array(samples[len(samples) // 2 :])
    return samples[-1][1], float(np.polyfit(*half.T, 1)[0]) if len(half) > 1 else float("nan")


def pipeline_rate(playwright: Any, viewers: list[int], rounds: int) -> None:
    """Frames per second of a real pipeline at full speed, by number and priority of the viewers' browsers."""
    cases = [(0, 0), *((number, nice) for number in viewers for nice in (0, 19))]
    rates: dict[tuple[int, int], list[float]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "specimen.h5"
        pipeline.record(path, 128, 64)
        for _ in range(rounds):
            for number, nice in cases:
                with _watched(playwright, number, nice) as endpoints:
                    rates[number, nice].append(pipeline.run(path, 1, 0.0, endpoints=endpoints)["frames_s"])
    alone = float(np.median(rates[0, 0]))
    for (number, nice), found in rates.items():
        rate = float(np.median(found))
        where = f" at nice {nice}" if number else ""
        ratios = ", ".join(f"{one / own:.2f}" for one, own in zip(found, rates[0, 0], strict=True))
        print(
            f"pipeline with {number} viewer(s){where}: {rate:.0f} frames/s, {rate / alone:.3f} of alone "
            f"(by round: {ratios})",
            flush=True,
        )


@contextlib.contextmanager
def _watched(playwright: Any, viewers: int, nice: int) -> Iterator[tuple[str, str]]:
    """Endpoints of a pipeline that is started later, with pages open that wait for it."""
    feed, control = (f"tcp://127.0.0.1:{port}" for port in free_ports(2))
    if not viewers:
        yield feed, control
        return
    with served(feed, control) as (url, _), contextlib.ExitStack() as stack:
        browser = stack.enter_context(_browser(playwright, nice))
        for _ in range(viewers):
            context = browser.new_context(viewport={"width": 1920, "height": 1080})
            stack.callback(context.close)
            page = context.new_page()
            page.goto(url)
            page.wait_for_function("Bokeh.documents[0]?.get_model_by_name('link')?.ack > 0")
        yield feed, control


@contextlib.contextmanager
def _browser(playwright: Any, nice: int) -> Iterator[Any]:
    """A browser whose processes, all of them, have this priority."""
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "chromium"
        start.write_text(f'#!/bin/sh\nexec nice -n {nice} {CHROMIUM} "$@"\n')
        start.chmod(0o755)
        browser = playwright.chromium.launch(executable_path=str(start), args=ARGUMENTS)
        yield browser
        browser.close()


if __name__ == "__main__":
    main()
