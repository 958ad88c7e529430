"""The built-in Processes: what an entity is, without saying with what it runs."""

from procgraph.processes.encoders.decoders import Argmax, FirstSpike, RateDecoder, SpikeCount
from procgraph.processes.encoders.delta import DeltaEncoder
from procgraph.processes.encoders.latency import LatencyEncoder
from procgraph.processes.encoders.rate import BernoulliEncoder, PoissonEncoder
from procgraph.processes.io.event_camera import EventCamera
from procgraph.processes.io.gymnasium import Gymnasium
from procgraph.processes.io.vizdoom import VizDoom
from procgraph.processes.neurons.adex import AdEx, CondAdEx
from procgraph.processes.neurons.alif import ALIF, ATRLIF
from procgraph.processes.neurons.alpha import AlphaLIF
from procgraph.processes.neurons.conductance import AlphaCondLIF, CondLIF
from procgraph.processes.neurons.cuba import CubaLIF
from procgraph.processes.neurons.gif import GIF, PoissonNeuron
from procgraph.processes.neurons.hodgkin_huxley import HodgkinHuxley, TraubMiles
from procgraph.processes.neurons.izhikevich import GeneralIzhikevich, Izhikevich
from procgraph.processes.neurons.li import LI
from procgraph.processes.neurons.lif import IF, LIF, DualExpLIF, ExpLIF
from procgraph.processes.neurons.parrot import Parrot
from procgraph.processes.neurons.quadratic import QuadraticIF
from procgraph.processes.neurons.resonate import ResonateAndFire
from procgraph.processes.neurons.sigma_delta import Delta, Sigma, SigmaDelta
from procgraph.processes.sources.given import CurrentSource, FrameSource, SpikeSource
from procgraph.processes.sources.poisson import BernoulliSource, PoissonSource
from procgraph.processes.sources.sinks import ArraySink, SpikeSink
from procgraph.processes.synapses.conv import AvgPool2d, Conv2d, SumPool2d
from procgraph.processes.synapses.dense import AllToAll, Dense, OneToOne
from procgraph.processes.synapses.plastic import Plastic
from procgraph.processes.synapses.short_term import TsodyksMarkram
from procgraph.processes.synapses.sparse import Sparse

__all__ = [
    "ALIF",
    "ATRLIF",
    "GIF",
    "IF",
    "LI",
    "LIF",
    "AdEx",
    "AllToAll",
    "AlphaCondLIF",
    "AlphaLIF",
    "Argmax",
    "ArraySink",
    "AvgPool2d",
    "BernoulliEncoder",
    "BernoulliSource",
    "CondAdEx",
    "CondLIF",
    "Conv2d",
    "CubaLIF",
    "CurrentSource",
    "Delta",
    "DeltaEncoder",
    "Dense",
    "DualExpLIF",
    "EventCamera",
    "ExpLIF",
    "FirstSpike",
    "FrameSource",
    "GeneralIzhikevich",
    "Gymnasium",
    "HodgkinHuxley",
    "Izhikevich",
    "LatencyEncoder",
    "OneToOne",
    "Parrot",
    "Plastic",
    "PoissonEncoder",
    "PoissonNeuron",
    "PoissonSource",
    "QuadraticIF",
    "RateDecoder",
    "ResonateAndFire",
    "Sigma",
    "SigmaDelta",
    "Sparse",
    "SpikeCount",
    "SpikeSink",
    "SpikeSource",
    "SumPool2d",
    "TraubMiles",
    "TsodyksMarkram",
    "VizDoom",
]
