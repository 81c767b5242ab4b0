// Any bytes as a section .note.stapsdt, and as the text of a probe's arguments.
#include <string>
#include <string_view>

#include "fuzz/fuzz_input.h"
#include "strata/spec/usdt_arguments.h"
#include "usdt_notes.h"

namespace {

using strata::test::Require;

void CheckArguments(std::string_view text) {
  const auto arguments = strata::ParseUsdtArguments(text);
  if (!arguments) {
    Require(!arguments.error().message().empty(), "an error without a message");
    return;
  }
  Require(arguments->size() <= strata::kMaxUsdtArguments, "more arguments than programs can have");
  for (const strata::UsdtArgument& argument : *arguments) {
    Require(argument.size_bytes != 0 && argument.size_bytes <= 8, "an argument of another size");
    Require(argument.register_offset <= 160, "a register outside of struct pt_regs");
  }
  Require(strata::EncodeUsdtSpec(*arguments, 1).size() == 208, "a record of another size");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  CheckArguments(bytes);
  const auto notes = strata::elf::ReadUsdtNotes(
      strata::ByteReader(std::as_bytes(std::span(data, size)), "input", std::endian::little));
  if (!notes) {
    Require(notes.error().message().starts_with("input: offset "), "an error that does not say where");
    return 0;
  }
  for (const strata::elf::UsdtNote& note : *notes) {
    Require(note.offset < size && !note.provider.empty() && !note.name.empty(), "a note without a place or a name");
    CheckArguments(note.arguments);
  }
  return 0;
}
