"""What LiberTEM-live does in an environment of its own: run by the tests, never imported by them.

peer.py dectris-lowlevel PORT OUT          receive one series from tcp://127.0.0.1:PORT, save the frames
peer.py dectris-active API DATA ROWS COLS OUT   configure, arm, receive, sum (LiberTEM-live)
peer.py dectris-serve N PORT               send its mock: 512x512, frame i filled with i
peer.py merlin CONTROL DATA ROWS COLS OUT  receive and sum (LiberTEM-live)
peer.py mib HDR ROWS COLS OUT              read a recorded .hdr/.mib pair with LiberTEM's own reader
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def dectris_lowlevel(port: str, out: str) -> None:
    import libertem_dectris

    handle = str(Path(tempfile.mkdtemp()) / "shm")
    connection = libertem_dectris.DectrisConnection(
        f"tcp://127.0.0.1:{port}", 8, handle, None, 256, 1 << 20, False
    )
    connection.start_passive(5.0)
    client = libertem_dectris.CamClient(handle)
    print("ready", flush=True)
    config, _ = connection.wait_for_arm(60.0)
    frames: list[np.ndarray] = []
    while len(frames) < config.get_num_frames():
        stack = connection.get_next_stack(8)
        if stack is None or len(stack) == 0:
            break
        cols, rows = stack.get_shape()
        block = np.empty((len(stack), rows, cols), np.dtype(stack.get_dtype_string()))
        client.decode_range_into_buffer(stack, block, 0, len(stack))
        frames.extend(block.copy())
        client.done(stack)
    np.save(out, np.array(frames))
    client.close()
    connection.close()


def dectris_active(api: str, data: str, rows: str, cols: str, out: str) -> None:
    from libertem.udf.sum import SumUDF
    from libertem.udf.sumsigudf import SumSigUDF
    from libertem_live.api import LiveContext

    with LiveContext() as ctx:
        connection = ctx.make_connection("dectris").open(
            api_host="127.0.0.1", api_port=int(api), data_host="127.0.0.1", data_port=int(data), buffer_size=64
        )
        with connection:
            acquisition = ctx.make_acquisition(
                conn=connection,
                nav_shape=(int(rows), int(cols)),
                frames_per_partition=16,
                controller=connection.get_active_controller(trigger_mode="exte"),
            )
            total, per_frame = ctx.run_udf(dataset=acquisition, udf=[SumUDF(), SumSigUDF()])
            np.savez(out, sum=total["intensity"].data, per_frame=per_frame["intensity"].data)


def dectris_serve(n: str, port: str) -> None:
    import libertem_dectris

    sim = libertem_dectris.DectrisSim.new_mocked(f"tcp://127.0.0.1:{port}", int(n))
    print("ready", flush=True)
    sys.stdin.readline()
    sim.send_headers()
    sim.send_frames(int(n))
    sim.send_footer()
    time.sleep(5)


def merlin(control: str, data: str, rows: str, cols: str, out: str) -> None:
    from libertem.udf.sum import SumUDF
    from libertem.udf.sumsigudf import SumSigUDF
    from libertem_live.api import LiveContext

    with LiveContext() as ctx:
        connection = ctx.make_connection("merlin").open(
            api_host="127.0.0.1", api_port=int(control), data_host="127.0.0.1", data_port=int(data)
        )
        with connection:
            print("ready", flush=True)
            pending = connection.wait_for_acquisition(60.0)
            acquisition = ctx.make_acquisition(
                conn=connection, pending_aq=pending, nav_shape=(int(rows), int(cols)), frames_per_partition=16
            )
            total, per_frame = ctx.run_udf(dataset=acquisition, udf=[SumUDF(), SumSigUDF()])
            np.savez(out, sum=total["intensity"].data, per_frame=per_frame["intensity"].data)


def mib(header: str, rows: str, cols: str, out: str) -> None:
    from libertem.api import Context
    from libertem.executor.inline import InlineJobExecutor
    from libertem.udf.raw import PickUDF

    ctx = Context(executor=InlineJobExecutor())
    shape = int(rows), int(cols)
    data = ctx.load("mib", path=header, nav_shape=shape)
    np.save(out, ctx.run_udf(data, PickUDF(), roi=np.ones(shape, bool))["intensity"].data)


if __name__ == "__main__":
    globals()[sys.argv[1].replace("-", "_")](*sys.argv[2:])
