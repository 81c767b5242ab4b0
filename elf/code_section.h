// Sections of code, cut into functions whose references are names.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "object_context.h"
#include "strata/spec/collection_spec.h"

namespace strata::elf {

// Another symbol of a function.
struct FunctionAlias {
  std::size_t function = 0;  // in CodeTable::functions()
  std::string_view name;
  bool is_static = false;
};

struct CodeFunction {
  std::string_view name;  // of the symbol
  bool is_static = false;
  std::uint32_t section = 0;
  std::uint64_t offset = 0;  // in the section, bytes
  std::uint64_t size_bytes = 0;
  // Its place in CollectionSpec::programs or functions, and the key of that place: its name, made unique where static
  // functions share one. Filled in by whoever makes the place.
  FunctionSpec* spec = nullptr;
  const std::string* key = nullptr;
};

// Every function of an object, by section and offset.
class CodeTable {
 public:
  // Finds the functions by their symbols; the code itself follows with ReadCode.
  static Result<CodeTable> Find(const ObjectContext& context);

  // Instructions, references and what .BTF.ext says. `spec` has the maps. What cannot be represented makes the function
  // that has it unusable, and no other.
  Result<void> ReadCode(const ObjectContext& context, const CollectionSpec& spec);

  // The function that starts there; null for none. Logarithmic.
  const CodeFunction* At(std::uint32_t section, std::uint64_t offset) const;

  std::vector<CodeFunction>& functions() { return functions_; }
  const std::vector<CodeFunction>& functions() const { return functions_; }
  const std::vector<FunctionAlias>& aliases() const { return aliases_; }

 private:
  friend class SectionCodeReader;
  Result<void> FindInSection(const ObjectContext& context, const ElfSection& section);
  std::span<CodeFunction> InSection(std::uint32_t section);
  std::span<const CodeFunction> InSection(std::uint32_t section) const;

  std::vector<CodeFunction> functions_;  // sorted by section and offset
  std::vector<FunctionAlias> aliases_;
};

}  // namespace strata::elf
