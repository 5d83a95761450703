"""Every hour from Airflow 2.4 or newer. Exit codes are told apart: 7 (another run is at work) skips, the rest fail."""

from datetime import datetime, timedelta

from airflow import DAG
from airflow.operators.bash import BashOperator

COMMAND = (
    "router reoptimise /opt/router/problem.yaml --start now --max-age 2h --time-limit 300 "
    "--log-json --metrics /opt/router/reoptimise.prom -o /opt/router/plan.json"
)

with DAG(
    dag_id="router_reoptimise",
    schedule="15 * * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,  # hours that were missed are planned by the next run
    max_active_runs=1,
    default_args={
        "retries": 1,
        "retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(minutes=30),
    },
) as dag:
    BashOperator(
        task_id="reoptimise",
        bash_command=COMMAND,
        env={"ROUTER_STORE": "{{ conn.router_store.get_uri() }}"},
        append_env=True,
        skip_on_exit_code=7,
    )
