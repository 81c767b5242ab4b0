// Values of C++ types against variables of BTF types.
#include "strata/spec/value_shape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "strata/spec/collection_spec.h"
#include "support/elf_writer.h"

namespace strata {
namespace {

using testing::HasSubstr;

enum class Color : std::uint32_t { kRed };
struct Point {
  std::int16_t x, y;
};

// Variables "i", "u", "c", "b", "e", "f", "p" (a pointer), "s" (a struct) and "a" (an array), named after their types.
CollectionSpec AllKinds() {
  test::BtfWriter types;
  CollectionSpec spec;
  spec.name = "kinds";
  const auto add = [&](const char* name, std::uint32_t type, std::size_t size_bytes) {
    VariableSpec& variable = spec.variables[name];
    variable.name = name;
    variable.type = btf::TypeId{type};
    variable.value.resize(size_bytes);
  };
  const auto number = types.Int("int", 4, 1);
  const auto number_type = types.Type(8, "number_t", 0, types.Type(10, "", 0, number));
  add("i", number_type, 4);
  add("u", types.Int("unsigned int", 4), 4);
  const auto letter = types.Int("char", 1, 1);
  add("c", letter, 1);
  add("b", types.Int("_Bool", 1, 4), 1);
  add("e", types.Type(6, "color", 1, 4, {types.String("RED"), 0}), 4);
  add("f", types.Type(16, "double", 0, 8), 8);
  add("p", types.Pointer(number), 8);
  add("s", types.Type(4, "point", 0, 4), 4);
  add("a", types.Type(3, "", 0, 0, {letter, number, 4}), 4);
  add("untyped", 0, 4);
  spec.types = btf::Btf::Parse(types.Bytes()).value();
  return spec;
}

TEST(TypedVariables, TakeValuesOfTheirType) {
  CollectionSpec spec = AllKinds();
  EXPECT_TRUE(spec.SetVariable("i", -3));
  EXPECT_EQ(spec.GetVariable<int>("i").value(), -3);
  EXPECT_TRUE(spec.SetVariable("u", 3U));
  EXPECT_TRUE(spec.SetVariable("c", 'x'));
  EXPECT_TRUE(spec.SetVariable("c", std::int8_t{-1}));
  EXPECT_TRUE(spec.SetVariable("b", true));
  EXPECT_TRUE(spec.SetVariable("e", Color::kRed));
  EXPECT_TRUE(spec.SetVariable("e", 5));
  EXPECT_TRUE(spec.SetVariable("f", 0.5));
  EXPECT_TRUE(spec.SetVariable("p", std::uint64_t{8}));
  EXPECT_TRUE(spec.SetVariable("s", Point{1, 2}));
  EXPECT_TRUE(spec.SetVariable("a", std::array{'a', 'b', 'c', 'd'}));
  EXPECT_EQ(spec.variables.at("a").value, test::BytesOf("abcd"));
  EXPECT_TRUE(spec.SetVariable("i", std::array<std::byte, 4>{})) << "bytes are of no kind";
  EXPECT_TRUE(spec.SetVariable("untyped", 1.0F)) << "only the size is known";
}

TEST(TypedVariables, RefuseValuesOfAnotherTypeAndNameBoth) {
  CollectionSpec spec = AllKinds();
  const auto error = [](const Result<void>& result) { return result ? "no error" : result.error().message(); };
  EXPECT_EQ(error(spec.SetVariable("i", 3U)),
            "variable i: is of type number_t (4 bytes), and the value is an unsigned integer of 4 bytes");
  EXPECT_EQ(error(spec.SetVariable("u", std::uint8_t{3})),
            "variable u: is of type unsigned int (4 bytes), and the value is an unsigned integer of 1 byte");
  EXPECT_THAT(error(spec.SetVariable("b", 'y')), HasSubstr("the value is a char of 1 byte"));
  EXPECT_THAT(error(spec.SetVariable("c", true)), HasSubstr("the value is a bool of 1 byte"));
  EXPECT_THAT(error(spec.SetVariable("f", std::int64_t{1})), HasSubstr("is of type double (8 bytes)"));
  EXPECT_THAT(error(spec.SetVariable("i", 1.0F)), HasSubstr("a floating-point number of 4 bytes"));
  EXPECT_THAT(error(spec.SetVariable("s", 1)), HasSubstr("is of type struct point (4 bytes)"));
  EXPECT_THAT(error(spec.SetVariable("a", std::array{'a'})), HasSubstr("the value is an object of 1 byte"));
  EXPECT_THAT(error(spec.SetVariable("untyped", 'x')),
              HasSubstr("variable untyped: has 4 bytes, the type given has 1"));
  EXPECT_EQ(error(spec.SetVariable("nobody", 1)), "collection kinds: there is no variable nobody");
  EXPECT_EQ(spec.GetVariable<unsigned>("i").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(spec, AllKinds()) << "nothing was changed";
}

TEST(ValueShape, IsThatOfTheType) {
  EXPECT_EQ(ShapeOf<bool>(), (ValueShape{ValueClass::kBool, 1}));
  EXPECT_EQ(ShapeOf<char>(), (ValueShape{ValueClass::kCharacter, 1}));
  EXPECT_EQ(ShapeOf<signed char>(), (ValueShape{ValueClass::kSigned, 1}));
  EXPECT_EQ(ShapeOf<std::byte>(), (ValueShape{ValueClass::kObject, 1}));
  EXPECT_EQ(ShapeOf<std::uint64_t>(), (ValueShape{ValueClass::kUnsigned, 8}));
  EXPECT_EQ(ShapeOf<int*>(), (ValueShape{ValueClass::kObject, 8}));
  EXPECT_EQ(DescribeShape(ShapeOf<Color>()), "an enum of 4 bytes");
}

}  // namespace
}  // namespace strata
