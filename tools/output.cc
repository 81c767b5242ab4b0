#include "output.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "histogram.h"

namespace strata::tools {
namespace {

// A whole line at once, so that lines of the traced command and ours do not mix.
void WriteLine(std::FILE* stream, std::string line) {
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stream);
  std::fflush(stream);
}

class TextOutput : public Output {
 public:
  void BeginMap(std::string_view map, std::string_view type) override {
    WriteLine(stdout, fmt::format("\n{} ({})", map, type));
  }
  void Element(std::string_view, const DecodedValue& key, const DecodedValue& value) override {
    WriteLine(stdout, fmt::format("  {}: {}", key.text, value.text));
  }
  void Histogram(std::string_view, const DecodedValue& key, std::span<const std::uint64_t> slots) override {
    const std::string rows = FormatHistogram(slots);
    if (!key.text.empty()) WriteLine(stdout, fmt::format("  {}:", key.text));
    std::fwrite(rows.data(), 1, rows.size(), stdout);
    if (rows.empty()) WriteLine(stdout, "  (no values)");
  }
  void EndMap(std::string_view, std::uint64_t elements) override {
    if (elements == 0) WriteLine(stdout, "  (empty)");
  }
  void Record(std::string_view map, const DecodedValue& value) override {
    WriteLine(stdout, fmt::format("{}: {}", map, value.text));
  }
  void Log(std::string_view line) override { WriteLine(stderr, std::string(line)); }
  void Finish(const Summary& summary) override {
    std::string line = fmt::format("\n{} events, {} lost", summary.events, summary.lost);
    if (summary.ns_per_event) line += fmt::format(", {:.1f} ns per event in the programs", *summary.ns_per_event);
    WriteLine(stdout, fmt::format("{} ({} backend)", line, summary.backend));
  }
};

class JsonOutput : public Output {
 public:
  void BeginMap(std::string_view, std::string_view) override {}
  void EndMap(std::string_view, std::uint64_t) override {}
  void Element(std::string_view map, const DecodedValue& key, const DecodedValue& value) override {
    WriteLine(stdout,
              fmt::format(R"({{"type":"element","map":{},"key":{},"value":{}}})", Quote(map), key.json, value.json));
  }
  void Histogram(std::string_view map, const DecodedValue& key, std::span<const std::uint64_t> slots) override {
    WriteLine(stdout, fmt::format(R"({{"type":"histogram","map":{},"key":{},"slots":{}}})", Quote(map), key.json,
                                  nlohmann::json(std::vector<std::uint64_t>(slots.begin(), slots.end())).dump()));
  }
  void Record(std::string_view map, const DecodedValue& value) override {
    WriteLine(stdout, fmt::format(R"({{"type":"record","map":{},"value":{}}})", Quote(map), value.json));
  }
  void Log(std::string_view line) override {
    WriteLine(stdout, fmt::format(R"({{"type":"log","line":{}}})", Quote(line)));
  }
  void Finish(const Summary& summary) override {
    nlohmann::ordered_json line = {{"type", "summary"},        {"backend", summary.backend},
                                   {"events", summary.events}, {"lost", summary.lost},
                                   {"ns_per_event", nullptr},  {"exit_status", summary.exit_status}};
    if (summary.ns_per_event) line["ns_per_event"] = *summary.ns_per_event;
    WriteLine(stdout, line.dump());
  }

 private:
  static std::string Quote(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
};

}  // namespace

std::unique_ptr<Output> MakeTextOutput() { return std::make_unique<TextOutput>(); }
std::unique_ptr<Output> MakeJsonOutput() { return std::make_unique<JsonOutput>(); }

}  // namespace strata::tools
