"""Graph files: weights and delays that are drawn, and synapses that learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

import procgraph as pg
from procgraph.compiler.pipeline import compile_graph
from procgraph.config import load_config
from procgraph.config.problems import Report
from procgraph.config.schema import json_schema
from procgraph.config.tree import read_text
from procgraph.errors import ConfigError, ParameterError
from procgraph.processes import LIF, Dense, Plastic, PoissonSource, Sparse
from procgraph.processes.loihi import LoihiRule
from procgraph.processes.rules import PairSTDP
from procgraph.spec.distributions import LogNormal, Normal, Uniform

VALIDATOR = jsonschema.Draft202012Validator(json_schema())
DRAWN = """\
procgraph: 1
dt: 0.1
processes:
  src: {type: PoissonSource, shape: 20, rate: 20 Hz}
  syn: {type: Sparse, rule: fixed_total, count: 50, WHAT}
  pop: {type: LIF, shape: 10}
channels: [src.s_out -> syn.s_in, syn.a_out -> pop.a_in]
"""
LEARNS = """\
procgraph: 1
dt: 0.1
processes:
  src: {type: PoissonSource, shape: 20, rate: 20 Hz}
  syn:
    type: Plastic
    synapses: {type: Sparse, rule: fixed_in_degree, count: 5, weights: 0.1, delay: 1.5 ms}
    rule: {type: PairSTDP, a_plus: 0.01, w_max: 0.3}
    sign: 1
  pop: {type: LIF, shape: 10}
channels:
  - src.s_out -> syn.s_in
  - pop.s_out -> syn.post_in
  - syn.a_out -> pop.a_in
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str, **options: Any) -> Any:
    Path("g.yaml").write_text(text, encoding="utf-8")
    return load_config("g.yaml", **options)


def schema_errors(text: str) -> list[Any]:
    node = read_text(text, Report("g"))
    assert node is not None
    return list(VALIDATOR.iter_errors(node.value()))


def problems(text: str, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, **options).compile()
    return [str(p).removeprefix("g.yaml:") for p in caught.value.problems]


def same_program(text: str, pop: LIF) -> bool:
    assert not schema_errors(text)
    return bool(load(text).compile().data == compile_graph(pg.Graph(pop, dt=0.1)).data)


@pytest.mark.parametrize(
    ("written", "weights", "delay"),
    [
        ("weights: {normal: {mean: 0.5, sd: 0.1, low: 0, grid: 0.0625}}", Normal(0.5, 0.1, low=0.0, grid=0.0625), 1),
        ("weights: {lognormal: {mu: -2, sigma: 0.5, high: .inf}}", LogNormal(-2.0, 0.5), 1),
        ("weights: {uniform: {low: -1, high: 0.5}}, delay: 2 ms", Uniform(-1.0, 0.5), "2 ms"),
        ("delay: {normal: {mean: 1.5, sd: 0.75 ms, low: 50 us}}", 1.0, Normal(1.5, 0.75, low=0.05)),
        ("weights: 2, delay: {uniform: {low: 0.001 s, high: 3}}", 2.0, Uniform(1.0, 3.0)),
    ],
)
def test_distributions(written: str, weights: Any, delay: Any) -> None:
    src, pop = PoissonSource(shape=20, rate=20.0, name="src"), LIF(shape=10, name="pop")
    src >> Sparse(weights, rule="fixed_total", count=50, delay=delay, name="syn") >> pop
    assert same_program(DRAWN.replace("WHAT", written), pop)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("weights: {normal: {mean: 1}}", ["5:63: syn.weights: normal needs the key 'sd'."]),
        (
            "weights: {lognormal: [-1, 0.5]}",
            ["5:63: syn.weights: lognormal needs the key 'mu'.", "5:63: syn.weights: lognormal needs the key 'sigma'."],
        ),
        (
            "weights: {normal: {mean: 1, sigma: 1, sd: x}}",
            [
                "5:81: syn.weights: normal has no key 'sigma'. Known: grid, high, low, mean, sd.",
                "5:91: 'x' is not a quantity. Write a number and a unit, such as '5 ms'.",
            ],
        ),
        ("weights: {normal: {mean: 1 mV, sd: 1}}", ["5:72: syn.weights.mean is given in 'mV'; allowed: no unit"]),
        ("delay: {normal: {mean: 1, sd: 1 mV}}", ["5:79: syn.delay.sd is given in 'mV'; allowed: one of s, ms, us."]),
        ("delay: {normal: {mean: true, sd: .inf}}", ["5:70: syn.delay.mean is True", "5:82: syn.delay.sd is inf"]),
        ("weights: {uniform: {low: 2, high: 1}}", ["5:63: syn.weights: Uniform(low=2.0, high=1.0"]),
        ("weights: {normal: {mean: 0, sd: 1, low: 99}}", ["5:63: syn.weights: Normal(low=99.0"]),
        ("weights: {uniform: {low: 0, high: 1}, shape: 3}", ["5:91: syn.weights has the key 'shape'; allowed: one"]),
        ("delay: {normal: {mean: 1, sd: 1}}", ["5:53: syn.delay is drawn from -"]),
        ("weights: {normall: {mean: 1, sd: 1}}", ["5:53: syn.weights is a mapping with 'normall'"]),
    ],
)
def test_wrong_distributions(written: str, expected: list[str]) -> None:
    found = problems(DRAWN.replace("WHAT", written))
    assert len(found) == len(expected), found
    for line, start in zip(found, expected):
        assert line.startswith(start), found


def test_distributions_where_none_can_be() -> None:
    text = DRAWN.replace("WHAT", "weights: 1").replace("shape: 10", "shape: 10, v: {normal: {mean: 0, sd: 1}}")
    assert problems(text) == [
        "6:31: pop.v is a distribution or a function of distance; allowed: for weights, delay and kernel of Sparse. "
        "Write an array as {normal: [mean, sd], shape: …, seed: …}."
    ]
    assert schema_errors(text)
    listed = DRAWN.replace(
        "rule: fixed_total, count: 50, WHAT", "pre: [0], post: [1], weights: {uniform: {low: 0, high: 1}}"
    )
    assert "a distribution needs rule=" in problems(listed)[0]


def test_generated_arrays_stay() -> None:
    text = DRAWN.replace("WHAT", "weights: 1").replace(
        "shape: 10", "shape: 10, v: {normal: [0.2, 0.1], shape: 10, seed: 3}"
    )
    assert load(text).processes["pop"].values["v"].std() > 0 and not schema_errors(text)


def join(src: PoissonSource, syn: Plastic, pop: LIF) -> LIF:
    src.s_out.connect(syn.s_in)
    pop.s_out.connect(syn.post_in)
    syn.a_out.connect(pop.a_in)
    return pop


def test_plastic_synapses() -> None:
    synapses = Sparse(0.1, rule="fixed_in_degree", count=5, delay="1.5 ms")
    src, pop = PoissonSource(shape=20, rate=20.0, name="src"), LIF(shape=10, name="pop")
    assert same_program(LEARNS, join(src, Plastic(synapses, PairSTDP(a_plus=0.01, w_max=0.3), name="syn"), pop))


def test_dendritic_delays() -> None:
    synapses = Sparse(0.1, rule="fixed_in_degree", count=5, delay="1.5 ms")
    src, pop = PoissonSource(shape=20, rate=20.0, name="src"), LIF(shape=10, name="pop")
    syn = Plastic(synapses, PairSTDP(a_plus=0.01, w_max=0.3), dendritic=True, name="syn")
    joined = join(src, syn, pop)
    assert same_program(LEARNS.replace("sign: 1", "dendritic: true"), joined)
    assert not same_program(LEARNS, joined)


def test_loihi_rule() -> None:
    text = LEARNS.replace(
        "{type: PairSTDP, a_plus: 0.01, w_max: 0.3}", "{type: LoihiRule, dw: 2^-4 * x1 * y0, t_epoch: 4}"
    )
    text = text.replace(
        "{type: Sparse, rule: fixed_in_degree, count: 5, weights: 0.1, delay: 1.5 ms}", "&d {type: Dense, weights: W}"
    )
    text = text.replace("W}", "{constant: 0.1, shape: [10, 20]}}").replace("sign: 1", "sign: -1")
    src, pop = PoissonSource(shape=20, rate=20.0, name="src"), LIF(shape=10, name="pop")
    rule = LoihiRule(dw="2^-4 * x1 * y0", t_epoch=4)
    syn = Plastic(Dense([[0.1] * 20] * 10), rule, sign=-1, name="syn")
    assert same_program(text, join(src, syn, pop))


LOIHI = "{type: LoihiRule, dw: x1 * y0 * d, dd: 2^-4 * x0 * t, d: 3, t: DRAWN, t_epoch: 4}"


def test_variables_of_a_rule_begin_with_what_is_given() -> None:
    rule = "{type: PairSTDP, a_plus: 0.01, w_max: 0.3}"
    text = LEARNS.replace(rule, LOIHI.replace("DRAWN", "{uniform: [0, 1], shape: 50, seed: 2}"))
    assert not schema_errors(text)
    states = {c.name: c.tensor for n in load(text).compile().ir.nodes if n.name == "syn" for c in n.states}
    assert (states["d"].tolist(), states["t"].size, states["x1_at_y0"].tolist()) == ([3.0], 50, [0.0])
    assert states["t"].std() > 0.1
    wrong = LEARNS.replace(rule, LOIHI.replace("DRAWN", "[1, 2, 3]"))
    assert problems(wrong)[0].startswith(
        "8:71: syn.rule.t has 3 values; allowed: one number, or one for each of the 50"
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("PairSTDP", "PairSTPD", "8:12: syn.rule: 'PairSTPD' is no plasticity rule. Did you mean 'PairSTDP'?"),
        ("a_plus", "a_pluss", "8:28: syn.rule (PairSTDP) has no argument 'a_pluss'. Did you mean 'a_plus'? Known: "),
        ("w_max: 0.3", "tau_plus: -1", "8:42: syn.rule.tau_plus is -1; allowed: > 0 ms."),
        ("w_max: 0.3", "period: 2", "8:42: syn.rule (PairSTDP) has no argument 'period'."),
        ("w_max: 0.3", "w_min: 2", "8:42: syn.rule: PairSTDP.w_min is 2; allowed: at most w_max, 1."),
        ("type: PairSTDP, a_plus: 0.01", "type: LoihiRule, dw: x1 * z0", "8:29: syn.rule: LoihiRule.dw uses "),
        ("PairSTDP, a_plus: 0.01", "LoihiRule, dd: w, d: -2", "8:36: syn.rule: LoihiRule.d is -2; allowed: >= 0."),
        ("{type: PairSTDP, a_plus: 0.01, w_max: 0.3}", "PairSTDP", "8:11: syn.rule is 'PairSTDP'; allowed: a mapping"),
        ("type: PairSTDP, ", "", "8:11: syn.rule needs the key 'type'."),
        ("type: Sparse", "type: AllToAll", "7:16: syn.synapses: 'AllToAll' is no type of synapses that can learn."),
        ("rule: fixed_in_degree", "rule: fixed_in_degre", "7:30: syn.synapses.rule is 'fixed_in_degre'; allowed: "),
        ("delay: 1.5 ms", "delay: 1.55 ms", "7:77: syn.synapses.delay is '1.55 ms', 15.5 steps of 0.1 ms"),
        ("delay: 1.5 ms", "autapses: false", "7:77: syn.synapses: autapses=False needs equal sizes"),
        ("sign: 1", "sign: 2", "9:5: syn.sign is 2; allowed: 1, -1."),
        ("sign: 1", "dendritic: 3", "9:5: syn.dendritic is 3; allowed: a bool."),
        ("sign: 1", "sing: 1", "9:5: syn (Plastic) has no argument 'sing'. Did you mean 'sign'?"),
        ("sign: 1", "weights: 1", "9:5: syn (Plastic) has no argument 'weights'."),
        ("  syn:\n", "  a: {type: PairSTDP}\n  syn:\n", "5:7: a: PairSTDP is a plasticity rule; it stands under"),
    ],
)  # fmt: skip
def test_wrong_plastic_synapses(old: str, new: str, expected: str) -> None:
    assert old in LEARNS
    found = problems(LEARNS.replace(old, new, 1))
    assert len(found) == 1 or "sing" in new or "a: {" in new, found
    assert found[0].startswith(expected), found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a_plus", "a_pluss"),
        ("w_max: 0.3", "period: 2"),
        ("type: PairSTDP, ", ""),
        ("count: 5", "cont: 5"),
        ("weights: 0.1", "weights: {normal: {mean: 1}}"),
        ("delay: 1.5 ms", "delay: 1.5 mV"),
        ("sign: 1", "sign: 2"),
        ("sign: 1", "weights: 1"),
    ],
)
def test_schema_refuses(old: str, new: str) -> None:
    assert old in LEARNS and schema_errors(LEARNS.replace(old, new, 1))


def test_several_problems_have_their_places() -> None:
    text = LEARNS.replace("a_plus: 0.01", "a_pls: 1").replace("count: 5", "cont: 5").replace("sign: 1", "sgn: 1")
    assert [p.split(": ")[0] for p in problems(text)] == ["7:5", "7:53", "8:28", "9:5"]


def test_values_inside_can_be_replaced() -> None:
    config = load(LEARNS, overrides={"syn.rule.a_plus": 0.5, "syn.synapses.count": 3, "syn.rule.w_max": 2})
    syn: Any = config.processes["syn"]
    assert (syn.rule.values["a_plus"], syn.rule.values["w_max"], syn.synapses.values["count"]) == (0.5, 2.0, 3)
    shared = LEARNS.replace("rule: {type", "rule: &r {type").replace(
        "  pop:", "  two: {type: Plastic, synapses: {type: Dense, weights: [[1]]}, rule: *r}\n  pop:"
    )
    config = load(shared, overrides={"two.rule.a_plus": 0.5})
    assert [config.processes[k].rule.values["a_plus"] for k in ("syn", "two")] == [0.01, 0.5]
    assert "leads nowhere" in problems(LEARNS, overrides={"syn.rul.a_plus": 1})[0]


OWN = """\
import procgraph as pg
from procgraph.spec.rules import PostTrace, Rule

class Decay(Rule):
    amount = pg.Param(0.01, scalar=True)
    y = PostTrace(20.0)

    @staticmethod
    def on_pre(p, d, s, x):
        return {"w": s.w - p.amount * x.y}
"""


def test_rules_of_imported_files() -> None:
    Path("own.py").write_text(OWN, encoding="utf-8")
    text = LEARNS.replace("processes:", "imports: [own.py]\nprocesses:").replace("PairSTDP, a_plus", "Decay, amount")
    assert load(text).processes["syn"].rule.values["amount"] == 0.01 and not schema_errors(text)
    assert "did you mean 'amount'" in problems(text.replace("amount", "amont"))[0].lower()


def test_constructors_refuse_what_they_would_ignore() -> None:
    with pytest.raises(ParameterError, match="give the initial weights to its synapses"):
        Plastic(Dense([[1.0]]), PairSTDP(), weights=3.0)
    with pytest.raises(ParameterError, match="takes 't_epoch', not 'epoch'"):
        LoihiRule(dw="x1", epoch=3)
