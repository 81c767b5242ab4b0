// CO-RE by value: programs that were compiled against one set of types read data that has another, in the kernel and in
// this process.
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

#include "fixture.h"
#include "targets.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

using Words = std::array<std::uint64_t, 16>;
constexpr std::size_t kInputSize = 512;

// What a program of tests/data/core/cases.bpf.c finds in the data of one target of targets.bpf.c.
struct CoreCase {
  const char* program;
  const char* target;
  std::vector<std::int64_t> out;  // the first words; empty where loading fails
  std::vector<const char*> error = {};
  bool needs_new_clang = false;  // type_matches, 64-bit enums
};

constexpr char kNoField[] = "no such field in the target";
constexpr char kOtherType[] = "the field has an incompatible type in the target";
constexpr char kOtherSize[] = "the field has another size in the target";
constexpr char kNestedX[] = "CO-RE relocation field_byte_offset of struct nesting.level1.level2.x (0:0:0:0): ";
constexpr std::int64_t kBehind = 0x5a5a5a5a;  // what follows the target's data

const CoreCase kCases[] = {
    {"nesting", "NESTING", {101, 102}},
    {"nesting", "NESTING_MOVED", {101, 102}},
    {"nesting", "NESTING_ANONYMOUS", {101, 102}},
    {"nesting", "NESTING_UNION", {101, 102}},
    {"nesting", "NESTING_FLAVOURS", {101, 102}},
    {"nesting_direct", "NESTING", {101, 102}},
    {"nesting_direct", "NESTING_MOVED", {101, 102}},
    {"nesting_direct", "NESTING_ANONYMOUS", {101, 102}},
    {"nesting_direct", "NESTING_UNION", {101, 102}},
    {"nesting_direct", "NESTING_FLAVOURS", {101, 102}},
    {"nesting", "NESTING_NO_FIELD", {}, {kNestedX, kNoField}},
    {"nesting", "NESTING_NO_CONTAINER", {}, {kNestedX, kNoField}},
    {"nesting", "NESTING_NO_STRUCT", {}, {kNestedX, kOtherType}},
    {"nesting", "NESTING_ARRAY_CONTAINER", {}, {kNestedX, kOtherType}},
    {"nesting", "NESTING_ARRAY_FIELD", {}, {kNestedX, kOtherType}},
    {"nesting", "NESTING_POINTER", {}, {kNestedX, kOtherType}},
    {"nesting", "NESTING_NO_TYPE", {}, {kNestedX, "the target has no such type"}},
    {"nesting", "NESTING_AMBIGUOUS", {}, {kNestedX, "ambiguous: type ", "(nesting___other) gives 4"}},
    {"nesting_direct", "NESTING_NO_FIELD", {}, {kNestedX, kNoField}},

    {"flavors", "FLAVORS", {1, 1, 1, 2, 2, 2}},
    {"flavors", "FLAVORS_MOVED", {1, 1, 1, 2, 2, 2}},
    {"flavors", "FLAVORS_NO_FIELD", {}, {"struct flavors.b (0:1): ", kNoField}},

    {"arrays", "ARRAYS", {2, 3, 4, 5, 6}},
    {"arrays", "ARRAYS_LARGER", {2, 3, 4, 5, 6}},
    {"arrays", "ARRAYS_FLEXIBLE", {2, 3, 4, 5, kBehind}},
    {"array_element", "ARRAYS", {33}},
    {"array_element", "ARRAYS_LARGER", {33}},
    {"array_element", "ARRAYS_FLEXIBLE", {}, {"struct arrays.a[3] (0:0:3): the array has 3 elements in the target"}},
    {"arrays", "ARRAYS_SMALL", {}, {"struct arrays.a[2] (0:0:2): the array has 2 elements in the target"}},
    {"arrays", "ARRAYS_SHALLOW", {}, {"struct arrays.b[1][2][3] (0:1:1:2:3): ", kOtherType}},
    {"arrays", "ARRAYS_NONE", {}, {"struct arrays.a[2] ", kOtherType}},
    {"arrays", "ARRAYS_OF_OTHERS", {}, {"struct arrays.c[1].c ", kOtherType}},
    {"arrays", "ARRAYS_ZERO_NOT_LAST", {}, {"struct arrays.c[1].c ", "the array has 0 elements in the target"}},

    {"primitives", "PRIMITIVES", {1, 2, 1, 4, 5}},
    {"primitives", "PRIMITIVES_OTHERS", {1, 2, 9, 4, 5}},
    {"primitives", "PRIMITIVES_NO_ENUM", {}, {"struct primitives.c (0:2): ", kOtherType}},
    {"primitives", "PRIMITIVES_NO_INT", {}, {"struct primitives.a (0:0): ", kOtherType}},
    {"primitives", "PRIMITIVES_NO_POINTER", {}, {"struct primitives.d (0:3): ", kOtherType}},

    {"mods", "MODS", {1, 2, 3, 4, 5, 6, 7, 8}},
    {"mods", "MODS_TYPEDEFS", {1, 2, 3, 4, 5, 6, 7, 8}},

    {"ptr_as_arr", "PTR_AS_ARR", {42}},
    {"ptr_as_arr", "PTR_AS_ARR_LARGER", {42}},

    {"ints", "INTS", {1, -2, 3, -4, 5, -6, 7, -8}},
    {"ints", "INTS_OTHER_SIGN", {1, -2, 3, -4, 5, -6, 7, -8}},
    {"ints", "INTS_BOOL", {1, -2, 3, -4, 5, -6, 7, -8}},
    {"ints_signed", "INTS", {1, 0, 1, 0, 1}},
    {"ints_signed", "INTS_OTHER_SIGN", {1, 1, 0, 1, 0}},
    {"ints_signed", "INTS_BOOL", {1, 0, 1, 0, 1}},

    {"existence", "EXISTENCE", {1, 2, 3, 4, 1, 1, 1, 1, 1}},
    {"existence", "EXISTENCE_MINIMAL", {1, 0xb0, 0xc0, 0xd0, 1, 0, 0, 0, 0}},
    {"existence", "EXISTENCE_OTHER_TYPES", {0xa0, 0xb0, 0xc0, 0xd0, 0, 0, 0, 0, 0}},
    {"existence_direct", "EXISTENCE", {1, 3}},
    {"existence_direct", "EXISTENCE_MINIMAL", {1, 0xc0}},
    {"existence_by_function", "EXISTENCE", {3}},
    {"existence_by_function", "EXISTENCE_MINIMAL", {0xc0}},
    {"existence_unguarded", "EXISTENCE", {1, 3}},
    {"existence_unguarded",
     "EXISTENCE_MINIMAL",
     {},
     {"instruction ", "CO-RE relocation field_byte_offset of struct existence.c (0:2): ", kNoField}},

    {"bitfields_probed", "BITFIELDS", {1, 2, 96, -7, -76543, 0x80000000, -0x76543210}},
    {"bitfields_probed", "BITFIELDS_OTHER_SIZES", {3, 5, 300, -13, -4123456, 50000, -5000000000}},
    {"bitfields_probed", "BITFIELDS_AND_INTS", {0x123456789, 0xfe, -5, -128, -0x123456789, 0xfffff, -0x1fffffff}},
    {"bitfields_probed", "BITFIELDS_JUST_FIT", {0x123456789abcdef, 1, 2, 3, 4, 5, 6}},
    {"bitfields_probed", "BITFIELDS_TOO_WIDE", {}, {"struct bitfields.ub1 (0:0): ", "does not fit a load of 8 bytes"}},
    {"bitfields_direct", "BITFIELDS", {1, 2, 96, -7, -76543, 0x80000000, -0x76543210}},
    {"bitfields_direct", "BITFIELDS_OTHER_SIZES", {3, 5, 300, -13, -4123456, 50000, -5000000000}},
    {"bitfields_direct", "BITFIELDS_AND_INTS", {0x123456789, 0xfe, -5, -128, -0x123456789, 0xfffff, -0x1fffffff}},
    {"bitfields_direct", "BITFIELDS_JUST_FIT", {0x123456789abcdef, 1, 2, 3, 4, 5, 6}},
    {"bitfields_direct", "BITFIELDS_TOO_WIDE", {}, {"struct bitfields.ub1 (0:0): ", "does not fit a load of 8 bytes"}},

    {"sizes", "SIZES", {4, 4, 4, 8, 4, 8, 4, 4, 32}},
    {"sizes", "SIZES_OTHERS", {1, 24, 13, 80, 8, 8, 8, 8, 8}},
    {"sizes", "SIZES_AMBIGUOUS", {}, {"field_byte_size of struct sizes.int_field (0:0): ambiguous"}},

    {"type_exists", "TYPES", {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0}},
    {"type_exists", "TYPES_PADDED", {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0}},
    {"type_exists", "TYPES_OTHERS", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {"type_size", "TYPES", {4, 4, 4, 4, 8, 8, 4, 20, 0}},
    {"type_size", "TYPES_PADDED", {24, 4, 4, 24, 24, 8, 4, 20, 0}},
    {"type_matches", "TYPES", {1, 1, 1, 1, 1, 1, 1, 1, 0}, {}, true},
    {"type_matches", "TYPES_PADDED", {1, 1, 1, 1, 1, 1, 1, 1, 0}, {}, true},
    {"type_matches", "TYPES_OTHERS", {0, 0, 0, 0, 0, 0, 0, 0, 0}, {}, true},

    {"enum_values", "ENUMS", {1, 1, 1, 1, 1, 1, 0x10, 2, 1, -5}},
    {"enum_values", "ENUMS_OTHERS", {1, 1, 1, 1, 1, 111, 0x1000, 222, 1, -500}},
    {"enum_values", "ENUMS_MISSING", {1, 0, 0, 1, 0, 5, 6, 0, 0, 0}},
    {"enum_value_unguarded", "ENUMS", {2}},
    {"enum_value_unguarded",
     "ENUMS_MISSING",
     {},
     {"CO-RE relocation enumval_value of enum named_values::NAMED_TWO (1): no such enumerator in the target"}},
    {"enum64_values", "ENUMS64", {1, 1, 0x1ffffffff, 1, -0x100000000, -1, 2}, {}, true},
    {"enum64_values", "ENUMS64_OTHERS", {1, 1, 8, 1, -0x200000003, -9, 7}, {}, true},
    {"enum64_values", "ENUMS64_MISSING", {1, 0, 3, 1, -4, -5, 0}, {}, true},
    {"enum_unsigned", "ENUM_UNSIGNED", {0xbbbbbbbb}, {}, true},

    {"autosize", "AUTOSIZE_SAME", {1, -0x5555555555555556, 0xbbbbbbbb, 0xcccc, 0xdd}},
    {"autosize", "AUTOSIZE_SMALLER", {1, 0xaaaaaaaa, 0xbb, 0xcc, 0xdd}},
    {"autosize", "AUTOSIZE_LARGER", {1, -0x5555555555555556, -0x4444444444444445, 0xcccccccc, 0xdddd}},
    {"autosize", "AUTOSIZE_SIGNED", {}, {"struct autosize.ptr_like (0:0): ", kOtherSize}},
    {"autosize_signed", "AUTOSIZE_SIGNED", {}, {"struct autosize_signed.val (0:0): ", kOtherSize}},
    {"autosize_pointer", "AUTOSIZE_SAME", {2}},
    {"autosize_pointer", "AUTOSIZE_SMALLER", {2}},
    {"autosize_stores", "AUTOSIZE_SMALLER", {0x999900223344, 0x111111111, 2}},

    {"misc", "MISC", {1, 2, 2, 77}},
    {"subprogram", "MISC", {2, 4}},

    {"ambiguous_agrees", "AMBIGUOUS", {1}},
    {"ambiguous_exists", "AMBIGUOUS", {1}},
    {"ambiguous_offset", "AMBIGUOUS", {}, {"field_byte_offset of struct ambiguous.b (0:1): ambiguous"}},
    {"ambiguous_size", "AMBIGUOUS", {}, {"type_size of struct ambiguous: ambiguous"}},
};

std::string TargetPath(std::string_view name) {
  return std::string(STRATA_CORE_TARGETS) + "/core_" + std::string(name) + ".bpf.o";
}

// The target's types and its data, as they would lie in memory.
struct Target {
  std::shared_ptr<const btf::Btf> types;
  std::array<std::byte, kInputSize> memory;
};

Target ReadTarget(std::string_view name) {
  const CollectionSpec spec = LoadCollectionSpec(TargetPath(name)).value();
  Target target{spec.types, {}};
  target.memory.fill(std::byte{0x5a});
  const VariableSpec& value = spec.variables.at("value");
  std::copy(value.value.begin(), value.value.end(), target.memory.begin());
  return target;
}

enum class Compiler : std::uint8_t { kDefault, kNew };

std::string ObjectOf(Compiler compiler) {
  return compiler == Compiler::kNew ? STRATA_CORE_NEW_CASES : STRATA_BPF_CASES;
}

Result<Collection> LoadOnly(const std::shared_ptr<Backend>& backend, Compiler compiler, std::string_view program,
                            const Target& target) {
  CollectionSpec spec = STRATA_TRY(LoadCollectionSpec(ObjectOf(compiler)));
  for (auto& [name, other] : spec.programs) other.autoload = name == program;
  STRATA_TRY(spec.variables.at("input").SetBytes(target.memory));
  return LoadCollection(backend, std::move(spec),
                        {.kconfig = {}, .target_types = target.types, .extra_target_types = {}});
}

template <typename Kind>
class CoreTest : public testing::BackendTest<Kind> {
 protected:
  Words Run(Collection& objects, std::string_view program) {
    const Uprobe probe =
        self_.AttachUprobe("strata_test_call", **objects.FindProgram(program), {.pid = ::getpid()}).value();
    strata_test_call(1);
    return objects.FindVariable("out")->Get<Words>().value();
  }

  void Check(Compiler compiler, const CoreCase& row) {
    SCOPED_TRACE(std::string(row.program) + " on " + row.target);
    const Target target = ReadTarget(row.target);
    auto objects = LoadOnly(this->backend_, compiler, row.program, target);
    if (row.out.empty()) {
      ASSERT_FALSE(objects);
      EXPECT_THAT(objects.error().message(), HasSubstr(row.program));
      for (const char* text : row.error) EXPECT_THAT(objects.error().message(), HasSubstr(text));
      return;
    }
    ASSERT_TRUE(objects) << objects.error().message() << "\n" << objects.error().log();
    const Words out = Run(*objects, row.program);
    for (std::size_t i = 0; i < row.out.size(); ++i) EXPECT_EQ(static_cast<std::int64_t>(out[i]), row.out[i]) << i;
  }

  Executable self_ = OpenExecutable("/proc/self/exe").value();
};
TYPED_TEST_SUITE(CoreTest, testing::BackendKinds, testing::BackendNames);

TYPED_TEST(CoreTest, EachCaseReadsItsTarget) {
  for (const CoreCase& row : kCases) {
    if (!row.needs_new_clang) this->Check(Compiler::kDefault, row);
  }
}

TYPED_TEST(CoreTest, EachCaseReadsItsTargetWhenCompiledByANewClang) {
  if (ObjectOf(Compiler::kNew).empty()) GTEST_SKIP() << "no clang of version 15 or later";
  for (const CoreCase& row : kCases) this->Check(Compiler::kNew, row);
}

TYPED_TEST(CoreTest, TypeIdsAreThoseOfTheObjectAndTheTarget) {
  const Target target = ReadTarget("TYPES_PADDED");
  auto objects = LoadOnly(this->backend_, Compiler::kDefault, "type_id", target);
  ASSERT_TRUE(objects) << objects.error().message();
  const auto id_of = [](const btf::Btf& types, const char* name, btf::Kind kind) {
    return types.FindByName(name, kind)->value;
  };
  const Words out = this->Run(*objects, "type_id");
  EXPECT_EQ(out[0], id_of(*objects->spec().types, "a_struct", btf::Kind::kStruct));
  EXPECT_EQ(out[1], id_of(*target.types, "a_struct", btf::Kind::kStruct));
  EXPECT_EQ(out[2], id_of(*target.types, "arr_typedef", btf::Kind::kTypedef));
  EXPECT_EQ(out[3], 0U);
}

TYPED_TEST(CoreTest, ExtraTargetsServeTypesThatTheFirstLacks) {
  const Target first = ReadTarget("NESTING_NO_TYPE");
  const Target extra = ReadTarget("NESTING_MOVED");
  CollectionSpec spec = LoadCollectionSpec(STRATA_BPF_CASES).value();
  for (auto& [name, other] : spec.programs) other.autoload = name == "nesting";
  ASSERT_TRUE(spec.variables.at("input").SetBytes(extra.memory));
  auto objects = LoadCollection(this->backend_, std::move(spec),
                                {.kconfig = {}, .target_types = first.types, .extra_target_types = {extra.types}});
  ASSERT_TRUE(objects) << objects.error().message();
  const Words out = this->Run(*objects, "nesting");
  EXPECT_EQ(out[0], 101U);
  EXPECT_EQ(out[1], 102U);
}

}  // namespace
}  // namespace strata
