"""A build, and a wait for an image that something else builds."""

from datetime import timedelta

from airflow.sdk import dag

from aioimagebuilder.airflow import BuildImageOperator, ImageBuilderSensor

PIPELINE = "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/demo"


@dag(schedule=None, params={"image": ""})
def killed() -> None:
    delays = {"min_delay": 0.2, "max_delay": 1}
    BuildImageOperator(
        task_id="build", aws_conn_id="images", pipeline_arn=PIPELINE, timeout=timedelta(days=1), **delays
    )
    ImageBuilderSensor(task_id="watch", aws_conn_id="images", identifier="{{ params.image }}", **delays)


killed = killed()
