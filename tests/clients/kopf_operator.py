"""An operator with most of what kopf has: handlers, status, a daemon, a timer, an index, and admission of both sorts.

The folder in $OPERATOR_CERTIFICATES has hook.crt, hook.key and ca.crt.
"""

import os
from pathlib import Path
from typing import Any

import kopf


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    folder = Path(os.environ["OPERATOR_CERTIFICATES"])
    settings.admission.server = kopf.WebhookServer(
        addr="127.0.0.1",
        host="127.0.0.1",
        certfile=str(folder / "hook.crt"),
        pkeyfile=str(folder / "hook.key"),
        cafile=str(folder / "ca.crt"),
    )
    settings.admission.managed = os.environ["OPERATOR_NAME"]
    settings.persistence.finalizer = "clients.test/finalizer"
    settings.persistence.progress_storage = kopf.StatusProgressStorage()
    settings.posting.enabled = True


@kopf.on.mutate("kopfexamples")
def fill_in(patch: kopf.Patch, spec: kopf.Spec, warnings: list[str], **_: Any) -> None:
    if "size" not in spec:
        patch.spec["size"] = 3
        warnings.append("no size: it gets three")


@kopf.on.validate("kopfexamples")
def refuse(spec: kopf.Spec, **_: Any) -> None:
    if spec.get("size", 1) > 9:
        raise kopf.AdmissionError("a boat of that size does not float", code=422)


@kopf.index("kopfexamples")
def sizes(name: str, spec: kopf.Spec, **_: Any) -> dict[str, int]:
    return {name: spec.get("size", 0)}


@kopf.on.create("kopfexamples")
@kopf.on.update("kopfexamples", field="spec.size")
def changed(body: kopf.Body, spec: kopf.Spec, patch: kopf.Patch, sizes: kopf.Index, **_: Any) -> None:
    patch.status["size"] = spec.get("size")
    patch.status["known"] = len(sizes)
    kopf.info(body, reason="Sized", message=f"it has size {spec.get('size')}")


@kopf.on.delete("kopfexamples")
def gone(name: str, logger: Any, **_: Any) -> None:
    logger.info("farewell %s", name)


@kopf.timer("kopfexamples", interval=0.5)
def tick(status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    if status.get("ticks", 0) < 2:
        patch.status["ticks"] = status.get("ticks", 0) + 1


@kopf.daemon("kopfexamples", cancellation_timeout=1)
async def watch_over(stopped: kopf.DaemonStopped, name: str, logger: Any, **_: Any) -> None:
    logger.info("%s is watched over", name)
    await stopped.wait()
    logger.info("%s is left alone", name)
