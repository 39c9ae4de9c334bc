"""The flags of `umiak server` that say what is written down of requests: names and meaning are kube-apiserver's."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umiak.cli._access import span, switch
from umiak.cli.command import CommandError

if TYPE_CHECKING:
    from umiak.server.audit.settings import AuditSettings, Batching, Truncating


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--audit-policy-file", type=Path, metavar="F", help="which requests are told of (audit.k8s.io/v1 Policy)")
    add("--audit-log-path", default="", metavar="F", help="file of events; - for standard output")
    add("--audit-log-maxage", type=int, default=366, metavar="DAYS")
    add("--audit-log-maxbackup", type=int, default=100, metavar="N")
    add("--audit-log-maxsize", type=int, default=100, metavar="MB")
    add("--audit-log-format", default="json", metavar="legacy|json")
    add("--audit-log-compress", type=switch, nargs="?", const=True, default=False, metavar="true|false")
    add("--audit-log-version", default="audit.k8s.io/v1", metavar="V")
    add("--audit-webhook-config-file", default="", metavar="F", help="kubeconfig of the server that gets events")
    add("--audit-webhook-initial-backoff", type=span, default=10.0, metavar="SPAN")
    add("--audit-webhook-version", default="audit.k8s.io/v1", metavar="V")
    _plugin(parser, "log", mode="blocking", most=1, wait=0.0, throttle=False)
    _plugin(parser, "webhook", mode="batch", most=400, wait=30.0, throttle=True)


def _plugin(parser: argparse.ArgumentParser, name: str, mode: str, most: int, wait: float, throttle: bool) -> None:
    def add(flag: str, **how: Any) -> None:
        parser.add_argument(f"--audit-{name}-{flag}", **how)

    add("mode", default=mode, metavar="batch|blocking|blocking-strict")
    add("batch-buffer-size", type=int, default=10_000, metavar="N")
    add("batch-max-size", type=int, default=most, metavar="N")
    add("batch-max-wait", type=span, default=wait, metavar="SPAN")
    add("batch-throttle-enable", type=switch, nargs="?", const=True, default=throttle, metavar="true|false")
    add("batch-throttle-qps", type=float, default=10.0 if throttle else 0.0, metavar="N")
    add("batch-throttle-burst", type=int, default=15 if throttle else 0, metavar="N")
    add("truncate-enabled", type=switch, nargs="?", const=True, default=False, metavar="true|false")
    add("truncate-max-batch-size", type=int, default=10 * 1024 * 1024, metavar="BYTES")
    add("truncate-max-event-size", type=int, default=100 * 1024, metavar="BYTES")


def audit_settings(args: argparse.Namespace) -> "AuditSettings | None":
    """None when nothing is written down. Raises CommandError in the reference's words."""
    if faults := [*_log_faults(args), *_webhook_faults(args)]:
        raise CommandError(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")
    if args.audit_policy_file is None:
        return None
    from umiak.server.audit.settings import AuditSettings, LogSettings, WebhookSettings

    log = LogSettings(
        path=args.audit_log_path,
        days=args.audit_log_maxage,
        backups=args.audit_log_maxbackup,
        megabytes=args.audit_log_maxsize,
        format=args.audit_log_format,
        compress=args.audit_log_compress,
        mode=args.audit_log_mode,
        batching=_batching(args, "log"),
        truncating=_truncating(args, "log"),
    )
    webhook = WebhookSettings(
        config=args.audit_webhook_config_file,
        backoff=args.audit_webhook_initial_backoff,
        mode=args.audit_webhook_mode,
        batching=_batching(args, "webhook"),
        truncating=_truncating(args, "webhook"),
    )
    return AuditSettings(policy=args.audit_policy_file, log=log, webhook=webhook)


def _batching(args: argparse.Namespace, name: str) -> "Batching":
    from umiak.server.audit.settings import Batching

    def of(flag: str) -> Any:
        return getattr(args, f"audit_{name}_batch_{flag}")

    rate = of("throttle_qps") if of("throttle_enable") else 0.0
    return Batching(
        buffer=of("buffer_size"), most=of("max_size"), wait=of("max_wait"), per_second=rate, burst=of("throttle_burst")
    )


def _truncating(args: argparse.Namespace, name: str) -> "Truncating":
    from umiak.server.audit.settings import Truncating

    return Truncating(
        enabled=getattr(args, f"audit_{name}_truncate_enabled"),
        batch=getattr(args, f"audit_{name}_truncate_max_batch_size"),
        event=getattr(args, f"audit_{name}_truncate_max_event_size"),
    )


def _log_faults(args: argparse.Namespace) -> list[str]:
    if not args.audit_log_path:
        return []
    found = _plugin_faults(args, "log")
    if args.audit_log_format not in ("legacy", "json"):
        found.append(f'invalid audit log format {args.audit_log_format}, allowed formats are "legacy,json"')
    for flag in ("maxage", "maxbackup", "maxsize"):
        if (value := getattr(args, f"audit_log_{flag}")) < 0:
            found.append(f"--audit-log-{flag} {value} can't be a negative number")
    return found


def _webhook_faults(args: argparse.Namespace) -> list[str]:
    return _plugin_faults(args, "webhook") if args.audit_webhook_config_file else []


def _plugin_faults(args: argparse.Namespace, name: str) -> list[str]:
    def of(flag: str) -> Any:
        return getattr(args, f"audit_{name}_{flag}")

    found = []
    if fault := _batch_fault(name, of):
        found.append(fault)
    event, batch = of("truncate_max_event_size"), of("truncate_max_batch_size")
    if event <= 0:
        found.append(f"invalid audit truncate {name} max event size {event}, must be a positive number")
    elif batch < event:
        why = f"must be greater than max event size ({event})"
        found.append(f"invalid audit truncate {name} max batch size {batch}, {why}")
    if (version := of("version")) != "audit.k8s.io/v1":
        found.append(f'invalid group version, allowed versions are [{{"audit.k8s.io" "v1"}}], not "{version}"')
    return found


def _batch_fault(name: str, of: Callable[[str], Any]) -> str:
    mode = of("mode")
    if mode not in ("batch", "blocking", "blocking-strict"):
        return f'invalid audit {name} mode {mode}, allowed modes are "batch,blocking,blocking-strict"'
    checked = [("batch_buffer_size", "buffer size"), ("batch_max_size", "max batch size")]
    if of("batch_throttle_enable"):
        checked += [("batch_throttle_qps", "throttle QPS"), ("batch_throttle_burst", "throttle burst")]
    for flag, words in checked if mode == "batch" else ():
        if (value := of(flag)) <= 0:
            return f"invalid audit batch {name} {words} {value}, must be a positive number"
    return ""
