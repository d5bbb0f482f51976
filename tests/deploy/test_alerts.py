"""Does each alert fire when it should, and not before? By Prometheus' own test of rules, one case an alert."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lmshooks.adapters.metrics import METRICS
from tests.deploy.tools import ROOT, tool

RULES = ROOT / "deploy" / "prometheus" / "alerts.yaml"
OPERATIONS = ROOT / "docs" / "operations.md"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}


class Case(NamedTuple):
    """What happens (promtool's notation, a value a minute), and what follows from it."""

    alert: str
    series: dict[str, str]
    quiet: str
    """When it does not fire yet, or no more."""
    fires: str
    """When it does."""
    labels: dict[str, str]
    """The alert's own ones, beside its severity."""
    summary: str


ONE = 'job="lmshooks",instance="a:9400"'
OF_ONE = {"job": "lmshooks", "instance": "a:9400"}
CRM = {"job": "lmshooks", "subscription": "crm"}
DAY = 1440

CASES = [
    Case(
        "LmshooksNobodyDelivers",
        {f'lmshooks_build_info{{{ONE},version="1"}}': "1x10 _x20"},
        "9m", "20m", {}, "no lmshooks instance is scraped",
    ),
    Case(
        "LmshooksInstanceDown", {f"up{{{ONE}}}": "1x5 0x10"}, "7m", "9m", OF_ONE, "a:9400 does not answer",
    ),
    Case(
        "LmshooksNotReady", {f"lmshooks_ready{{{ONE}}}": "1x5 0x10"}, "10m", "12m", OF_ONE, "a:9400 is not ready",
    ),
    Case(
        "LmshooksRestarts",
        {f"process_start_time_seconds{{{ONE}}}": "100x5 500x5 900x5 1300x60"},
        "14m", "20m", OF_ONE, "a:9400 started 3 times within 30 minutes",
    ),
    Case(
        "LmshooksLoopLag",
        {
            f'lmshooks_loop_lag_seconds_bucket{{{ONE},le="0.25"}}': "0x30",
            f'lmshooks_loop_lag_seconds_bucket{{{ONE},le="1.0"}}': "0+60x30",
            f'lmshooks_loop_lag_seconds_bucket{{{ONE},le="+Inf"}}': "0+60x30",
        },
        "9m", "20m", OF_ONE, "the event loop of a:9400 is 992.5ms late",
    ),
    Case(
        "LmshooksConfigurationRefused",
        {f"lmshooks_configuration_ok{{{ONE}}}": "1x5 0x10"},
        "10m", "12m", OF_ONE, "a:9400 refused the files on disk",
    ),
    Case(
        "LmshooksConfigurationsDiffer",
        {
            f'lmshooks_configuration_info{{{ONE},hash="old"}}': "1x60",
            'lmshooks_configuration_info{job="lmshooks",instance="b:9400",hash="new"}': "_x10 1x50",
        },
        "30m", "45m", {"job": "lmshooks"}, "instances run 2 different configurations",
    ),
    Case(
        "LmshooksEndpointFailing",
        {f'lmshooks_failing_seconds{{{ONE},subscription="crm"}}': "0+60x30"},
        "15m", "16m", CRM, "the endpoint of crm has failed for 16m 0s",
    ),
    Case(
        "LmshooksAccountsHeld",
        {f'lmshooks_held_accounts{{{ONE},subscription="crm"}}': "0x5 2x30"},
        "20m", "22m", CRM, "the endpoint of crm takes nothing of 2 accounts",
    ),
    Case(
        "LmshooksSuspensionNear",
        {f'lmshooks_failing_seconds{{{ONE},subscription="crm"}}': f"{5 * 86400 - 120}+60x10"},
        "2m", "3m", CRM, "crm has failed for 5d 0h 1m 0s and will be suspended",
    ),
    Case(
        "LmshooksSuspended",
        {f'lmshooks_suspended{{{ONE},subscription="crm",reason="gone"}}': "_x5 1x5 _x20"},
        "16m", "8m", CRM | {"reason": "gone"}, "crm is suspended (gone)",
    ),
    Case(
        "LmshooksOwedForADay",
        {f'lmshooks_oldest_owed_age_seconds{{{ONE},subscription="crm"}}': "89880+60x10"},
        "2m", "3m", CRM, "crm is owed events 1d 1h 1m 0s old",
    ),
    Case(
        "LmshooksExpiryNear",
        {f'lmshooks_oldest_owed_age_seconds{{{ONE},subscription="crm"}}': f"{6 * 86400 - 120}+60x10"},
        "2m", "3m", CRM, "events owed to crm are 6d 0h 1m 0s old and about to expire",
    ),
    Case(
        "LmshooksWindowNotSent",
        {f'lmshooks_window_open_ranges{{{ONE},window="nightly"}}': "0x10 3x200"},
        "120m", "140m", {"job": "lmshooks", "window": "nightly"},
        "what window nightly closed has not been handed out for two hours",
    ),
    Case(
        "LmshooksRecordsExpired",  # the series is born by the loss: `increase` alone does not see it
        {f'lmshooks_expired_records_total{{{ONE},subscription="crm"}}': "_x5 50x60"},
        "4m", "6m", CRM, "the log no longer held about 50 records that were owed to crm",
    ),
    Case(
        "LmshooksRecordsExpired",  # by the live feed
        {f'lmshooks_expired_records_total{{{ONE},subscription=""}}': "_x5 50x60"},
        "30m", "6m", {"job": "lmshooks"}, "the log no longer held about 50 records that were owed to everybody",
    ),
    Case(
        "LmshooksDeadLetters",
        {f'lmshooks_dead_letters_total{{{ONE},reason="malformed"}}': "_x5 2x60"},
        "4m", "6m", {"job": "lmshooks", "reason": "malformed"}, "about 2 events became dead letters (malformed)",
    ),
    Case(
        "LmshooksDeadLetters",  # over a restart the count begins anew
        {f'lmshooks_dead_letters_total{{{ONE},reason="rejected"}}': "7x40 _x5 3x60"},
        "39m", "47m", {"job": "lmshooks", "reason": "rejected"}, "about 3 events became dead letters (rejected)",
    ),
    Case(
        "LmshooksDeadLettersNotWritten",
        {f"lmshooks_pending_dead_letters{{{ONE}}}": "0x5 4x20"},
        "15m", "17m", OF_ONE, "a:9400 cannot write 4 dead letters",
    ),
    Case(
        "LmshooksCheckpointStalled",
        {
            f'lmshooks_checkpoint_age_seconds{{{ONE},topic="lms",partition="0"}}': "1x5 60+60x10",
            f'lmshooks_uncommitted_records{{{ONE},topic="lms",partition="0"}}': "5x20",
        },
        "7m", "9m", OF_ONE | {"topic": "lms", "partition": "0"}, "no checkpoint of lms/0 for 4m 0s",
    ),
    Case(
        "LmshooksKafkaDoesNotConfirm",
        {f'lmshooks_stalls_total{{{ONE},reason="write"}}': "0x10 0+1x40"},
        "12m", "25m", OF_ONE, "Kafka did not confirm 10 requests of a:9400 in ten minutes",
    ),
    Case(
        "LmshooksPartitionNotDelivered",
        {f'lmshooks_partitions{{{ONE},state="claiming"}}': "_x5 2x20"},
        "9m", "12m", OF_ONE | {"state": "claiming"}, "2 partitions of a:9400 have been claiming for five minutes",
    ),
    Case(
        "LmshooksPartitionNotDelivered",
        {f'lmshooks_partitions{{{ONE},state="stuck"}}': "_x5 1x20"},
        "9m", "12m", OF_ONE | {"state": "stuck"}, "1 partitions of a:9400 have been stuck for five minutes",
    ),
    Case(
        "LmshooksStateLost",
        {f'lmshooks_partitions{{{ONE},state="lost"}}': "_x5 1x20"},
        "4m", "7m", OF_ONE, "1 partitions of a:9400 are held: the state topic lost what was committed",
    ),
    Case(
        "LmshooksStateUnreadable",
        {f'lmshooks_partitions{{{ONE},state="unreadable"}}': "_x5 2x20"},
        "4m", "7m", OF_ONE, "2 partitions of a:9400 are held: a state record cannot be read",
    ),
    Case(
        "LmshooksLagGrows",
        {f'lmshooks_lag_records{{{ONE},topic="lms",partition="0"}}': "0+1000x60"},
        "24m", "40m", {"job": "lmshooks", "topic": "lms"},
        "lms is 40k records ahead of the live feeds, and more by the minute",
    ),
    Case(
        "LmshooksOwnersQuarrel",
        {f"lmshooks_superseded_total{{{ONE}}}": "0x5 0+1x60"},
        "20m", "40m", OF_ONE, "a:9400 was superseded 15 times within 15 minutes",
    ),
]  # fmt: skip

NEVER = [
    ("LmshooksLagGrows", {f'lmshooks_lag_records{{{ONE},topic="lms",partition="0"}}': "90000-1000x60"}, "40m"),
    (
        "LmshooksCheckpointStalled",  # an idle partition has nothing to make durable
        {
            f'lmshooks_checkpoint_age_seconds{{{ONE},topic="lms",partition="0"}}': "0+60x60",
            f'lmshooks_uncommitted_records{{{ONE},topic="lms",partition="0"}}': "0x60",
        },
        "30m",
    ),
    ("LmshooksOwnersQuarrel", {f"lmshooks_superseded_total{{{ONE}}}": "0x5 12x60"}, "15m"),  # one take-over of twelve
    ("LmshooksLoopLag", {f'lmshooks_loop_lag_seconds_bucket{{{ONE},le="0.25"}}': "0+60x60",
                         f'lmshooks_loop_lag_seconds_bucket{{{ONE},le="+Inf"}}': "0+60x60"}, "40m"),
]  # fmt: skip
"""What looks like it and is none: the alert, the series, when it is looked at."""


def test_every_alert_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    tests = []
    for case in CASES:
        rule = ALERTS[case.alert]
        annotations = rule["annotations"] | {"summary": case.summary}
        annotations["action"] = annotations["action"].replace("{{ $labels.subscription }}", "crm")
        fired = {"exp_labels": case.labels | rule["labels"], "exp_annotations": annotations}
        series = [{"series": name, "values": values} for name, values in case.series.items()]
        looks = [
            {"eval_time": case.quiet, "alertname": case.alert, "exp_alerts": []},
            {"eval_time": case.fires, "alertname": case.alert, "exp_alerts": [fired]},
        ]
        tests.append({"interval": "1m", "input_series": series, "alert_rule_test": looks})
    for alert, happening, when in NEVER:
        series = [{"series": name, "values": values} for name, values in happening.items()]
        look = [{"eval_time": when, "alertname": alert, "exp_alerts": []}]
        tests.append({"interval": "1m", "input_series": series, "alert_rule_test": look})
    file = tmp_path / "alerts.test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run([tool("promtool"), "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_is_without_its_case() -> None:
    assert {case.alert for case in CASES} == set(ALERTS)


def test_an_alert_says_how_bad_it_is_what_it_means_and_what_to_do() -> None:
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert set(rule["annotations"]) == {"summary", "description", "action", "runbook"}, name


def test_every_alert_has_its_section_and_its_anchor_leads_there() -> None:
    sections = re.findall(r"^### (Lmshooks\w+)$", OPERATIONS.read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(ALERTS)
    for name, rule in ALERTS.items():
        # How GitHub and its like make an anchor of a heading: in lower case.
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"


def test_the_rules_ask_for_metrics_that_there_are() -> None:
    text = RULES.read_text()
    named = set(re.findall(r"\blmshooks_\w+", text))
    known = set(METRICS) | {f"{name}_bucket" for name, meaning in METRICS.items() if meaning.kind == "histogram"}
    assert named
    assert named <= known
