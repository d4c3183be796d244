"""Fifty builds: five of each ten are short, four are long, and one fails."""

from datetime import timedelta

from airflow.sdk import dag

from aioimagebuilder.airflow import BuildImageOperator

NAMES = ("short", "short", "short", "short", "short", "long", "long", "long", "long", "broken") * 5
PIPELINE = "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/"


@dag(schedule=None)
def fifty() -> None:
    BuildImageOperator.partial(
        task_id="build", aws_conn_id="images", timeout=timedelta(days=1), min_delay=0.2, max_delay=1
    ).expand(pipeline_arn=[PIPELINE + name for name in NAMES])


fifty = fifty()
