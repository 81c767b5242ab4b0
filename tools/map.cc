// strata map: the elements of maps that exist.
#include <fmt/format.h>
#include <sys/timerfd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "event_loop.h"
#include "live_object.h"
#include "map_printer.h"
#include "object_file.h"
#include "output.h"
#include "strata/btf/parse_value.h"
#include "strata/spec/type_names.h"
#include "verb.h"

namespace strata::tools {
namespace {

using Bytes = std::vector<std::byte>;

struct MapOptions {
  BackendChoice backend;
  std::string map;
  std::string key;
  std::string value;
  std::string mode = "any";
  double interval_s = 1;
  bool json = false;
  std::unique_ptr<Output> MakeOutput() const { return json ? MakeJsonOutput() : MakeTextOutput(); }
};

// A map with what is known of its types.
class TypedMap {
 public:
  static Result<TypedMap> Open(const MapOptions& options) {
    auto backend = STRATA_TRY(options.backend.Open());
    TypedMap map(STRATA_TRY(FindLiveMap(backend, options.map)));
    const MapInfo& info = map.map_.info();
    if (info.btf_id == 0) return map;
    map.types_ = STRATA_TRY(backend->ReadTypes(info.btf_id).Context("map " + info.name));
    map.typed_ = {
        .types = map.types_.get(), .key = btf::TypeId{info.key_type_id}, .value = btf::TypeId{info.value_type_id}};
    return map;
  }

  Map& map() { return map_; }
  const MapTypes& types() const { return typed_; }

  Result<Bytes> ParseKey(const std::string& text) const {
    if (map_.info().key_size == 0) return Bytes{};
    return Parse(typed_.key, map_.info().key_size, text).Context("key");
  }
  // For a map with a value for each CPU one value for all of them, or a JSON list with one for each.
  Result<Bytes> ParseElement(const std::string& text) const {
    if (!map_.is_per_cpu()) return Parse(typed_.value, map_.info().value_size, text).Context("value");
    const Bytes one = STRATA_TRY(Parse(typed_.value, map_.info().value_size, text).Context("value"));
    const std::size_t stride = (one.size() + 7) / 8 * 8;
    Bytes element(map_.info().element_size);
    for (std::size_t offset = 0; offset + stride <= element.size(); offset += stride) {
      std::copy(one.begin(), one.end(), element.begin() + static_cast<std::ptrdiff_t>(offset));
    }
    return element;
  }

 private:
  explicit TypedMap(Map map) : map_(std::move(map)) {}

  // "0x" and twice as many digits as there are bytes are bytes, whatever the type.
  Result<Bytes> Parse(btf::TypeId type, std::size_t size, const std::string& text) const {
    const bool is_bytes = text.starts_with("0x") && text.size() == 2 + 2 * size && size > 8;
    if (types_ == nullptr || !type || is_bytes) return ParseUntyped(text, size);
    return btf::ParseValue(*types_, type, text);
  }

  // Without types a number still says what it means, where the size is a number's.
  static Result<Bytes> ParseUntyped(const std::string& text, std::size_t size) {
    const bool is_number = text.find(' ') == std::string::npos && (size == 1 || size == 2 || size == 4 || size == 8);
    if (!is_number || (text.starts_with("0x") && text.size() == 2 + 2 * size)) return btf::ParseHexBytes(text, size);
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec != std::errc{} || parsed.ptr != end || (size < 8 && number >> (8 * size) != 0)) {
      return Error(
          ErrorCode::kInvalidArgument,
          fmt::format("{}: expected a number of {} bytes, or its bytes as 0x and {} digits", text, size, 2 * size));
    }
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(number >> (8 * i));
    return bytes;
  }

  Map map_;
  std::shared_ptr<const btf::Btf> types_;  // null: none
  MapTypes typed_;
};

Result<void> CheckPrintable(const Map& map) {
  if (HoldsPrintableElements(map)) return {};
  return Error(ErrorCode::kNotSupported, fmt::format("map {}: maps of type {} have no elements to print", map.name(),
                                                     MapTypeName(map.info().type)));
}

Result<void> Dump(const MapOptions& options) {
  TypedMap map = STRATA_TRY(TypedMap::Open(options));
  STRATA_TRY(CheckPrintable(map.map()));
  const auto output = options.MakeOutput();
  return PrintMap(map.map(), map.types(), *output);
}

Result<void> Get(const MapOptions& options) {
  TypedMap map = STRATA_TRY(TypedMap::Open(options));
  const Bytes key = STRATA_TRY(map.ParseKey(options.key));
  Bytes element(map.map().info().element_size);
  if (!STRATA_TRY(map.map().Lookup(key, element))) {
    return Error(ErrorCode::kKeyNotExist, fmt::format("map {}: there is no element {}", map.map().name(), options.key));
  }
  const DecodedValue value = DecodeElement(map.map(), map.types(), element);
  fmt::print("{}\n", options.json ? value.json : value.text);
  return {};
}

constexpr std::pair<const char*, UpdateMode> kModes[] = {
    {"any", UpdateMode::kAny}, {"noexist", UpdateMode::kNoExist}, {"exist", UpdateMode::kExist}};

Result<void> Set(const MapOptions& options) {
  TypedMap map = STRATA_TRY(TypedMap::Open(options));
  const Bytes key = STRATA_TRY(map.ParseKey(options.key));
  const Bytes element = STRATA_TRY(map.ParseElement(options.value));
  for (const auto& [name, mode] : kModes) {
    if (options.mode == name) return map.map().Update(key, element, mode);
  }
  return Error(ErrorCode::kInvalidArgument, "--mode " + options.mode);
}

Result<void> Delete(const MapOptions& options) {
  TypedMap map = STRATA_TRY(TypedMap::Open(options));
  const Bytes key = STRATA_TRY(map.ParseKey(options.key));
  if (STRATA_TRY(map.map().Delete(key))) return {};
  return Error(ErrorCode::kKeyNotExist, fmt::format("map {}: there is no element {}", map.map().name(), options.key));
}

// By hand, as GCC 12 takes the library's comparison of such vectors for one of half the address space.
struct BytesBefore {
  bool operator()(const Bytes& a, const Bytes& b) const {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
  }
};
using Elements = std::map<Bytes, Bytes, BytesBefore>;

// Prints what changed since the last look.
class Watcher {
 public:
  Watcher(TypedMap& map, Output& output) : map_(map), output_(output) {}

  Result<void> Look() {
    Elements now;
    STRATA_TRY(map_.map().ForEach([&](std::span<const std::byte> key, std::span<const std::byte> value) {
      now.emplace(Bytes(key.begin(), key.end()), Bytes(value.begin(), value.end()));
      return true;
    }));
    for (const auto& [key, value] : now) {
      const auto before = last_.find(key);
      if (before != last_.end() && before->second == value) continue;
      output_.Element(map_.map().name(), KeyOf(key), DecodeElement(map_.map(), map_.types(), value));
    }
    for (const auto& [key, value] : last_) {
      if (!now.contains(key)) output_.Element(map_.map().name(), KeyOf(key), {"deleted", "null"});
    }
    last_ = std::move(now);
    return {};
  }

 private:
  DecodedValue KeyOf(const Bytes& key) const { return Decode(map_.types().types, map_.types().key, key); }

  TypedMap& map_;
  Output& output_;
  Elements last_;
};

Result<void> WatchRing(TypedMap& map, EventLoop& loop, Output& output) {
  auto reader = STRATA_TRY(RingReader::Open(map.map()));
  std::optional<Error> failure;
  loop.Watch(reader.poll_descriptor(), [&] {
    const auto consumed = reader.Consume([&](std::span<const std::byte> record) {
      output.Record(map.map().name(), Decode(map.types().types, map.types().value, record));
      return true;
    });
    if (!consumed) failure = consumed.error();
    return consumed.has_value();
  });
  STRATA_TRY(loop.Run(std::nullopt));
  return failure ? Result<void>(*failure) : Result<void>();
}

Result<UniqueFd> MakeTimer(double interval_s) {
  UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  itimerspec every{};
  every.it_interval.tv_sec = static_cast<time_t>(interval_s);
  every.it_interval.tv_nsec = static_cast<long>((interval_s - std::floor(interval_s)) * 1e9);
  every.it_value = every.it_interval;
  if (!timer || ::timerfd_settime(timer.get(), 0, &every, nullptr) != 0)
    return Error::FromErrno(errno, "making a timer");
  return timer;
}

Result<void> Watch(const MapOptions& options) {
  TypedMap map = STRATA_TRY(TypedMap::Open(options));
  const auto output = options.MakeOutput();
  EventLoop loop = STRATA_TRY(EventLoop::Make());
  if (map.map().info().type == MapType::kRingBuf) return WatchRing(map, loop, *output);
  STRATA_TRY(CheckPrintable(map.map()));
  Watcher watcher(map, *output);
  STRATA_TRY(watcher.Look());
  const UniqueFd timer = STRATA_TRY(MakeTimer(options.interval_s));
  std::optional<Error> failure;
  loop.Watch(timer.get(), [&] {
    std::uint64_t expirations = 0;
    if (::read(timer.get(), &expirations, sizeof(expirations)) < 0) return true;
    const auto looked = watcher.Look();
    if (!looked) failure = looked.error();
    return looked.has_value();
  });
  STRATA_TRY(loop.Run(std::nullopt));
  return failure ? Result<void>(*failure) : Result<void>();
}

// One row per thing to do with a map.
struct Action {
  const char* name;
  const char* summary;
  Result<void> (*run)(const MapOptions& options);
  bool takes_key = false;
  bool takes_value = false;
  bool prints = false;
};

constexpr Action kActions[] = {
    {"dump", "Print every element", Dump, false, false, true},
    {"get", "Print the element of a key", Get, true, false, true},
    {"set", "Write an element", Set, true, true, false},
    {"delete", "Remove an element", Delete, true, false, false},
    {"watch", "Print elements as they change, or the records of a ring buffer, until interrupted", Watch, false, false,
     true},
};

}  // namespace

void SetUpMap(CLI::App& app, Invocation* invocation) {
  app.require_subcommand(1);
  app.footer(
      "MAP is an id, a path of a pin (it has a '/'), or a name. Keys and values are written as the map's types say: "
      "numbers,\n"
      "JSON for structs, text for arrays of char; bytes as 0x and two digits each where there are no types.");
  for (const Action& action : kActions) {
    auto options = std::make_shared<MapOptions>();
    CLI::App& sub = *app.add_subcommand(action.name, action.summary);
    sub.add_option("MAP", options->map, "Id, path or name")->required();
    if (action.takes_key) sub.add_option("KEY", options->key, "The key; \"\" for a queue or stack")->required();
    if (action.takes_value) {
      sub.add_option("VALUE", options->value, "The value")->required();
      sub.add_option("--mode", options->mode, "noexist: only a new key; exist: only one that is there")
          ->check(CLI::IsMember({"any", "noexist", "exist"}))
          ->capture_default_str();
    }
    if (action.prints) sub.add_flag("--json", options->json, "One JSON object a line");
    if (action.run == Watch) {
      sub.add_option("--interval", options->interval_s, "Seconds between two looks")
          ->check(CLI::Range(0.01, 3600.0))
          ->capture_default_str();
    }
    AddBackendOptions(sub, options->backend);
    sub.callback([options, invocation, run = action.run] { invocation->exit_status = ExitStatusOf(run(*options)); });
  }
}

}  // namespace strata::tools
