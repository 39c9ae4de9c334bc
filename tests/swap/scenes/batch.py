"""Jobs and CronJobs."""

import time

from .common import MERGE_ALL, job, template


def jobs(stage):
    """Completion, failure, deadlines, suspension, policies."""
    stage.create("jobs", job("done", completions=2, parallelism=2))
    stage.create("jobs", job("failed", backoffLimit=0))
    stage.create("jobs", job("slow", activeDeadlineSeconds=2))
    stage.create("jobs", job("still", suspend=True))
    stage.create("jobs", job("others", managedBy="example.com/other"))
    rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]
    stage.create("jobs", job("policy", podFailurePolicy={"rules": rules}, backoffLimit=3))
    ignore = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
    stage.create("jobs", job("ignored", podFailurePolicy={"rules": ignore}, backoffLimit=0))
    stage.settle()
    stage.run()
    stage.end("Succeeded", only=of("done"))
    stage.end("Failed", 1, only=of("failed"))
    stage.end("Failed", 42, only=of("policy"))
    disrupted = {"type": "DisruptionTarget", "status": "True", "reason": "x"}
    stage.end("Failed", 1, only=of("ignored"), conditions=[disrupted])
    time.sleep(2)
    stage.run()
    stage.change("jobs", "still", {"spec": {"suspend": False}})
    stage.settle()
    stage.run()
    stage.change("jobs", "still", {"spec": {"suspend": True}})
    stage.settle()
    stage.run()


def of(name):
    return lambda pod: (pod["metadata"].get("labels") or {}).get("job-name") == name


def at(name, index):
    key = "batch.kubernetes.io/job-completion-index"
    return lambda pod: of(name)(pod) and pod["metadata"]["annotations"].get(key) == str(index)


def jobs_indexed(stage):
    """Indexes that succeed, fail and are given up."""
    stage.create("jobs", job("all", completionMode="Indexed", completions=3, parallelism=3))
    each = {"completionMode": "Indexed", "completions": 3, "parallelism": 3, "backoffLimitPerIndex": 0}
    stage.create("jobs", job("each", **each, maxFailedIndexes=2))
    stage.create("jobs", job("many", **each, maxFailedIndexes=0))
    rules = [{"succeededIndexes": "0", "succeededCount": 1}]
    policy = {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "successPolicy": {"rules": rules}}
    stage.create("jobs", job("enough", **policy))
    stage.create("jobs", job("waits", podReplacementPolicy="Failed"))
    stage.settle()
    stage.run()
    stage.end("Succeeded", only=of("all"))
    stage.end("Failed", 1, only=at("each", 1))
    stage.end("Failed", 1, only=at("many", 0))
    stage.end("Succeeded", only=at("enough", 0))
    for pod in filter(of("waits"), stage.list("pods")):
        stage.delete("pods", pod["metadata"]["name"])
    stage.settle()
    stage.end("Succeeded", only=of("each"))
    stage.run()
    stage.run()


def jobs_again(stage):
    """Another try after ten seconds, in place, and none when the limit is met."""
    stage.create("jobs", job("again", backoffLimit=1))
    stage.create("jobs", job("place", restart="OnFailure", backoffLimit=0))
    each = {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1}
    rules = [{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [3]}}]
    stage.create("jobs", job("index", **each, podFailurePolicy={"rules": rules}))
    stage.settle()
    stage.run()
    stage.end("Failed", 1, only=of("again"))
    stage.end("Failed", 3, only=at("index", 0))
    stage.end("Failed", 1, only=at("index", 1))
    restarted = {"restartCount": 1, "state": {"running": {}}, "ready": False, "name": "c", "image": "i", "imageID": "i"}
    for pod in filter(of("place"), stage.list("pods")):
        change = {"status": {"containerStatuses": [restarted]}}
        stage.change("pods", pod["metadata"]["name"], change, "status", MERGE_ALL)
    tried = (of("again"), at("index", 1))
    stage.until(lambda: all(len(list(filter(each, stage.list("pods")))) == 2 for each in tried))
    stage.settle()
    stage.run()
    stage.end("Succeeded", only=at("index", 1))
    stage.end("Failed", 1, only=of("again"))
    stage.run()


def jobs_end(stage):
    """Jobs that go when their time is up, and pods that outlive theirs."""
    stage.create("jobs", job("short", ttlSecondsAfterFinished=1))
    stage.create("jobs", job("orphaning"))
    stage.settle()
    stage.run()
    stage.end("Succeeded", only=of("short"))
    stage.delete("jobs", "orphaning", propagation="Orphan")
    stage.until(lambda: not [j for j in stage.list("jobs") if j["metadata"]["name"] == "short"])
    stage.settle()


def cron(stage):
    """A run each minute, of which there may be one, and schedules that do not come."""
    body = {"jobTemplate": {"spec": {"template": template(restartPolicy="Never")}}}
    for name, spec in {
        "each": {"schedule": "* * * * *", "concurrencyPolicy": "Forbid"},
        "never": {"schedule": "59 23 31 2 *"},
        "suspended": {"schedule": "* * * * *", "suspend": True},
        "berlin": {"schedule": "* * * * *", "timeZone": "Europe/Berlin"},
    }.items():
        stage.create("cronjobs", {"metadata": {"name": name}, "spec": {**body, **spec}})
    stage.until(lambda: len(stage.list("jobs")) == 2, seconds=70)
    stage.settle()


SCENES = [jobs, jobs_indexed, jobs_again, jobs_end, cron]
