// Kernel configuration values, where they come from, and what does not fit.
#include <unistd.h>

#include <array>
#include <cstring>

#include "fixture.h"
#include "targets.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;
using ::testing::HasSubstr;

template <typename T>
class KconfigTest : public BackendTest<T> {
 protected:
  Result<void> Run(CollectionSpec spec, std::string text) {
    LoadOptions options;
    options.kconfig = std::move(text);
    objects_.emplace(STRATA_TRY(LoadCollection(this->backend_, std::move(spec), std::move(options))));
    const auto self = STRATA_TRY(OpenExecutable("/proc/self/exe"));
    const auto probe = STRATA_TRY(
        self.AttachUprobe("strata_test_call", *STRATA_TRY(objects_->FindProgram("on_call")), {.pid = ::getpid()}));
    strata_test_call(1);
    return {};
  }
  Result<void> Run(std::string text) { return Run(LoadCollectionSpec(STRATA_BPF_KCONFIG).value(), std::move(text)); }

  template <typename Value = std::uint64_t>
  Value Read(std::string_view variable) {
    return *objects_->FindVariable(variable)->template Get<Value>();
  }
  std::string ReadText() {
    const auto text = this->template Read<std::array<char, 8>>("text");
    return std::string(text.data(), ::strnlen(text.data(), text.size()));
  }
  std::string Failure(std::string text) {
    const auto result = Run(std::move(text));
    return result ? "" : result.error().message();
  }

  std::optional<Collection> objects_;
};
TYPED_TEST_SUITE(KconfigTest, BackendKinds, BackendNames);

TYPED_TEST(KconfigTest, AnswersOfTheLoader) {
  ASSERT_TRUE(this->Run(""));
  const KernelFacts facts;
  EXPECT_EQ(this->Read("version"), facts.Version().value());
  EXPECT_EQ(this->Read("cookie"), facts.HasBpfCookie());
  EXPECT_EQ(this->Read("wrapper"), facts.HasSyscallWrapper());
}

TYPED_TEST(KconfigTest, ValuesOfEachType) {
  ASSERT_TRUE(
      this->Run("# a comment\n\nCONFIG_STRATA_NUMBER=4000000000\nCONFIG_STRATA_SMALL=-128\n"
                "CONFIG_STRATA_HEX=0xfedcba9876543210\r\nCONFIG_STRATA_BOOL=y\nCONFIG_STRATA_TRISTATE=m\n"
                "CONFIG_STRATA_CHAR=m\nCONFIG_STRATA_TEXT=\"word\""));
  EXPECT_EQ(this->Read("number"), 4000000000U);
  EXPECT_EQ(this->template Read<std::int64_t>("small"), -128);
  EXPECT_EQ(this->Read("hex"), 0xfedcba9876543210U);
  EXPECT_EQ(this->Read("truth"), 1U);
  EXPECT_EQ(this->Read("tristate"), 2U);
  EXPECT_EQ(this->Read("letter"), static_cast<std::uint64_t>('m'));
  EXPECT_EQ(this->ReadText(), "word");
}

TYPED_TEST(KconfigTest, WeakOnesThatAreNotSetAreZero) {
  ASSERT_TRUE(this->Run(""));
  EXPECT_EQ(this->Read("number"), 0U);
  EXPECT_EQ(this->Read("tristate"), 0U);
  EXPECT_EQ(this->ReadText(), "");
}

TYPED_TEST(KconfigTest, TextsAreCutToTheirArray) {
  ASSERT_TRUE(this->Run("CONFIG_STRATA_TEXT=\"longer than eight\""));
  EXPECT_EQ(this->ReadText(), "longer ");
}

TYPED_TEST(KconfigTest, TheCallersTextComesBeforeTheSpecification) {
  auto spec = LoadCollectionSpec(STRATA_BPF_KCONFIG).value();
  const std::uint32_t number = 4;
  const auto four = std::as_bytes(std::span(&number, 1));
  spec.externs.at("CONFIG_STRATA_NUMBER").value.emplace(four.begin(), four.end());
  ASSERT_TRUE(this->Run(spec, ""));
  EXPECT_EQ(this->Read("number"), 4U);
  ASSERT_TRUE(this->Run(spec, "CONFIG_STRATA_NUMBER=5"));
  EXPECT_EQ(this->Read("number"), 5U);
}

TYPED_TEST(KconfigTest, AValueOfAnotherSizeIsRefused) {
  auto spec = LoadCollectionSpec(STRATA_BPF_KCONFIG).value();
  spec.externs.at("CONFIG_STRATA_NUMBER").value.emplace(3);
  const auto result = this->Run(std::move(spec), "");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message(), HasSubstr("extern CONFIG_STRATA_NUMBER: given 3 bytes, has 4"));
}

TYPED_TEST(KconfigTest, ValuesThatDoNotFitAreRefusedByName) {
  EXPECT_THAT(this->Failure("CONFIG_STRATA_NUMBER=4294967296"),
              HasSubstr("extern CONFIG_STRATA_NUMBER: 4294967296 does not fit into unsigned 4 bytes"));
  EXPECT_THAT(this->Failure("CONFIG_STRATA_SMALL=128"), HasSubstr("128 does not fit into signed 1 bytes"));
  EXPECT_THAT(this->Failure("CONFIG_STRATA_BOOL=m"), HasSubstr("extern CONFIG_STRATA_BOOL: m is no value for a bool"));
  EXPECT_THAT(this->Failure("CONFIG_STRATA_NUMBER=\"7\""), HasSubstr("is no value for an integer"));
  EXPECT_THAT(this->Failure("CONFIG_STRATA_NUMBER=12x"), HasSubstr("12x is no number"));
  EXPECT_THAT(this->Failure("CONFIG_STRATA_TEXT=\"open"), HasSubstr("\"open has no closing quote"));
  EXPECT_THAT(this->Failure("CONFIG_STRATA_TEXT=5"), HasSubstr("is no value for a string"));
  EXPECT_THAT(this->Failure("CONFIG_STRATA_NUMBER"), HasSubstr("line 1"));
}

TYPED_TEST(KconfigTest, AStrongOneThatIsNotSetNamesItselfAndTheRemedy) {
  auto spec = LoadCollectionSpec(STRATA_BPF_STRONG_KCONFIG).value();
  const auto missing = this->Run(spec, "");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("extern CONFIG_STRATA_STRONG: is not set"));
  EXPECT_THAT(missing.error().message(), HasSubstr("__weak"));
  ASSERT_TRUE(this->Run(spec, "CONFIG_STRATA_STRONG=9"));
  EXPECT_EQ(this->Read("strong"), 9U);
}

}  // namespace
}  // namespace strata
