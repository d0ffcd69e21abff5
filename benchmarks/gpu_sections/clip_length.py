"""Time and memory of long clips, against VideoMAE-base."""

from collections.abc import Iterator

from .setting import FAMILIES, Setting
from .stages import make_step
from .throughput import NAMES
from .timing import allocated, free, in_turns, peak_of, reason


NUM_FRAMES = (128, 16)  # the first run also measured lengths between these
BATCHES = {"fine-tuning": 4, "inference": 8}


def run(setting: Setting) -> Iterator[dict]:
    """Both models in turns, eager, in bf16 by autocast."""
    for stage, batch_size in BATCHES.items():
        for num_frames in setting.pick(NUM_FRAMES, (4, 8)):
            yield _row(setting, stage, setting.pick(batch_size, 1), num_frames)


def _row(setting, stage, batch_size, num_frames):
    device = setting.device
    row = {"table": f"{stage}, clips at once: {batch_size}, eager, bf16 autocast", "frames": num_frames}
    steps, peaks = {}, {}
    for family in FAMILIES:
        before = allocated(device)  # memory of the other model
        try:
            step = make_step(setting, family, stage, batch_size, num_frames=num_frames)
            for _ in range(2):
                step()
            peaks[family] = (peak_of(step, device) - before) / 2**30
            steps[family] = step
        except Exception as error:
            row[f"{NAMES[family]}, failed"] = reason(error)
            free(device)
    if steps:
        for family, seconds in in_turns(steps, device, setting.pick(1.0, 0.02)).items():
            row[f"{NAMES[family]}, ms a clip"] = 1e3 * seconds / batch_size
        for family, peak in peaks.items():
            row[f"{NAMES[family]}, peak GiB"] = peak
    if len(steps) == 2:
        row["LGI-Former / VideoMAE, time"] = row["LGI-Former, ms a clip"] / row["VideoMAE, ms a clip"]
        if peaks["videomae"]:
            row["LGI-Former / VideoMAE, memory"] = peaks["lgi_former"] / peaks["videomae"]
    steps.clear()
    free(device)
    return row
