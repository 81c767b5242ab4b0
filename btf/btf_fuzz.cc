// BTF that parses can be asked everything about.
#include <algorithm>
#include <vector>

#include "fuzz/fuzz_input.h"
#include "strata/btf/btf.h"
#include "strata/btf/builder.h"
#include "strata/btf/dedup.h"
#include "strata/btf/dump_cpp.h"
#include "strata/btf/fixup.h"
#include "strata/btf/format_value.h"

namespace {

using strata::btf::Btf;
using strata::btf::TypeId;
using strata::test::Require;

template <typename List>
void ReadAll(const List& list) {
  for (const auto record : list) static_cast<void>(record);
}

struct ReadRecords {
  void operator()(const strata::btf::Struct& type) const { ReadAll(type.members); }
  void operator()(const strata::btf::Union& type) const { ReadAll(type.members); }
  void operator()(const strata::btf::Enum& type) const { ReadAll(type.values); }
  void operator()(const strata::btf::Enum64& type) const { ReadAll(type.values); }
  void operator()(const strata::btf::FuncProto& type) const { ReadAll(type.parameters); }
  void operator()(const strata::btf::DataSec& type) const { ReadAll(type.variables); }
  template <typename Other>
  void operator()(const Other&) const {}
};

void AskAboutType(const Btf& types, TypeId id) {
  const auto type = types.TypeById(id);
  Require(type.has_value(), "a type within the count cannot be read");
  Require(type->index() == static_cast<std::size_t>(types.KindOf(id)), "two answers about a type's kind");
  std::visit(ReadRecords(), *type);
  static_cast<void>(types.Resolve(id));
  static_cast<void>(types.SizeOf(id));
  static_cast<void>(types.Describe(id));
  if (!types.NameOf(id).empty()) {
    const auto found = types.FindByName(types.NameOf(id), types.KindOf(id));
    Require(found.has_value() && found->value <= id.value, "a type is not found by its name");
  }
}

// Equal but for the offsets of strings, which a writer chooses.
bool AreEqual(const Btf& a, const Btf& b) {
  if (a.type_count() != b.type_count()) return false;
  std::vector<std::uint32_t> left;
  std::vector<std::uint32_t> right;
  for (std::uint32_t id = 1; id < a.type_count(); ++id) {
    const TypeId type{id};
    a.ReadWords(type, &left);
    b.ReadWords(type, &right);
    const bool is_alike = a.KindOf(type) == b.KindOf(type) && a.NameOf(type) == b.NameOf(type) &&
                          a.Describe(type) == b.Describe(type) && left.size() == right.size();
    if (!is_alike) return false;
  }
  return true;
}

// Written and parsed again, types are equal; what is de-duplicated stays as it is.
void WriteAndReadAgain(const Btf& types) {
  strata::btf::Builder builder;
  if (!builder.Copy(types)) return;
  const auto bytes = builder.Build(types.byte_order());
  if (!bytes) return;
  const auto again = Btf::Parse(*bytes);
  Require(again.has_value() && AreEqual(types, **again), "types written and parsed again differ");
  const auto unique = strata::btf::Deduplicate(types);
  if (!unique) return;
  const auto once = unique->types.BuildTypes();
  Require(once.has_value() && (*once)->type_count() <= types.type_count(), "de-duplicated types do not parse");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = strata::test::FuzzInput(data, size).rest();
  const auto types = Btf::Parse(strata::test::CopyOf(bytes));
  if (!types) return 0;
  // A value that is shorter than most types, and with every kind of byte.
  const auto value = bytes.first(std::min<std::size_t>(bytes.size(), 96));
  const std::uint32_t count = std::min((*types)->type_count(), 300U);
  for (std::uint32_t id = 0; id < count; ++id) {
    AskAboutType(**types, TypeId{id});
    static_cast<void>(strata::btf::FormatValue(**types, TypeId{id}, value));
    static_cast<void>(strata::btf::FormatValueJson(**types, TypeId{id}, value));
  }
  std::vector<strata::btf::CppRequest> requests;
  for (std::uint32_t id = 1; id < count; ++id) requests.push_back({TypeId{id}, "given"});
  const auto cpp = strata::btf::DumpCpp(**types, requests, "scope");
  Require(!cpp || cpp->spellings.size() == requests.size(), "a type that was asked for has no spelling");
  WriteAndReadAgain(**types);
  const auto fixed = strata::btf::FixUpForKernel(**types, {});
  if (fixed) Require(Btf::Parse(*fixed).has_value(), "BTF fixed up for the kernel does not parse");
  return 0;
}
