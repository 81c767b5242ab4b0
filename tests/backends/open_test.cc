// Objects opened by id and by pin: what one handle makes another finds, on every backend.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>

#include "fixture.h"
#include "object/bpf_folder.h"
#include "targets.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;
using strata::testing::KernelKind;

template <typename T>
std::span<const std::byte> Bytes(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}
template <typename T>
std::span<std::byte> WritableBytes(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

// Where a test pins: in the kernel a BPF file system of its own, in userspace a folder of the session.
template <typename Kind>
class OpenTest : public BackendTest<Kind> {
 protected:
  void SetUp() override {
    BackendTest<Kind>::SetUp();
    if (this->backend_ == nullptr) return;
    if constexpr (std::is_same_v<Kind, KernelKind>) {
      folder_of_pins_.emplace();
      if (!folder_of_pins_->is_mounted()) GTEST_SKIP() << "lacks the right to mount a BPF file system";
      pins_ = folder_of_pins_->path();
    }
  }
  void TearDown() override {
    for (const std::string& path : pinned_) std::filesystem::remove(path);
  }
  // A place for a pin, which goes with the test.
  std::string Pin(const std::string& name) {
    std::string path = pins_ + "/" + name;
    pinned_.push_back(this->backend_->PinPath(path).value());
    return path;
  }
  LoadOptions PinOptions(PinPolicy policy) {
    LoadOptions options;
    options.pin_folder = pins_;
    options.pin_policy = policy;
    return options;
  }
  CollectionSpec PinnedVariables() {
    auto spec = LoadCollectionSpec(STRATA_BPF_VARIABLES).value();
    spec.maps.at(".data").pinning = PinType::kByName;
    Pin("_data");
    return spec;
  }

  std::string pins_ = "pins";

 private:
  std::optional<testing::BpfFolder> folder_of_pins_;
  std::vector<std::string> pinned_;
};
TYPED_TEST_SUITE(OpenTest, BackendKinds, BackendNames);

TYPED_TEST(OpenTest, AMapIsOpenedByItsId) {
  Map made = this->CreateMap(MapType::kHash, 4, 8, 10);
  const std::uint32_t key = 5;
  const std::uint64_t value = 77;
  ASSERT_TRUE(made.Update(Bytes(key), Bytes(value), UpdateMode::kAny));
  const auto opened = Map::Open(this->backend_, made.info().id);
  ASSERT_TRUE(opened) << opened.error().message();
  std::uint64_t read = 0;
  EXPECT_TRUE(opened->Lookup(Bytes(key), WritableBytes(read)).value());
  EXPECT_EQ(read, 77U);
  EXPECT_EQ(opened->info(), made.info());
}

TYPED_TEST(OpenTest, WhatDoesNotExistIsNotFound) {
  constexpr std::uint32_t kNoId = 0x7ffffff0;
  EXPECT_EQ(this->backend_->OpenMap(kNoId).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(this->backend_->OpenProgram(kNoId).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(this->backend_->OpenLink(kNoId).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(this->backend_->ReadTypes(kNoId).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(this->backend_->OpenPinnedMap(this->Pin("none"), MapAccess::kReadWrite).error().code(),
            ErrorCode::kNotFound);
}

TYPED_TEST(OpenTest, AMapThatNobodyHoldsIsGone) {
  std::optional<Map> made = this->CreateMap(MapType::kArray, 4, 8, 1);
  const std::uint32_t id = made->info().id;
  std::optional<Map> opened = Map::Open(this->backend_, id).value();
  made.reset();
  EXPECT_TRUE(Map::Open(this->backend_, id));
  opened.reset();
  EXPECT_EQ(this->backend_->OpenMap(id).error().code(), ErrorCode::kNotFound);
}

TYPED_TEST(OpenTest, APinKeepsAMapWithWhatItHolds) {
  const std::string pin = this->Pin("counts");
  const std::uint32_t key = 0;
  {
    Map made = this->CreateMap(MapType::kArray, 4, 8, 1);
    ASSERT_TRUE(made.Update(Bytes(key), Bytes(std::uint64_t{9}), UpdateMode::kAny));
    const auto pinned = made.Pin(pin);
    ASSERT_TRUE(pinned) << pinned.error().message();
  }
  std::uint64_t read = 0;
  const auto opened = Map::OpenPinned(this->backend_, pin);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_TRUE(opened->Lookup(Bytes(key), WritableBytes(read)).value());
  EXPECT_EQ(read, 9U);
}

TYPED_TEST(OpenTest, AMapWithoutItsPinGoesWithItsLastHandle) {
  const std::string pin = this->Pin("counts");
  std::optional<Map> made = this->CreateMap(MapType::kArray, 4, 8, 1);
  const std::uint32_t id = made->info().id;
  ASSERT_TRUE(made->Pin(pin));
  ASSERT_TRUE(made->Unpin());
  EXPECT_EQ(this->backend_->OpenPinnedMap(pin, MapAccess::kReadWrite).error().code(), ErrorCode::kNotFound);
  made.reset();
  EXPECT_EQ(this->backend_->OpenMap(id).error().code(), ErrorCode::kNotFound);
}

TYPED_TEST(OpenTest, APinIsNeverReplacedAndMoves) {
  const std::string first = this->Pin("first");
  const std::string second = this->Pin("second");
  Map one = this->CreateMap(MapType::kArray, 4, 8, 1);
  Map other = this->CreateMap(MapType::kArray, 4, 8, 1);
  ASSERT_TRUE(one.Pin(first));
  const auto again = other.Pin(first);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().sys_errno(), EEXIST);
  EXPECT_EQ(again.error().code(), ErrorCode::kKeyExist);
  ASSERT_TRUE(one.Pin(second));
  EXPECT_FALSE(Map::OpenPinned(this->backend_, first));
  EXPECT_EQ(Map::OpenPinned(this->backend_, second)->info().id, one.info().id);
}

TYPED_TEST(OpenTest, AHandleThatMayOnlyReadDoesNotWrite) {
  const std::string pin = this->Pin("counts");
  Map made = this->CreateMap(MapType::kArray, 4, 8, 1, map_flags::kMmapable);
  ASSERT_TRUE(made.Pin(pin));
  Map reader = Map::OpenPinned(this->backend_, pin, MapAccess::kReadOnly).value();
  const std::uint32_t key = 0;
  std::uint64_t value = 1;
  EXPECT_TRUE(reader.Lookup(Bytes(key), WritableBytes(value)));
  const auto updated = reader.Update(Bytes(key), Bytes(value), UpdateMode::kAny);
  ASSERT_FALSE(updated);
  EXPECT_EQ(updated.error().sys_errno(), EPERM);
  EXPECT_THAT(updated.error().message(), ::testing::HasSubstr("this handle may only read it"));
  EXPECT_EQ(reader.Freeze().error().sys_errno(), EPERM);
  EXPECT_FALSE(reader.Memory());
}

TYPED_TEST(OpenTest, AHandleThatMayOnlyWriteDoesNotRead) {
  const std::string pin = this->Pin("counts");
  Map made = this->CreateMap(MapType::kHash, 4, 8, 1);
  ASSERT_TRUE(made.Pin(pin));
  Map writer = Map::OpenPinned(this->backend_, pin, MapAccess::kWriteOnly).value();
  const std::uint32_t key = 0;
  std::uint64_t value = 1;
  EXPECT_TRUE(writer.Update(Bytes(key), Bytes(value), UpdateMode::kAny));
  EXPECT_EQ(writer.Lookup(Bytes(key), WritableBytes(value)).error().sys_errno(), EPERM);
  EXPECT_EQ(writer.LookupAndDelete(Bytes(key), WritableBytes(value)).error().sys_errno(), EPERM);
  std::uint32_t next = 0;
  EXPECT_EQ(writer.backend_map()->NextKey(std::nullopt, WritableBytes(next)).error().sys_errno(), EPERM);
  EXPECT_TRUE(writer.Delete(Bytes(key)).value());
}

TYPED_TEST(OpenTest, APinOfAnotherKindIsRefused) {
  const std::string pin = this->Pin("counts");
  Map made = this->CreateMap(MapType::kArray, 4, 8, 1);
  ASSERT_TRUE(made.Pin(pin));
  const auto program = this->backend_->OpenPinnedProgram(pin);
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(program.error().message(), ::testing::HasSubstr("map"));
  EXPECT_EQ(this->backend_->OpenPinnedLink(pin).error().code(), ErrorCode::kInvalidArgument);
}

TYPED_TEST(OpenTest, AProgramIsOpenedByIdAndByPinWithAllThatIsKnown) {
  auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES)).value();
  Program& made = **objects.FindProgram("on_call");
  const std::string pin = this->Pin("on_call");
  ASSERT_TRUE(made.Pin(pin));
  for (const auto& opened : {this->backend_->OpenProgram(made.info().id), this->backend_->OpenPinnedProgram(pin)}) {
    ASSERT_TRUE(opened) << opened.error().message();
    const ProgramInfo& info = (*opened)->info();
    EXPECT_EQ(info.name, "on_call");
    EXPECT_EQ(info.tag, made.info().tag);
    EXPECT_EQ(info.map_ids, made.info().map_ids);
    EXPECT_EQ(info.map_ids.size(), 3U);  // .rodata, .data and .bss
    EXPECT_NE(info.btf_id, 0U);
    EXPECT_NE(info.load_time_ns, 0U);
    EXPECT_EQ(info.created_by_uid, ::geteuid());
    EXPECT_TRUE(info.is_gpl_compatible);
  }
}

TYPED_TEST(OpenTest, CodeIsReadBackWithFunctionsAndLines) {
  auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES)).value();
  const auto opened = this->backend_->OpenProgram((*objects.FindProgram("on_call"))->info().id).value();
  const auto code = opened->Code();
  ASSERT_TRUE(code) << code.error().message();
  EXPECT_EQ(code->instructions.size(), opened->info().instruction_count);
  ASSERT_EQ(code->functions.size(), 2U);
  EXPECT_EQ(code->functions[0].name, "on_call");
  EXPECT_EQ(code->functions[1].name, "scaled");
  const auto names_map = [](const isa::Instruction& load) {
    return load.opcode == 0x18 && load.src == static_cast<std::uint8_t>(isa::PseudoLoad::kMapValue);
  };
  const auto load = std::find_if(code->instructions.begin(), code->instructions.end(), names_map);
  ASSERT_NE(load, code->instructions.end());
  EXPECT_THAT(opened->info().map_ids, ::testing::Contains(static_cast<std::uint32_t>(load->imm)));
  ASSERT_FALSE(code->lines.empty());
  EXPECT_THAT(code->lines[0].file, ::testing::HasSubstr("variables.bpf.c"));
  EXPECT_GT(opened->MemoryBytes().value(), 0U);
}

TYPED_TEST(OpenTest, TypesOfAMapAreReadByTheirId) {
  auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES)).value();
  const auto opened = this->backend_->OpenMap((*objects.FindMap(".data"))->info().id).value();
  ASSERT_NE(opened->info().btf_id, 0U);
  const auto types = this->backend_->ReadTypes(opened->info().btf_id);
  ASSERT_TRUE(types) << types.error().message();
  EXPECT_TRUE((*types)->template Get<btf::DataSec>(btf::TypeId{opened->info().value_type_id}));
}

TYPED_TEST(OpenTest, ALinkStaysAttachedByItsPinAndIsDetachedThroughIt) {
  auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES)).value();
  const auto total = [&] { return *objects.FindVariable("matches")->template Get<std::uint64_t>(); };
  const auto self = OpenExecutable("/proc/self/exe").value();
  const std::string pin = this->Pin("link");
  {
    auto link = self.AttachUprobe("strata_test_call", **objects.FindProgram("on_call"), {.pid = ::getpid()}).value();
    const auto pinned = link.Pin(pin);
    ASSERT_TRUE(pinned) << pinned.error().message();
  }
  strata_test_call(7);
  EXPECT_EQ(total(), 1U);
  auto opened = OpenPinnedLink(this->backend_, pin);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->Info()->program_id, (*objects.FindProgram("on_call"))->info().id);
  ASSERT_TRUE(OpenLink(this->backend_, opened->id()));
  std::filesystem::remove(this->backend_->PinPath(pin).value());
  strata_test_call(7);
  EXPECT_EQ(total(), 2U);
  { const Link last = *std::move(opened); }
  strata_test_call(7);
  EXPECT_EQ(total(), 2U);
}

TYPED_TEST(OpenTest, MapsPinnedByNameAreUsedAgain) {
  auto spec = this->PinnedVariables();
  std::uint32_t id = 0;
  {
    auto first = LoadCollection(this->backend_, spec, this->PinOptions(PinPolicy::kReuse));
    ASSERT_TRUE(first) << first.error().message();
    id = (*first->FindMap(".data"))->info().id;
    ASSERT_TRUE(first->FindVariable("factor")->Set(std::uint64_t{11}));
  }
  auto second = LoadCollection(this->backend_, spec, this->PinOptions(PinPolicy::kReuse));
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ((*second->FindMap(".data"))->info().id, id);
  EXPECT_EQ(*second->FindVariable("factor")->template Get<std::uint64_t>(), 11U);
}

TYPED_TEST(OpenTest, MapsPinnedByNameAreReplaced) {
  auto spec = this->PinnedVariables();
  auto first = LoadCollection(this->backend_, spec, this->PinOptions(PinPolicy::kReplace)).value();
  auto second = LoadCollection(this->backend_, spec, this->PinOptions(PinPolicy::kReplace)).value();
  EXPECT_NE((*first.FindMap(".data"))->info().id, (*second.FindMap(".data"))->info().id);
  const auto pinned = Map::OpenPinned(this->backend_, this->pins_ + "/_data").value();
  EXPECT_EQ(pinned.info().id, (*second.FindMap(".data"))->info().id);
}

TYPED_TEST(OpenTest, ThePolicyMayForbidAnExistingPin) {
  auto spec = this->PinnedVariables();
  ASSERT_TRUE(LoadCollection(this->backend_, spec, this->PinOptions(PinPolicy::kFail)));
  const auto again = LoadCollection(this->backend_, spec, this->PinOptions(PinPolicy::kFail));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().sys_errno(), EEXIST);
}

}  // namespace
}  // namespace strata
