// The probes of the distribution's own files, attached by libbpf and by us: programs must find the same specifications.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "strata/elf/image.h"
#include "strata/strata.h"

namespace strata {
namespace {

constexpr std::uint32_t kSpecs = 256;                   // entries of the map
constexpr std::uint64_t kCookie = 0x1122334455667788U;  // no used entry is all zeros
using Record = std::array<std::uint8_t, 208>;

// The entries that are used, in whatever order they were numbered.
template <typename Read>
std::multiset<Record> UsedRecords(Read read) {
  std::multiset<Record> records;
  for (std::uint32_t id = 0; id < kSpecs; ++id) {
    Record record{};
    EXPECT_TRUE(read(id, record));
    if (record != Record{}) records.insert(record);
  }
  return records;
}

struct Closer {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

std::multiset<Record> RecordsOfLibbpf(const std::string& path, const elf::UsdtProbe& probe) {
  const std::unique_ptr<bpf_object, Closer> object(bpf_object__open(STRATA_BPF_USDT));
  EXPECT_EQ(bpf_object__load(object.get()), 0);
  bpf_usdt_opts options{};
  options.sz = sizeof(options);
  options.usdt_cookie = kCookie;
  bpf_program* program = bpf_object__find_program_by_name(object.get(), "keep_first");
  const std::unique_ptr<bpf_link, Closer> link(
      bpf_program__attach_usdt(program, -1, path.c_str(), probe.provider.c_str(), probe.name.c_str(), &options));
  EXPECT_NE(link, nullptr) << path << " " << probe.provider << ":" << probe.name;
  const int map = bpf_object__find_map_fd_by_name(object.get(), "__bpf_usdt_specs");
  return UsedRecords([&](std::uint32_t id, Record& record) { return bpf_map_lookup_elem(map, &id, &record) == 0; });
}

std::multiset<Record> RecordsOfStrata(const std::shared_ptr<Backend>& backend, const std::string& path,
                                      const elf::UsdtProbe& probe) {
  auto objects = LoadCollection(backend, std::string(STRATA_BPF_USDT)).value();
  const auto file = OpenExecutable(path).value();
  const auto link = file.AttachUsdt(probe.provider, probe.name, **objects.FindProgram("keep_first"),
                                    {.pid = kAllProcesses, .cookie = kCookie});
  EXPECT_TRUE(link) << link.error().message();
  const Map& map = **objects.FindMap("__bpf_usdt_specs");
  return UsedRecords([&](std::uint32_t id, Record& record) {
    const auto found = map.Lookup(std::as_bytes(std::span(&id, 1)), std::as_writable_bytes(std::span(record)));
    return found.has_value() && *found;
  });
}

class UsdtDifferential : public testing::TestWithParam<const char*> {};

TEST_P(UsdtDifferential, ProbesHaveTheSpecificationsThatLibbpfGivesThem) {
  auto backend = OpenBackend("kernel");
  if (!backend && backend.error().code() == ErrorCode::kPermissionDenied) {
    GTEST_SKIP() << "lacks the right to use bpf(2): " << backend.error().message();
  }
  ASSERT_TRUE(backend) << backend.error().message();
  if (!std::filesystem::exists(GetParam())) GTEST_SKIP() << "there is no " << GetParam();
  const auto probes = elf::Image::Open(GetParam())->UsdtProbes();
  ASSERT_TRUE(probes) << probes.error().message();
  std::set<std::pair<std::string, std::string>> compared;
  for (const elf::UsdtProbe& probe : *probes) {
    if (!compared.emplace(probe.provider, probe.name).second) continue;
    const auto expected = RecordsOfLibbpf(GetParam(), probe);
    EXPECT_FALSE(expected.empty()) << probe.name;
    EXPECT_EQ(RecordsOfStrata(*backend, GetParam(), probe), expected) << probe.provider << ":" << probe.name;
  }
  EXPECT_FALSE(compared.empty());
}

INSTANTIATE_TEST_SUITE_P(Files, UsdtDifferential,
                         testing::Values("/usr/bin/python3", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"),
                         [](const auto& file) { return file.index == 0 ? "python3" : "libstdcxx"; });

}  // namespace
}  // namespace strata
