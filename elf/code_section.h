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
  std::string key;
  std::string name;
  bool is_static = false;
};

struct CodeFunction {
  std::string key;  // of CollectionSpec::programs or functions: its name, made unique where static functions share one
  std::uint32_t section = 0;
  std::uint64_t offset = 0;  // in the section, bytes
  std::uint64_t size_bytes = 0;
  FunctionSpec spec;
  std::vector<FunctionAlias> aliases;
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

 private:
  friend class SectionCodeReader;
  Result<void> FindInSection(const ObjectContext& context, const ElfSection& section);
  void NameFunctions();
  std::span<CodeFunction> InSection(std::uint32_t section);
  std::span<const CodeFunction> InSection(std::uint32_t section) const;

  std::vector<CodeFunction> functions_;  // sorted by section and offset
};

}  // namespace strata::elf
