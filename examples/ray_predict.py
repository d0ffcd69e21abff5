"""Predicts the videos of a list on all GPUs, or all CPUs, of a Ray cluster: `pip install "lgi-former[faces,ray]"`.

    python ray_predict.py s3://bucket/videos.parquet s3://bucket/results --model someone/finetuned

The list is a Parquet file, or a folder of them, with the column `video`. All machines must be able to read its paths.
The results are Parquet files with the columns of the list and those of `lgi_former.VideoPredictor`. Ray computes the
videos of a lost machine again. Without a cluster, Ray uses this machine.
"""

import argparse
import os

import ray

from lgi_former import VideoPredictor


def main():
    def path(text):  # workers have other current folders
        return text if "://" in text else os.path.abspath(text)

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", type=path, help="Parquet file or folder, local or s3://")
    parser.add_argument("output", type=path, help="new folder for the results, local or s3://")
    parser.add_argument("--model", required=True, help="folder or Hub repository of a fine-tuned classifier")
    parser.add_argument("--column", default="video", help="column of the paths (default: %(default)s)")
    parser.add_argument("--batch_size", type=int, default=16, help="videos that a worker takes at a time")
    parser.add_argument("--cpus_per_gpu", type=int, default=8, help="processes that read videos for a GPU")
    parser.add_argument("--no_crop_faces", action="store_true", help="the videos show faces only")
    args = parser.parse_args()

    model = path(args.model) if os.path.isdir(args.model) else args.model
    ray.init()  # the cluster of RAY_ADDRESS, or else this machine
    resources = ray.cluster_resources()
    gpus, cpus = int(resources.get("GPU", 0)), int(resources["CPU"])
    readers = args.cpus_per_gpu if gpus else 1
    predicted = (
        ray.data.read_parquet(args.videos)
        .repartition(target_num_rows_per_block=args.batch_size)  # no more than this is computed again
        .map_batches(
            VideoPredictor,
            fn_constructor_args=[model, args.column],
            fn_constructor_kwargs={"num_workers": readers, "crop_faces": not args.no_crop_faces},
            batch_size=args.batch_size,
            batch_format="pandas",
            num_gpus=1 if gpus else 0,
            num_cpus=readers,
            concurrency=(1, gpus or cpus),  # so that the run goes on with fewer machines
        )
    )
    predicted.write_parquet(args.output, mode="error")
    results = ray.data.read_parquet(args.output, columns=["error"])
    failed = results.filter(expr="error != ''").count()
    print(f"{results.count()} videos, {failed} of them failed. Their column `error` says why.")


if __name__ == "__main__":
    main()
