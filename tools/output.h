// What `strata run` writes, as text for people or as one JSON object a line (docs/strata-run.md).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace strata::tools {

struct Summary {
  std::string backend;
  std::uint64_t events = 0;
  std::uint64_t lost = 0;
  std::optional<double> ns_per_event;  // time inside the programs, where it was measured
  int exit_status = 0;
};

// A decoded value in both forms.
struct DecodedValue {
  std::string text;
  std::string json;
};

// Writes to standard output, except logs and remarks, which go to standard error in text form.
class Output {
 public:
  virtual ~Output() = default;
  virtual void BeginMap(std::string_view map, std::string_view type) = 0;
  virtual void Element(std::string_view map, const DecodedValue& key, const DecodedValue& value) = 0;
  virtual void Histogram(std::string_view map, const DecodedValue& key, std::span<const std::uint64_t> slots) = 0;
  virtual void EndMap(std::string_view map, std::uint64_t elements) = 0;
  virtual void Record(std::string_view map, const DecodedValue& value) = 0;
  virtual void Log(std::string_view line) = 0;
  virtual void Finish(const Summary& summary) = 0;
};

std::unique_ptr<Output> MakeTextOutput();
std::unique_ptr<Output> MakeJsonOutput();

}  // namespace strata::tools
