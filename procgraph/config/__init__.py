"""Graphs as YAML files: validated by pydantic, every problem reported with its line, and a JSON Schema for editors."""

from procgraph.config.load import Config, load_config, load_graph
from procgraph.config.problems import Problem

__all__ = ["Config", "Problem", "load_config", "load_graph"]
