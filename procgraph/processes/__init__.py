"""The built-in Processes: what an entity is, without saying with what it runs."""

from procgraph.processes.encoders.decoders import Argmax, FirstSpike, RateDecoder, SpikeCount
from procgraph.processes.encoders.delta import DeltaEncoder
from procgraph.processes.encoders.latency import LatencyEncoder
from procgraph.processes.encoders.rate import BernoulliEncoder, PoissonEncoder
from procgraph.processes.io.event_camera import EventCamera
from procgraph.processes.io.gymnasium import Gymnasium
from procgraph.processes.io.vizdoom import VizDoom
from procgraph.processes.neurons.alif import ALIF, ATRLIF
from procgraph.processes.neurons.cuba import CubaLIF
from procgraph.processes.neurons.izhikevich import Izhikevich
from procgraph.processes.neurons.li import LI
from procgraph.processes.neurons.lif import IF, LIF, ExpLIF
from procgraph.processes.sources.given import CurrentSource, FrameSource, SpikeSource
from procgraph.processes.sources.poisson import BernoulliSource, PoissonSource
from procgraph.processes.sources.sinks import ArraySink, SpikeSink
from procgraph.processes.synapses.conv import AvgPool2d, Conv2d, SumPool2d
from procgraph.processes.synapses.dense import AllToAll, Dense, OneToOne
from procgraph.processes.synapses.plastic import Plastic
from procgraph.processes.synapses.sparse import Sparse

__all__ = [
    "ALIF",
    "ATRLIF",
    "IF",
    "LI",
    "LIF",
    "AllToAll",
    "Argmax",
    "ArraySink",
    "AvgPool2d",
    "BernoulliEncoder",
    "BernoulliSource",
    "Conv2d",
    "CubaLIF",
    "CurrentSource",
    "DeltaEncoder",
    "Dense",
    "EventCamera",
    "ExpLIF",
    "FirstSpike",
    "FrameSource",
    "Gymnasium",
    "Izhikevich",
    "LatencyEncoder",
    "OneToOne",
    "Plastic",
    "PoissonEncoder",
    "PoissonSource",
    "RateDecoder",
    "Sparse",
    "SpikeCount",
    "SpikeSink",
    "SpikeSource",
    "SumPool2d",
    "VizDoom",
]
