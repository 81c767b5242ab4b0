// Types and questions of CO-RE tests, in few words.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strata/btf/builder.h"
#include "strata/btf/core.h"

namespace strata::btf {

// Types of one side; every method adds one and returns its id.
class TypesOf {
 public:
  TypeId Number(std::string_view name, std::uint32_t bytes, bool is_signed = false) {
    return Add(
        Int{.name = name, .size_bytes = bytes, .bits = static_cast<std::uint8_t>(bytes * 8), .is_signed = is_signed});
  }
  TypeId Signed() { return Number("int", 4, true); }
  TypeId To(TypeId target) { return Add(Pointer{target}); }
  TypeId List(TypeId element, std::uint32_t count) { return Add(Array{element, element, count}); }
  TypeId Record(std::string_view name, std::uint32_t bytes, std::initializer_list<Member> members) {
    const std::vector<Member> list(members);
    return Add(Struct{name, bytes, RecordList<Member>(list)});
  }
  TypeId Either(std::string_view name, std::uint32_t bytes, std::initializer_list<Member> members) {
    const std::vector<Member> list(members);
    return Add(Union{name, bytes, RecordList<Member>(list)});
  }
  TypeId Names(std::string_view name, std::initializer_list<EnumValue> values, bool is_signed = false) {
    const std::vector<EnumValue> list(values);
    return Add(Enum{name, 4, is_signed, RecordList<EnumValue>(list)});
  }
  TypeId WideNames(std::string_view name, std::initializer_list<EnumValue> values, std::uint32_t bytes = 8) {
    const std::vector<EnumValue> list(values);
    return Add(Enum64{name, bytes, false, RecordList<EnumValue>(list)});
  }
  TypeId Function(TypeId result, std::initializer_list<Parameter> parameters) {
    const std::vector<Parameter> list(parameters);
    return Add(FuncProto{result, RecordList<Parameter>(list)});
  }
  TypeId Add(const Type& type) { return builder_.Add(type).value(); }
  TypeId next() const { return builder_.next_id(); }
  std::shared_ptr<const Btf> Done(std::string_view where = "types") const { return builder_.BuildTypes(where).value(); }

 private:
  Builder builder_;
};

inline Result<CoreResolution> Ask(const std::shared_ptr<const Btf>& local, const std::shared_ptr<const Btf>& target,
                                  CoreKind kind, TypeId type, std::string access = "0") {
  return CoreRelocator(local, {target}).Resolve({{}, type, std::move(access), static_cast<std::uint32_t>(kind)});
}

// "error: ...", "poison: ..." or the number.
inline std::string AnswerOf(const Result<CoreResolution>& answer) {
  if (!answer) return "error: " + answer.error().message();
  if (answer->is_poisoned) return "poison: " + answer->reason;
  return std::to_string(static_cast<std::int64_t>(answer->target));
}

}  // namespace strata::btf
