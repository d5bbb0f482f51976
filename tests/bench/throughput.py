"""How many events a second, and what does each cost? By everything that may matter, against the loops beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from tests.adapters.test_http_tls import Authority
from tests.bench.figures import Figure, figure
from tests.bench.listening import Listening
from tests.bench.rig import ACCOUNTS, Rig, Seen, cores, others_of

Kinds = dict[str, Callable[[], Awaitable[Seen]]]
SIZES = {512: "0.5 KB", 2048: "2 KB", 20 * 1024: "20 KB"}
BYTES = 100_000_000
"""Of a topic of large events, about."""


async def goals(rig: Rig) -> list[Figure]:
    """Default settings and one event a POST, against the naive loop of the same; what its two halves cost alone."""
    events = rig.scale.events
    few = events // 5
    topic, single = await rig.topic(events), await rig.topic(few)
    seen = await rig.rounds(
        {
            "naive, 100 a POST": lambda: rig.full(rig.naive(topic, 100), events),
            "lmshooks, default": lambda: rig.full(rig.daemon(topic, rig.subscriptions(ACCOUNTS)), events),
            "naive, an account a POST": _naive(rig, topic, 100, events, apart=True),
            "naive, 1 a POST": lambda: rig.full(rig.naive(single, 1), few),
            "lmshooks, max_events 1": lambda: rig.full(
                rig.daemon(single, rig.subscriptions(ACCOUNTS, max_events=1)), few
            ),
        }
    )
    n100, d100, apart, n1, d1 = seen.values()
    read = [await rig.alone("consume", topic, events) for _ in range(rig.scale.rounds)]
    posted = [await rig.alone("post", rig.url("hook"), few, 600) for _ in range(rig.scale.rounds)]
    others = others_of(seen)
    return [
        figure("default settings", "events/s", rates(d100), theirs=rates(n100), baseline="naive, 100 a POST",
               least=100_000, others=others, note=f"{a_post(d100):.0f} a POST; {cores(d100[0])}"),
        figure("default settings, CPU", "us an event", cpus(d100), theirs=cpus(n100), baseline="naive", most=8,
               others=others),
        figure("default settings, CPU beside one account a POST", "us an event", cpus(d100), theirs=cpus(apart),
               baseline="naive, an account a POST", others=others, note=f"{a_post(apart):.0f} a POST of the baseline"),
        figure("default settings, resident at most", "MiB", memories(d100), theirs=memories(n100), baseline="naive",
               most=80, others=others),
        figure("max_events 1", "events/s", rates(d1), theirs=rates(n1), baseline="naive, 1 a POST", others=others,
               note=cores(d1[0])),
        figure("max_events 1, CPU", "us an event", cpus(d1), theirs=cpus(n1), baseline="naive", ratio=1.15,
               others=others),
        figure("max_events 1, resident at most", "MiB", memories(d1), theirs=memories(n1), baseline="naive",
               others=others),
        figure("a bare consume loop", "us an event", [one["cpu"] / one["events"] * 1e6 for one in read],
               note=f"{max(one['events'] / one['seconds'] for one in read):,.0f} events/s"),
        figure("a bare POST loop, one event each", "us an event", [one["cpu"] / one["events"] * 1e6 for one in posted],
               note=f"{max(one['events'] / one['seconds'] for one in posted):,.0f} events/s"),
    ]  # fmt: skip


async def method(rig: Rig) -> list[Figure]:
    """The naive loop against itself: what a ratio of this bench can be off by."""
    events = rig.scale.events
    few = events // 5
    topic, single = await rig.topic(events), await rig.topic(few)
    seen = await rig.rounds(
        {
            "A, 100 a POST": lambda: rig.full(rig.naive(topic, 100), events),
            "B, 100 a POST": lambda: rig.full(rig.naive(topic, 100), events),
            "A, 1 a POST": lambda: rig.full(rig.naive(single, 1), few),
            "B, 1 a POST": lambda: rig.full(rig.naive(single, 1), few),
        }
    )
    found = []
    a100, b100, a1, b1 = seen.values()
    for what, ours, theirs in (("100 a POST", a100, b100), ("1 a POST", a1, b1)):
        found.append(figure(f"naive against itself, {what}", "events/s", rates(ours), theirs=rates(theirs)))
        found.append(figure(f"naive against itself, {what}, CPU", "us an event", cpus(ours), theirs=cpus(theirs)))
    return found


async def subscriptions(rig: Rig) -> list[Figure]:
    """1, 100 and 10,000 subscriptions of as many accounts, all busy, against the naive loop with one account a POST."""
    found = []
    for count, busy in ((1, 1), (100, 100), (10_000, 100), (10_000, 10_000)):
        events = rig.scale.events // (4 if busy == 10_000 else 2)
        topic = await rig.topic(events, accounts=busy)
        what = f"{count:,} subscriptions" + (f", {busy:,} busy" if busy < count else "")
        seen = await rig.rounds(
            {
                f"naive, {busy:,} accounts": _naive(rig, topic, 100, events, apart=True),
                what: _run(rig, topic, rig.subscriptions(count), events),
            }
        )
        theirs, ours = seen.values()
        found += against(what, ours, theirs, "naive, an account a POST", others_of(seen))
        found.append(figure(f"{what}, resident at most", "MiB", memories(ours), theirs=memories(theirs)))
    return found


async def fan_out(rig: Rig) -> list[Figure]:
    """Each event to five subscriptions of its account: a delivery of it to each counts one."""
    events = rig.scale.events // 2
    topic = await rig.topic(events)
    kinds = {
        "one subscription an account": _run(rig, topic, rig.subscriptions(ACCOUNTS), events),
        "five subscriptions an account": _run(rig, topic, rig.subscriptions(ACCOUNTS, copies=5), events * 5),
    }
    return compared(await rig.rounds(kinds), "one subscription an account", cpu_most=8.0)


async def events_a_post(rig: Rig) -> list[Figure]:
    """1, 10 and 100 events a POST, each against the naive loop of the same."""
    found = []
    for most in (1, 10, 100):
        events = rig.scale.events // {1: 5, 10: 2, 100: 1}[most]
        topic = await rig.topic(events)
        seen = await rig.rounds(
            {
                f"naive, {most} a POST": _naive(rig, topic, most, events),
                f"lmshooks, max_events {most}": _run(
                    rig, topic, rig.subscriptions(ACCOUNTS, max_events=most), events
                ),
            }
        )  # fmt: skip
        theirs, ours = seen.values()
        found += against(f"max_events {most}", ours, theirs, f"naive, {most} a POST", others_of(seen))
    return found


async def payload(rig: Rig) -> list[Figure]:
    """Events of 0.5, 2 and 20 KB, against the naive loop with one account a POST, as many as fit into the daemon's."""
    found = []
    for size, name in SIZES.items():
        events = min(rig.scale.events // 2, BYTES // size)
        topic = await rig.topic(events, size=size)
        most = min(100, 1024 * 1024 // size)
        seen = await rig.rounds(
            {
                f"naive, {name}": _naive(rig, topic, most, events, apart=True),
                f"lmshooks, {name}": _run(rig, topic, rig.subscriptions(ACCOUNTS), events),
            }
        )
        theirs, ours = seen.values()
        found += against(f"{name} an event", ours, theirs, "naive, an account a POST", others_of(seen))
    return found


async def dead(rig: Rig) -> list[Figure]:
    """None, 10 % and 50 % of the endpoints dead, half of them hanging: what each event that arrives costs."""
    events = rig.scale.events // 2
    topic = await rig.topic(events)
    kinds: Kinds = {}
    for share in (0, 10, 50):
        mixed = rig.subscriptions(ACCOUNTS)
        for at in range(share):
            mixed[at]["url"] = rig.url("hang" if at % 2 else "dead")
        kinds[f"{share} % dead"] = _run(rig, topic, mixed, events * (ACCOUNTS - share) // ACCOUNTS)
    return compared(await rig.rounds(kinds), "0 % dead")


async def tls(rig: Rig) -> list[Figure]:
    """The endpoint over TLS on kept connections, against the same without."""
    authority, found = Authority(rig.folder, "bench"), []
    chain = rig.folder / "bench-server.pem"
    with Listening((chain, chain)) as listening:
        secure = rig.beside(listening)
        for most in (1, 100):
            events = rig.scale.events // {1: 10, 100: 2}[most]
            topic = await rig.topic(events)
            plain = rig.subscriptions(ACCOUNTS, max_events=most)
            coded = secure.subscriptions(ACCOUNTS, max_events=most, tls={"ca_file": str(authority.file)})
            seen = await rig.rounds(
                {
                    f"http, max_events {most}": _run(rig, topic, plain, events),
                    f"https, max_events {most}": _run(secure, topic, coded, events),
                }
            )
            theirs, ours = seen.values()
            found += against(f"https, max_events {most}", ours, theirs, "http", others_of(seen))
    return found


def _run(rig: Rig, topic: str, entries: list[dict], deliveries: int) -> Callable[[], Awaitable[Seen]]:
    return lambda: rig.full(rig.daemon(topic, entries), deliveries)


def _naive(rig: Rig, topic: str, per_post: int, events: int, *, apart: bool = False) -> Callable[[], Awaitable[Seen]]:
    return lambda: rig.full(rig.naive(topic, per_post, apart=apart), events)


def compared(seen: Mapping[str, list[Seen]], first: str, cpu_most: float | None = None) -> list[Figure]:
    """Rate, CPU and memory of every kind, against the first of them."""
    found = []
    others = others_of(seen)
    for kind, runs in seen.items():
        beside = {} if kind == first else {"baseline": first}
        theirs = seen[first]
        goal = {} if cpu_most is None or kind == first else {"most": cpu_most}
        for what, unit, of, more in (
            (kind, "events/s", rates, {}),
            (f"{kind}, CPU", "us an event", cpus, goal),
            (f"{kind}, resident at most", "MiB", memories, {}),
        ):
            base = {**beside, "theirs": of(theirs)} if beside else {}
            found.append(figure(what, unit, of(runs), others=others, **base, **more))
    return found


def against(what: str, ours: list[Seen], theirs: list[Seen], baseline: str, others: float) -> list[Figure]:
    """Rate and CPU of one kind against its baseline."""
    note = f"{a_post(ours):.0f} a POST, theirs {a_post(theirs):.0f}; {cores(ours[0])}"
    return [
        figure(what, "events/s", rates(ours), theirs=rates(theirs), baseline=baseline, others=others, note=note),
        figure(f"{what}, CPU", "us an event", cpus(ours), theirs=cpus(theirs), baseline=baseline, others=others),
    ]


def rates(runs: list[Seen]) -> tuple[float, ...]:
    return tuple(one.rate for one in runs)


def cpus(runs: list[Seen]) -> tuple[float, ...]:
    return tuple(one.cpu for one in runs)


def memories(runs: list[Seen]) -> tuple[float, ...]:
    return tuple(one.memory for one in runs)


def a_post(runs: list[Seen]) -> float:
    return max(one.a_post for one in runs)
