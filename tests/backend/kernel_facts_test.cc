#include "strata/backend/kernel_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "strata/btf/builder.h"

namespace strata {
namespace {

using testing::HasSubstr;

class KernelFactsTest : public testing::Test {
 protected:
  KernelFactsTest() {
    std::string pattern = testing::TempDir() + "strata-facts-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    sources_.types = Path("no-btf");
    sources_.configs = {Path("no-config")};
    sources_.symbols = Path("symbols");
    sources_.signature = Path("no-signature");
    sources_.release = "6.1.0-28-amd64";
    sources_.build = "#1 SMP";
  }
  ~KernelFactsTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
    return Path(name);
  }

  std::string folder_;
  KernelFactsSources sources_;
};

constexpr char kConfig[] =
    "# CONFIG_OFF is not set\nCONFIG_HZ=250\nCONFIG_EMPTY=\"\"\nCONFIG_CC=\"gcc = 12\"\nCONFIG_LAST=y";

TEST_F(KernelFactsTest, ReadsAPlainConfiguration) {
  sources_.configs = {Write("config", kConfig)};
  const KernelFacts facts(sources_);
  EXPECT_EQ(facts.ConfigValue("CONFIG_HZ").value(), "250");
  EXPECT_EQ(facts.ConfigValue("CONFIG_CC").value(), "\"gcc = 12\"");
  EXPECT_EQ(facts.ConfigValue("CONFIG_EMPTY").value(), "\"\"");
  EXPECT_EQ(facts.ConfigValue("CONFIG_LAST").value(), "y");
  EXPECT_EQ(facts.ConfigValue("CONFIG_OFF").value(), std::nullopt);
}

TEST_F(KernelFactsTest, ReadsAGzippedConfigurationWhereTheFirstFileIsMissing) {
  sources_.configs = {Path("missing"), Path("config.gz")};
  gzFile file = ::gzopen(sources_.configs[1].c_str(), "wb");
  ::gzwrite(file, kConfig, sizeof(kConfig) - 1);
  ::gzclose(file);
  EXPECT_EQ(KernelFacts(sources_).ConfigValue("CONFIG_HZ").value(), "250");
}

TEST_F(KernelFactsTest, ACutGzipFileIsNoConfiguration) {
  sources_.configs = {Write("config.gz", std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03\xff\xff", 12))};
  const auto value = KernelFacts(sources_).ConfigValue("CONFIG_HZ");
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code(), ErrorCode::kMalformed);
  EXPECT_THAT(value.error().message(), HasSubstr("config.gz"));
}

TEST_F(KernelFactsTest, AMissingConfigurationNamesTheFilesTried) {
  const auto value = KernelFacts(sources_).ConfigValue("CONFIG_HZ");
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(value.error().message(), HasSubstr("no-config"));
}

TEST_F(KernelFactsTest, VersionIsTheReleasesNumber) {
  sources_.release = "6.18.44-fc";
  EXPECT_EQ(KernelFacts(sources_).Version().value(), (6U << 16) + (18U << 8) + 44);
}

TEST_F(KernelFactsTest, VersionOfDebianIsInItsBuild) {
  sources_.build = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)";
  EXPECT_EQ(KernelFacts(sources_).Version().value(), (6U << 16) + (1U << 8) + 119);
}

TEST_F(KernelFactsTest, VersionOfUbuntuIsInItsSignature) {
  sources_.signature = Write("signature", "Ubuntu 5.4.0-12.15-generic 5.4.8\n");
  EXPECT_EQ(KernelFacts(sources_).Version().value(), (5U << 16) + (4U << 8) + 8);
}

TEST_F(KernelFactsTest, PatchLevelsAbove255AreClamped) {
  sources_.release = "4.19.325";
  EXPECT_EQ(KernelFacts(sources_).Version().value(), (4U << 16) + (19U << 8) + 255);
}

TEST_F(KernelFactsTest, AReleaseWithoutNumbersIsAnError) {
  sources_.release = "custom";
  EXPECT_THAT(KernelFacts(sources_).Version().error().message(), HasSubstr("\"custom\""));
}

TEST_F(KernelFactsTest, FindsAddressesInOnePass) {
  Write("symbols",
        "0000000000000000 A fixed_percpu_data\nffffffff81000000 T _stext\nffffffff82000000 d hidden.llvm.42\n"
        "ffffffffc0000010 t in_module\t[mod]\nnot a line\n");
  const std::vector<std::string> wanted = {"_stext", "in_module", "hidden", "fixed_percpu_data", "missing"};
  const auto addresses = KernelFacts(sources_).AddressesOf(wanted).value();
  EXPECT_EQ(addresses, (KernelFacts::Addresses{{"_stext", 0xffffffff81000000},
                                               {"hidden", 0xffffffff82000000},
                                               {"in_module", 0xffffffffc0000010},
                                               {"fixed_percpu_data", 0}}));
}

TEST_F(KernelFactsTest, VisitsEverySymbolInItsOrder) {
  Write("symbols", "ffffffff81000000 T twice\nno line\nffffffff81000010 t twice\nffffffffc0000010 d data\t[mod]\n");
  std::vector<std::string> seen;
  ASSERT_TRUE(KernelFacts(sources_).ForEachSymbol([&](const KernelFacts::Symbol& symbol) {
    seen.push_back(std::string(symbol.name) + symbol.type + std::to_string(symbol.address & 0xff));
  }));
  EXPECT_THAT(seen, ::testing::ElementsAre("twiceT0", "twicet16", "datad16"));
  sources_.symbols = "/nonexistent/kallsyms";
  EXPECT_EQ(KernelFacts(sources_).ForEachSymbol([](const KernelFacts::Symbol&) {}).error().code(),
            ErrorCode::kNotFound);
}

TEST_F(KernelFactsTest, TwoAddressesOfASymbolAreAmbiguous) {
  Write("symbols",
        "ffffffff81000000 t twice\nffffffff81000010 t twice\nffffffff81000020 t same\nffffffff81000020 t same\n");
  const KernelFacts facts(sources_);
  const auto address = facts.AddressOf("twice");
  ASSERT_FALSE(address);
  EXPECT_EQ(address.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(address.error().message(), HasSubstr("twice: is ambiguous: 0xffffffff81000000 or 0xffffffff81000010"));
  EXPECT_EQ(facts.AddressOf("same").value(), 0xffffffff81000020);
}

TEST_F(KernelFactsTest, HiddenAddressesNameTheRemedy) {
  Write("symbols", "0000000000000000 T _stext\n0000000000000000 T other\n");
  const auto address = KernelFacts(sources_).AddressOf("_stext");
  ASSERT_FALSE(address);
  EXPECT_EQ(address.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(address.error().message(), HasSubstr("kptr_restrict"));
  EXPECT_EQ(KernelFacts(sources_).AddressOf("missing").value(), std::nullopt);
}

TEST_F(KernelFactsTest, TheSyscallWrapperIsAnOptionOfTheKernel) {
  Write("symbols", "ffffffff81000000 T __x64_sys_bpf\n");
  sources_.configs = {Write("config", "CONFIG_HZ=250\n")};
  EXPECT_FALSE(KernelFacts(sources_).HasSyscallWrapper());
  Write("config", "CONFIG_ARCH_HAS_SYSCALL_WRAPPER=y\n");
  EXPECT_TRUE(KernelFacts(sources_).HasSyscallWrapper());
}

TEST_F(KernelFactsTest, WithoutAConfigurationTheSyscallWrapperIsASymbol) {
  Write("symbols", "0000000000000000 T sys_bpf\n");
  EXPECT_FALSE(KernelFacts(sources_).HasSyscallWrapper());
  Write("symbols", "0000000000000000 T __x64_sys_bpf\n");
  EXPECT_TRUE(KernelFacts(sources_).HasSyscallWrapper());
}

TEST_F(KernelFactsTest, MissingTypesNameTheOption) {
  const auto types = KernelFacts(sources_).Types();
  ASSERT_FALSE(types);
  EXPECT_EQ(types.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(types.error().message(), HasSubstr("CONFIG_DEBUG_INFO_BTF"));
}

TEST_F(KernelFactsTest, ReadsModulesOnTopOfTheKernel) {
  const auto write_types = [&](const std::string& name, const btf::Builder& types) {
    const auto bytes = types.Build().value();
    return Write(name, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  };
  btf::Builder kernel;
  const btf::TypeId number = kernel.Add(btf::Int{.name = "int", .size_bytes = 4, .bits = 32}).value();
  sources_.module_types = Path("btf");
  std::filesystem::create_directory(sources_.module_types);
  sources_.types = write_types("btf/vmlinux", kernel);
  btf::Builder module(kernel.BuildTypes().value());
  const btf::TypeId alias = module.Add(btf::Typedef{"module_int", number}).value();
  write_types("btf/some_module", module);

  const KernelFacts facts(sources_);
  const auto modules = facts.ModuleTypes().value();
  ASSERT_EQ(modules.size(), 1U);
  EXPECT_EQ(modules[0]->NameOf(alias), "module_int");
  EXPECT_EQ(modules[0]->Resolve(alias).value(), number);
  sources_.module_types = Path("none");
  EXPECT_TRUE(KernelFacts(sources_).ModuleTypes()->empty());
}

TEST(KernelFacts, OfTheRunningKernel) {
  const KernelFacts facts;
  EXPECT_GE(facts.Version().value(), 5U << 16);
  EXPECT_TRUE(facts.HasSyscallWrapper());
  EXPECT_EQ(facts.HasBpfCookie(), facts.Version().value() >= (5U << 16) + (15U << 8));
}

}  // namespace
}  // namespace strata
