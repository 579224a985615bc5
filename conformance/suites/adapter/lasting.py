"""What lasts and what holds: golden files are kept to, and a payload that is wrong becomes an absence with a name."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence

from conformance.checks import Broken, Check, Told, Untested, failed, passed, warned
from conformance.errors import CheckError
from conformance.suites.adapter import golden
from conformance.suites.adapter import requirements as must
from conformance.suites.adapter.mutations import MUTATIONS, Mutation
from conformance.suites.adapter.probe import Probe
from conformance.suites.adapter.trying import Tried
from conformance.wording import counted

_GOLDEN, _MUTATED = "golden files", "changed samples"
_MOST = 12  # differences of a finding
_LONGEST = 80
_WRONG = {
    "changed": "becomes another value",
    "still": "is used as if it were right",
    "silent": "is gone without a word",
    "kept": "is used as if it were right",
}


async def _kept(probe: Probe) -> Sequence[Told]:
    folder = probe.given.golden
    if folder is None:
        raise Untested("no folder of golden files was named (--golden)")
    ones, said, written, new = probe.ones(), list[Told](), 0, list[str]()
    for one in ones:
        path = golden.place(folder, one.sample.name)
        if probe.given.update:
            golden.save(path, probe.golden_of(one, probe.today))
            written += 1
            continue
        try:
            old = golden.load(path)
        except CheckError as error:
            fix = "if what it gives now is right, write the golden files anew: --update-golden"
            raise Broken(str(error), "integration-engineer", fix=fix) from error
        if old is None:
            new.append(one.sample.name)
            continue
        # Features age: what was fed on one day is too old on another.
        now = probe.golden_of(one, old.as_of)
        said += [_told(one.sample.name, found) for found in golden.differences(old, now)]
    if probe.given.update:
        return passed(f"{counted(written, 'golden file')} written")
    fix = "look at what they give, and keep it: the same command with --update-golden"
    said += warned(f"{counted(len(new), 'sample')} without a golden file: {', '.join(new[:4])}", fix=fix) if new else ()
    more = len(said) - _MOST
    if more > 0:
        said = [*said[:_MOST], Told(said[_MOST].verdict, f"and {more} more differences", fix=said[0].fix)]
    return said or passed(f"{counted(len(ones), 'sample')} give what their golden files say")


def _told(sample: str, found: golden.Difference) -> Told:
    fix = "if it is meant so, keep it with --update-golden; if not, find what changed: profile, map or version"
    return Told("fail", f"{sample}: {found.what}", _cut(found.old), _cut(found.new), found.what, fix)


def _cut(text: str) -> str:
    shown = golden.shown(text)
    return f"{shown[:_LONGEST]}…" if len(shown) > _LONGEST else shown


def _mutated(mutation: Mutation) -> Callable[[Probe], Awaitable[Sequence[Told]]]:
    async def check(probe: Probe) -> Sequence[Told]:
        if not probe.given.mutate:
            raise Untested("samples were not changed (--mutate)")
        tried = probe.tried(mutation.id)
        if not tried:
            raise Untested("no sample holds a resource that could be changed so")
        bad = Counter((one.kind, one.outcome, ", ".join(one.names[:3])) for one in tried if _is_wrong(mutation, one))
        if bad:
            return [told for key, number in bad.most_common(5) for told in _wrong(mutation, key, number, tried)]
        ends = Counter(one.outcome for one in tried)
        words = {"gone": "an absence with a name", "refused": "a refusal of the sample", "kept": "what it was"}
        shown = ", ".join(f"{count} {words[name]}" for name, count in ends.most_common())
        return passed(f"{mutation.what}: {counted(len(tried), 'time')}, {shown}")

    return check


def _is_wrong(mutation: Mutation, one: Tried) -> bool:
    right = {"gone": ("gone", "refused"), "calm": ("gone", "refused", "kept"), "same": ("kept",)}
    return one.outcome not in right[mutation.must]


def _wrong(mutation: Mutation, key: tuple[str, str, str], number: int, tried: Sequence[Tried]) -> Iterator[Told]:
    kind, outcome, names = key
    first = next(one for one in tried if (one.kind, one.outcome) == (kind, outcome))
    where = f"{names or 'the sample'}; {number} of {len(tried)}"
    message = f"{kind}, {mutation.what}: it {_WRONG.get(outcome, outcome)} ({where})"
    fix = f"tell Undersign's developers, with {first.sample}; until then let no such payload reach the service"
    yield from failed(message, expected="an absence with a name", got=outcome, path=f"$..{kind}", fix=fix)


CHECKS: tuple[Check[Probe], ...] = (
    Check("golden.kept", "Samples give what they gave", _GOLDEN, must.G1, "degrades", "integration-engineer", _kept),
    *(
        Check(f"mutated.{one.id}", one.what[:1].upper() + one.what[1:], _MUTATED, must.M1, "information", "undersign",
              _mutated(one))
        for one in MUTATIONS
    ),
)  # fmt: skip
