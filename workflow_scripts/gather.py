"""Put tables of one form below each other."""

import pandas as pd

from workflow_scripts._job import run


def main(job) -> None:
    pd.concat([pd.read_csv(path) for path in job.tables]).to_csv(job.out, index=False)


if __name__ == "__main__":
    run(main, "tables*", "out")
