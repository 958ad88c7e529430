#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "procgraph/engine.hpp"
#include "procgraph/storage.hpp"
#include "procgraph/version.hpp"

namespace py = pybind11;

namespace procgraph::python {
namespace {

const char* exception_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::format:
      return "ProgramFormatError";
    case ErrorKind::argument:
      return "ParameterError";
    case ErrorKind::shape:
      return "ShapeError";
    case ErrorKind::name:
      return "UnknownNameError";
    case ErrorKind::state:
      return "RunStateError";
    case ErrorKind::overflow:
      return "ChannelOverflowError";
    case ErrorKind::blocked:
      return "ChannelBlockedError";
    case ErrorKind::checkpoint:
      return "CheckpointError";
    case ErrorKind::device:
      return "DeviceError";
    default:
      return nullptr;
  }
}

PyObject* builtin_exception(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::format:
    case ErrorKind::argument:
    case ErrorKind::shape:
    case ErrorKind::checkpoint:
      return PyExc_ValueError;
    case ErrorKind::name:
      return PyExc_LookupError;
    case ErrorKind::io:
      return PyExc_OSError;
    default:
      return PyExc_RuntimeError;
  }
}

/// The package's exception of this kind; a built-in one where the package is not there.
void raise(const Error& error) {
  if (const char* name = exception_name(error.kind())) {
    try {
      const py::object type = py::module_::import("procgraph.errors").attr(name);
      PyErr_SetObject(type.ptr(), type(error.what()).ptr());
      return;
    } catch (py::error_already_set&) {
      PyErr_Clear();
    }
  }
  PyErr_SetString(builtin_exception(error.kind()), error.what());
}

py::tuple recording_tuple(Recording&& recording) {
  if (!recording.is_events) {
    return py::make_tuple(to_numpy(std::move(recording.steps)),
                          to_numpy(std::move(recording.samples)));
  }
  return py::make_tuple(to_numpy(std::move(recording.steps)), to_numpy(std::move(recording.lane)),
                        to_numpy(std::move(recording.index)),
                        to_numpy(std::move(recording.payload)));
}

py::dict state_dict(State&& state) {
  py::dict out;
  for (auto& [key, array] : state) out[py::str(key)] = to_numpy(std::move(array));
  return out;
}

void import_state(Engine& engine, std::int64_t step, std::uint64_t seed, const py::dict& state) {
  std::vector<Borrowed> owners;
  StateView view;
  for (const auto& [key, values] : state) {
    const auto name = py::cast<std::string>(key);
    owners.push_back(borrow(py::reinterpret_borrow<py::object>(values), std::nullopt));
    view[name] = owners.back().view;
  }
  engine.import_state(step, seed, view);
}

py::dict stats_dict(const Stats& stats) {
  py::dict nodes;
  for (const auto& [name, entry] : stats.nodes) {
    nodes[py::str(name)] =
        py::dict(py::arg("events") = entry.events, py::arg("ticks") = entry.ticks,
                 py::arg("seconds") = entry.seconds);
  }
  py::list channels;
  for (const auto& entry : stats.channels) {
    channels.append(py::dict(py::arg("channel") = entry.channel, py::arg("source") = entry.source,
                             py::arg("target") = entry.target, py::arg("depth") = entry.depth,
                             py::arg("high_water") = entry.high_water,
                             py::arg("dropped") = entry.dropped));
  }
  return py::dict(py::arg("nodes") = nodes, py::arg("channels") = channels,
                  py::arg("profiled") = stats.profiled,
                  py::arg("delivery_seconds") = stats.delivery_seconds);
}

py::list storage_list(const std::vector<TableStorage>& tables) {
  py::list out;
  for (const auto& entry : tables) {
    out.append(py::dict(py::arg("source") = entry.source,
                        py::arg("projections") = entry.projections,
                        py::arg("counts") = entry.counts, py::arg("synapses") = entry.synapses,
                        py::arg("bytes") = entry.bytes, py::arg("format") = entry.format,
                        py::arg("delivery") = entry.delivery));
  }
  return out;
}

/// Calls a Python kernel with lists of NumPy views: (columns, states, inputs, input_scales,
/// outputs, draws).
void call_kernel(const py::object& function, const pg_kernel_args& args,
                 const KernelLayout& layout) {
  const py::gil_scoped_acquire gil;
  const auto list_of = [&](auto pointers, const std::vector<DType>& dtypes, bool writeable) {
    py::list list;
    for (std::size_t i = 0; i < dtypes.size(); ++i) {
      list.append(view_of(const_cast<void*>(pointers[i]), dtypes[i], args.n, writeable));
    }
    return list;
  };
  py::list scales;
  for (std::size_t i = 0; i < layout.inputs.size(); ++i) scales.append(args.input_scales[i]);
  py::list draws;
  for (int r = 0; r < layout.draws; ++r) {
    draws.append(view_of(const_cast<std::int32_t*>(args.draws[r]), DType::int32, args.n, false));
  }
  function(list_of(args.columns, layout.columns, false), list_of(args.states, layout.states, true),
           list_of(args.inputs, layout.inputs, false), scales,
           list_of(args.outputs, layout.outputs, true), draws);
}

void register_kernel(const std::string& name, const std::string& hash, py::object function) {
  // The last reference may go in any thread, with or without the interpreter's lock.
  const std::shared_ptr<py::object> held(new py::object(std::move(function)), [](py::object* p) {
    const py::gil_scoped_acquire gil;
    delete p;
  });
  const auto call = [held](const pg_kernel_args& args, const KernelLayout& layout) {
    call_kernel(*held, args, layout);
  };
  KernelRegistry::process().add(name, hash,
                                {nullptr, std::make_shared<const KernelCallback>(call)});
}

/// A Python object of bytes, which nobody can change.
class HeldBytes : public Storage {
 public:
  explicit HeldBytes(py::bytes object)
      : object_(std::move(object)), data_(static_cast<std::string_view>(object_)) {}
  ~HeldBytes() override {
    const py::gil_scoped_acquire gil;
    object_.release().dec_ref();
  }
  HeldBytes(const HeldBytes&) = delete;
  HeldBytes& operator=(const HeldBytes&) = delete;

  std::span<const std::byte> bytes() const override {
    return std::as_bytes(std::span<const char>(data_));
  }
  bool aligned() const {
    return reinterpret_cast<std::uintptr_t>(data_.data()) % Program::kAlignment == 0;
  }

 private:
  py::bytes object_;
  std::string_view data_;
};

std::shared_ptr<const Program> from_bytes(const py::buffer& data) {
  if (py::isinstance<py::bytes>(data)) {
    auto held = std::make_unique<HeldBytes>(py::reinterpret_borrow<py::bytes>(data));
    if (held->aligned()) return Program::from_storage(std::move(held));
  }
  const py::buffer_info info = data.request();
  const auto size = static_cast<std::size_t>(info.size * info.itemsize);
  return Program::from_bytes({static_cast<const std::byte*>(info.ptr), size});
}

void bind_program(py::module_& m) {
  // pybind11 holds const objects as non-const; the members below only read.
  py::class_<Program, std::shared_ptr<Program>>(m, "Program")
      .def_static(
          "from_bytes",
          [](const py::buffer& data) { return std::const_pointer_cast<Program>(from_bytes(data)); },
          py::arg("data"))
      .def_static(
          "open",
          [](const py::object& path) {
            const auto name = py::cast<std::string>(py::module_::import("os").attr("fspath")(path));
            const py::gil_scoped_release release;
            return std::const_pointer_cast<Program>(Program::open(name));
          },
          py::arg("path"))
      .def_readonly("dt", &Program::dt)
      .def_readonly("seed", &Program::seed)
      .def_property_readonly("nodes", [](const Program& program) {
        std::vector<std::string> names;
        for (const Node& node : program.nodes) names.push_back(node.name);
        return names;
      });
}

/// The dtype that `write` will ask for: that of what `read` returns.
void write(Engine& engine, const std::string& node, const std::string& section,
           const std::string& name, const py::object& values) {
  const DType wanted = engine.dtype_of(node, section, name);
  const Borrowed array = borrow(values, wanted);
  engine.write(node, section, name, array.view);
}

void publish(Engine& engine, const std::string& node, const std::string& port,
             const py::object& values) {
  const Borrowed array = borrow(values, engine.dtype_of(node, "output", port));
  engine.publish(node, port, array.view);
}

void bind_engine(py::module_& m) {
  using release = py::call_guard<py::gil_scoped_release>;
  py::class_<Engine>(m, "Engine")
      .def(py::init([](std::shared_ptr<Program> program, std::optional<std::uint64_t> seed,
                       std::int32_t batch, std::int32_t threads, bool profile,
                       std::optional<std::function<void(double)>> progress) {
             EngineOptions options{.threads = threads, .profile = profile};
             if (progress) options.progress = std::move(*progress);
             const py::gil_scoped_release unlocked;
             return std::make_unique<Engine>(std::move(program), seed, batch,
                                             KernelRegistry::process(), std::move(options));
           }),
           py::arg("program"), py::arg("seed") = py::none(), py::arg("batch") = 1,
           py::arg("threads") = 1, py::arg("profile") = false, py::arg("progress") = py::none())
      .def_property_readonly("threads", &Engine::threads)
      .def_property_readonly("step", &Engine::step)
      .def_property_readonly("seed", &Engine::seed)
      .def_property_readonly("batch", &Engine::batch)
      .def_property_readonly("isa", &Engine::isa)
      .def("run", &Engine::run, py::arg("steps"), py::arg("budget_ns") = 0, release())
      .def("interrupt", &Engine::interrupt)
      .def("release_threads", &Engine::release_threads)
      .def("begin_tick", &Engine::begin_tick, py::arg("node"), release())
      .def(
          "take_input",
          [](Engine& e, const std::string& node, const std::string& port) {
            return to_numpy(e.take_input(node, port));
          },
          py::arg("node"), py::arg("port"))
      .def("publish", &publish, py::arg("node"), py::arg("port"), py::arg("values"))
      .def(
          "read",
          [](const Engine& e, const std::string& node, const std::string& section,
             const std::string& name) { return to_numpy(e.read(node, section, name)); },
          py::arg("node"), py::arg("section"), py::arg("name") = "")
      .def("write", &write, py::arg("node"), py::arg("section"), py::arg("name"), py::arg("values"))
      .def("record_output", &Engine::record_output, py::arg("node"), py::arg("port"),
           py::arg("every") = 1, py::arg("elements") = std::vector<std::int64_t>())
      .def("record_state", &Engine::record_state, py::arg("node"), py::arg("name"),
           py::arg("every") = 1, py::arg("elements") = std::vector<std::int64_t>())
      .def(
          "recorded",
          [](Engine& e, int id, bool clear) { return recording_tuple(e.recorded(id, clear)); },
          py::arg("id"), py::arg("clear") = false)
      .def("reset", &Engine::reset, py::arg("seed") = py::none(), release())
      .def("export_state", [](Engine& e) { return state_dict(e.export_state()); })
      .def("import_state", &import_state, py::arg("step"), py::arg("seed"), py::arg("state"))
      .def("storage", [](const Engine& e) { return storage_list(e.storage()); })
      .def("stats", [](const Engine& e) { return stats_dict(e.stats()); });
}

}  // namespace

PYBIND11_MODULE(_native, m) {
  m.doc() = "The native engine; use it through procgraph.runtime.";
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Error& error) {
      raise(error);
    }
  });
  m.attr("CONTAINER_VERSION") = kContainerVersion;
  m.attr("STORAGE_FORMATS") = py::tuple(py::cast(kStorageFormats));
  bind_program(m);
  bind_engine(m);
  m.def("isa", &best_isa);
  m.def(
      "has_kernel",
      [](const std::string& name, const std::string& hash) {
        return KernelRegistry::process().has(name, hash);
      },
      py::arg("name"), py::arg("hash"));
  m.def(
      "load_kernels", [](const std::string& path) { return KernelRegistry::process().load(path); },
      py::arg("path"));
  m.def("register_kernel", &register_kernel, py::arg("name"), py::arg("hash"), py::arg("function"));
}

}  // namespace procgraph::python
