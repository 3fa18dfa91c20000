"""``veilmatch actions``: webhooks that tell the platform of decisions."""

from __future__ import annotations

from typing import Annotated

import typer

from veilmatch.actions.delivery import Deliverer, list_dead, retry_dead
from veilmatch.actions.sending import HttpSender
from veilmatch.actions.signing import Scheme
from veilmatch.cli.console import print_json, say, warn
from veilmatch.cli.operator.operator_commands import open_store, parse_id
from veilmatch.cli.options import AsJson, Data, DatabaseUrl, LogLines, MetricsPort
from veilmatch.cli.stopping import asked_to_stop
from veilmatch.clock import system_clock
from veilmatch.errors import ConfigError, UnavailableError
from veilmatch.service.watch.roles import ActionMetrics
from veilmatch.service.watch.voice import served_metrics, voice_of

actions_app = typer.Typer(no_args_is_help=True, help="Platforms: webhooks that tell of decisions.")


@actions_app.command(name="add")
def add_endpoint(
    url: Annotated[str, typer.Argument(help="Where actions go, https://…")],
    data: Data,
    scheme: Annotated[
        str, typer.Option(help="v1 (shared secret) or v1a (Ed25519 signature).")
    ] = "v1",
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add an address; prints what its receiver needs, once."""
    try:
        chosen = Scheme(scheme)
    except ValueError as exc:
        raise ConfigError("--scheme is v1 or v1a", setting="scheme") from exc
    with open_store(data, database) as store, store.database.transaction() as connection:
        made = store.endpoints.add(connection, url, chosen)
        store.note(connection, "webhook.added", made.endpoint_id)
    say(f"for the receiver (shown once): {made.shown}")
    if as_json:
        print_json({"endpoint_id": made.endpoint_id.hex(), "secret": made.shown})


@actions_app.command(name="list")
def list_endpoints(data: Data, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List addresses and dead letters."""
    with open_store(data, database) as store:
        found = [
            {
                "endpoint_id": one.endpoint_id.hex(),
                "url": one.url,
                "scheme": one.scheme.value,
                "state": one.state,
            }
            for one in store.endpoints.list_all()
        ]
        with store.database.transaction() as connection:
            dead = [
                {
                    "number": one.number,
                    "endpoint_id": one.endpoint_id.hex(),
                    "kind": one.kind,
                    "reason": one.reason,
                }
                for one in list_dead(connection)
            ]
    for row in found:
        say(f"{row['endpoint_id']}  {row['state']}  {row['scheme']}  {row['url']}")
    for letter in dead:
        say(f"dead: {letter['number']} {letter['endpoint_id']} {letter['kind']} {letter['reason']}")
    if as_json:
        print_json({"endpoints": found, "dead": dead})


@actions_app.command()
def retry(
    number: Annotated[int, typer.Argument(help="The dead letter's number.")],
    endpoint: Annotated[str, typer.Argument(help="The address's id.")],
    data: Data,
    database: DatabaseUrl = None,
) -> None:
    """Try a dead letter again."""
    target = parse_id(endpoint)
    with open_store(data, database) as store, store.database.transaction() as connection:
        retry_dead(connection, number, target, system_clock())
        store.note(connection, "webhook.retried", target)
    say("it is tried again")


@actions_app.command()
def deliver(
    data: Data,
    once: Annotated[bool, typer.Option(help="Try what is due, then stop.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between two looks.")] = 1.0,
    database: DatabaseUrl = None,
    metrics_port: MetricsPort = None,
    log: LogLines = False,
    as_json: AsJson = False,
) -> None:
    """Deliver actions until stopped; any number of these may run.

    Asked to stop, it begins no other delivery, and finishes those that are on their way.
    """
    if not 0.05 <= interval <= 3600:
        raise ConfigError("--interval must lie in 0.05…3600 seconds", setting="interval")
    sender, count = HttpSender(), 0
    metrics, voice = ActionMetrics(), voice_of("actions", warn, is_log=log)
    with asked_to_stop() as stop, open_store(data, database) as store:
        worker = Deliverer(
            store.database, store.endpoints, sender, system_clock, is_stopping=stop.is_set
        )
        with served_metrics(metrics_port, metrics, say):
            voice.say("started")
            while not stop.is_set():
                try:
                    delivered = worker.run()
                    count += delivered
                    metrics.delivered.inc(delivered)
                    if delivered:
                        voice.say("actions delivered", messages=delivered)
                    worker.purge()
                    metrics.look(store.database, system_clock)
                    voice.goes_on()
                except UnavailableError as exc:  # a server that restarts ends no worker
                    if once:
                        raise
                    voice.waits(exc, interval)
                if once:
                    break
                stop.wait(interval)
            voice.say("stopped")
    sender.close()
    say(f"{count} delivered")
    if as_json:
        print_json({"delivered": count})


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(actions_app, name="actions")
