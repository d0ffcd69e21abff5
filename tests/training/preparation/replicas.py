"""Writes miniature corpora with the layout of the owners and its irregularities. Clips are a few bytes, never read."""

import itertools
from pathlib import Path


ENTERFACE_EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")


def write(path: Path, content: bytes = b"a few bytes"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_dfew(root: Path, frames: str = "Clip/jpg_256", num_folds: int = 5):
    """Seven clips with labels 1 to 7. Fold k tests on clip k and trains on the others. Lines end as on Windows."""
    for clip in range(1, 8):
        write(root / frames / f"{clip:05d}" / "00001.jpg")
    for fold in range(1, num_folds + 1):
        for split, clips in (("train", [c for c in range(1, 8) if c != fold]), ("test", [fold])):
            lines = ["video_name,label", *(f"{clip},{clip}" for clip in clips), "", ""]
            file = root / "EmoLabel_DataSplit" / f"{split}(single-labeled)" / f"set_{fold}.csv"
            write(file, "\r\n".join(lines).encode())


def write_ferv39k(root: Path, frames: str = "2_ClipsforFaceCrop"):
    """Clips with the same name in different folders. The lists end with empty lines."""
    clips = [f"{scene}/{label}/0010" for scene in ("Action", "DailyLife") for label in ("Sad", "Happy", "Fear")]
    for clip in clips:
        write(root / frames / clip / "0.jpg")
    for split, listed in (("train", clips[:4]), ("test", clips[4:])):
        lines = "".join(f"{clip} {clip.split('/')[1]}\n" for clip in listed) + "\n\n"
        write(root / "4_setups" / "All_scenes" / f"{split}_All.csv", lines.encode())


def write_mafw(root: Path, lists: str = "split"):
    """Frames in PNG. The lists have the names of the videos, with suffix."""
    for clip, suffix in ((1, "png"), (2, "PNG"), (3, "png")):
        write(root / "data" / "frames" / f"{clip:05d}" / f"1.{suffix}")
        write(root / "data" / "clips" / f"{clip:05d}.mp4")
    for fold in range(1, 6):
        folder = root / lists / "single" / "no_caption" / f"set_{fold}"
        write(folder / "train.txt", b"00001.mp4 anger\r\n00002.mp4  disappointment\r\n")
        write(folder / "test.txt", b"00003.mp4 helplessness\n\n")


def write_crema_d(root: Path, folder: str = "VideoFlash"):
    """One clip of each of the 91 actors, the owners' list of clips, and a file that is not a clip."""
    labels = itertools.cycle(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"))
    names = [f"{actor}_IEO_{label}_XX" for actor, label in zip(range(1001, 1092), labels, strict=False)]
    for name in names:
        write(root / folder / f"{name}.flv")
    lines = ['"Stimulus_Number","Filename"', *(f'{number},"{name}"' for number, name in enumerate(names, 1)), "", ""]
    write(root / "SentenceFilenames.csv", "\n".join(lines).encode())
    write(root / "VideoFlash" / "readme.txt")


def write_ravdess(root: Path):
    """All clips without sound. The first actor also has a clip with sound and a song, which must be ignored."""
    for actor in range(1, 25):
        for label, intensity, statement, repetition in itertools.product(range(1, 9), (1, 2), (1, 2), (1, 2)):
            if (label, intensity) != (1, 2):
                name = f"02-01-{label:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}.mp4"
                write(root / f"Actor_{actor:02d}" / name)
    write(root / "Actor_01" / "01-01-03-01-01-01-01.mp4")
    write(root / "Actor_01" / "02-02-03-01-01-01-01.mp4")


def write_enterface(root: Path, space: str = " ", suffix: str = ".avi"):
    """All 44 subjects. Subject 23 lacks three sentences. Subject 6 is not cut into sentences. Some names differ."""
    for subject, emotion, sentence in itertools.product(range(1, 45), ENTERFACE_EMOTIONS, range(1, 6)):
        if subject == 6 or (subject == 23 and emotion == "happiness" and sentence <= 3):
            continue
        prefix = f"s_{subject}" if subject == 3 else f"s{subject}"
        folder = root / f"subject{space}{subject}" / emotion / f"sentence{space}{sentence}"
        write(folder / f"{prefix}_{emotion[:2]}_{sentence}{suffix}")
    write(root / f"subject{space}1" / "anger" / f"sentence{space}1" / "Thumbs.db")
    for emotion in ENTERFACE_EMOTIONS:
        write(root / f"subject{space}6" / emotion / f"s6_{emotion[:2]}.avi")
    write(root / f"subject{space}16" / "surprise" / f"sentence{space}3" / f"s16_su_3avi{suffix}")
    (root / f"subject{space}16" / "surprise" / f"sentence{space}3" / f"s16_su_3{suffix}").unlink()


def write_voxceleb2(root: Path, num_speakers: int = 2):
    """Three unreadable clips of each speaker in two videos, and a speaker of the test part."""
    for speaker in range(num_speakers):
        for clip in ("5r0dWxy17C8/00001.mp4", "5r0dWxy17C8/00002.mp4", "_xy 1/00001.mp4"):
            write(root / "dev" / "mp4" / f"id{speaker:05d}" / clip)
    write(root / "test" / "mp4" / "id99999" / "abc" / "00001.mp4")
