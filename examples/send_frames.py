"""Feed livebragg from your own detector script: three kinds of messages, nothing but pyzmq and msgpack."""

import msgpack
import numpy as np
import zmq

SCAN, FRAME = (16, 16), (128, 128)
head = {"protocol": "livebragg", "version": 1}
socket = zmq.Context().socket(zmq.PUSH)
socket.bind("tcp://127.0.0.1:7550")  # then, in another terminal: livebragg attach tcp://127.0.0.1:7550

scan = {"acquisition_id": "my-scan", "scan_shape": SCAN, "frame_shape": FRAME, "dtype": "uint16"}
socket.send(msgpack.packb(head | {"type": "acquisition_start", "acquisition": scan}))

random = np.random.default_rng()
rows, cols = np.indices(FRAME)
for line in range(SCAN[0]):
    disk = 50.0 * (np.hypot(rows - 64, cols - 64) < 6)  # replace by a line of your detector's frames
    frames = random.poisson(disk, (SCAN[1], *FRAME)).astype("<u2")
    header = head | {"type": "frame_batch", "acquisition_id": "my-scan"}
    header |= {"first_frame": line * SCAN[1], "n_frames": SCAN[1]}
    socket.send_multipart([msgpack.packb(header), frames.tobytes()])

socket.send(msgpack.packb(head | {"type": "acquisition_end", "acquisition_id": "my-scan", "frames_sent": 256}))
