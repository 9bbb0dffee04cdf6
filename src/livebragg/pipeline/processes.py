"""Entry point of the pipeline's child processes: ``python -m livebragg.pipeline.processes KIND FOLDER [ID]``.

Each kind imports only what it needs: the receiver, which has no use for the kernels, listens to the detector a
second of CPU sooner, and is gone sooner.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path

from livebragg.errors import LiveBraggError
from livebragg.pipeline.runtime import Runtime
from livebragg.storage.frame_log import FrameLogReader
from livebragg.wire import sockets
from livebragg.wire.messages import DetectJob, DetectResult, MeasureJob, WorkerExit, WorkerReady

logger = logging.getLogger(__name__)

HEARTBEAT_S = 0.5


def run_worker(runtime: Runtime, worker_id: str) -> None:
    """Be a worker process: ask, compute, send the result to the analyst, tell the receiver."""
    from livebragg.pipeline.warm_up import warm_up_detection
    from livebragg.pipeline.worker import WorkerStage

    credits = runtime.config.dispatch.credits
    finished: list[int] = []
    jobs_done = frames_done = 0
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    with sockets.context() as ctx, FrameLogReader(runtime.log_directory) as log:
        stage = WorkerStage(worker_id, runtime.config, log)
        jobs = sockets.open_socket(ctx, sockets.DEALER, connect=runtime.jobs, identity=worker_id)
        results = sockets.open_socket(ctx, sockets.PUSH, connect=runtime.results)
        poller = sockets.Poller()
        poller.add(jobs)
        warm_up_detection(runtime.config)
        runtime.compiled_file.touch()
        while not runtime.orphaned:
            ready = WorkerReady(
                worker_id=worker_id,
                pid=os.getpid(),
                credits=credits,
                finished=finished,
                jobs_done=jobs_done,
                frames_done=frames_done,
                busy_s=time.process_time(),
            )
            sockets.send(jobs, ready)
            finished = []
            poller.wait(HEARTBEAT_S)
            while (message := sockets.receive(jobs)) is not None:
                if isinstance(message, WorkerExit):
                    return
                if not isinstance(message, DetectJob | MeasureJob):
                    continue
                answer = stage.handle(message)
                if isinstance(answer, DetectResult):
                    sockets.send(results, answer)
                    finished.append(message.job_id)
                    jobs_done += 1
                    frames_done += answer.frames_analysed
                    break
                sockets.send(jobs, answer)


def main(argv: list[str]) -> int:
    """Run one process; the supervisor calls this."""
    kind, directory = argv[0], Path(argv[1])
    logging.basicConfig(
        level=os.environ.get("LIVEBRAGG_LOG_LEVEL", "WARNING"),
        format=f"%(asctime)s {kind}{' ' + argv[2] if len(argv) > 2 else ''}: %(message)s",
    )
    # The terminal's Ctrl-C reaches every process of the group; only the supervisor acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    runtime = Runtime.load(directory)
    try:
        if kind == "receiver":
            from livebragg.pipeline.receiving.receiver import run_receiver

            run_receiver(runtime)
        elif kind == "analyst":
            from livebragg.pipeline.analyst import run_analyst

            run_analyst(runtime)
        else:
            run_worker(runtime, argv[2])
    except LiveBraggError as error:
        runtime.report_problem(f"the {kind} failed: {error}")
        logger.error("%s", error)
        return 1
    except Exception as error:
        runtime.report_problem(f"the {kind} failed: {type(error).__name__}: {error}")
        logger.exception("the %s failed", kind)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
