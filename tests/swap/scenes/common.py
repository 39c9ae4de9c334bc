"""What scenes are made of."""

LABELS = {"app": "a"}


def template(image="i", labels=LABELS, **spec):
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def workload(name="a", image="i", **spec):
    return {
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": LABELS}, "template": template(image), **spec},
    }


def job(name="a", restart="Never", **spec):
    return {"metadata": {"name": name}, "spec": {"template": template(restartPolicy=restart), **spec}}


def image(name):
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": name}]}}}}


CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
MERGE_ALL, MERGE = "application/strategic-merge-patch+json", "application/merge-patch+json"
