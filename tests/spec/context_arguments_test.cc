#include "strata/spec/context_arguments.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "strata/btf/builder.h"

namespace strata {
namespace {

// length_of(void *context), parameter_of(int, struct pt_regs *context) and mark_of(struct __sk_buff *context), all
// tagged; one tc program and one kprobe.
class Sample {
 public:
  Sample() {
    number_ = *builder_.Add(btf::Int{.name = "int", .size_bytes = 4, .bits = 32, .is_signed = true});
    const auto registers = *builder_.Add(btf::Struct{"pt_regs", 0, {}});
    const auto packet = *builder_.Add(btf::Struct{"__sk_buff", 0, {}});
    AddFunction("length_of", {{"context", *builder_.Add(btf::Pointer{})}});
    AddFunction("parameter_of", {{"unused", number_}, {"context", *builder_.Add(btf::Pointer{registers})}});
    AddFunction("mark_of", {{"context", *builder_.Add(btf::Pointer{packet})}});
    spec.types = *builder_.BuildTypes();
    spec.programs["filter"].type_of_program = ProgramType::kSchedCls;
    spec.programs["probe"].type_of_program = ProgramType::kKprobe;
  }

  CollectionSpec spec;

 private:
  void AddFunction(std::string_view name, const std::vector<btf::Parameter>& parameters) {
    const auto prototype = *builder_.Add(btf::FuncProto{number_, btf::RecordList<btf::Parameter>(parameters)});
    const auto function = *builder_.Add(btf::Func{name, prototype, btf::Linkage::kGlobal});
    static_cast<void>(*builder_.Add(btf::DeclTag{"arg:ctx", function, static_cast<int>(parameters.size()) - 1}));
  }

  btf::Builder builder_;
  btf::TypeId number_;
};

CollectionSpec Read() { return Sample().spec; }

btf::TypeId FindFunction(const CollectionSpec& spec, std::string_view name) {
  return spec.types->FindByName(name, btf::Kind::kFunc).value();
}

TEST(ContextArguments, TaggedArgumentsGetTheTypeThatOldKernelsLookFor) {
  const CollectionSpec spec = Read();
  const ContextFixUp fixed = FixUpContextArguments(spec).value();
  ASSERT_EQ(fixed.functions.size(), 3U);
  for (const ContextFunction& function : fixed.functions) {
    const auto replacement = fixed.types->Get<btf::Func>(function.replacement).value();
    EXPECT_EQ(replacement.name, fixed.types->NameOf(function.function));
    const bool is_packet = replacement.name == "length_of";
    const auto prototype = fixed.types->Get<btf::FuncProto>(replacement.prototype).value();
    const auto argument = prototype.parameters[is_packet ? 0 : 1];
    EXPECT_EQ(argument.name, "context");
    const auto pointer = fixed.types->Get<btf::Pointer>(argument.type).value();
    EXPECT_EQ(fixed.types->NameOf(pointer.target), ContextTypeName(function.program_type));
  }
}

TEST(ContextArguments, EveryProgramTypeHasItsOwnReplacement) {
  const CollectionSpec spec = Read();
  const ContextFixUp fixed = FixUpContextArguments(spec).value();
  const auto& functions = fixed.functions;
  const auto has = [&](ProgramType type, std::string_view name) {
    return std::any_of(functions.begin(), functions.end(), [&](const ContextFunction& function) {
      return function.program_type == type && function.function == FindFunction(spec, name);
    });
  };
  EXPECT_TRUE(has(ProgramType::kSchedCls, "length_of"));
  EXPECT_TRUE(has(ProgramType::kKprobe, "length_of"));  // void * says nothing of the program
  EXPECT_TRUE(has(ProgramType::kKprobe, "parameter_of"));
  EXPECT_FALSE(has(ProgramType::kSchedCls, "parameter_of"));
}

TEST(ContextArguments, TypesThatAreRightAlreadyStay) {
  const CollectionSpec spec = Read();
  const ContextFixUp fixed = FixUpContextArguments(spec).value();
  for (const ContextFunction& function : fixed.functions) {
    EXPECT_NE(function.function, FindFunction(spec, "mark_of"));
  }
}

TEST(ContextArguments, IdsOfTheObjectStay) {
  const CollectionSpec spec = Read();
  const ContextFixUp fixed = FixUpContextArguments(spec).value();
  for (std::uint32_t id = 1; id < spec.types->type_count(); ++id) {
    EXPECT_EQ(spec.types->KindOf(btf::TypeId{id}), fixed.types->KindOf(btf::TypeId{id}));
    EXPECT_EQ(spec.types->NameOf(btf::TypeId{id}), fixed.types->NameOf(btf::TypeId{id}));
  }
}

TEST(ContextArguments, AnObjectWithoutTagsKeepsItsTypes) {
  CollectionSpec spec = Read();
  spec.programs.clear();
  EXPECT_EQ(FixUpContextArguments(spec)->types, spec.types);
  spec.types = nullptr;
  EXPECT_TRUE(FixUpContextArguments(spec)->functions.empty());
}

}  // namespace
}  // namespace strata
