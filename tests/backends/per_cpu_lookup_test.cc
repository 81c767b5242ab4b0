// bpf_map_lookup_percpu_elem: a program reads and writes the value of a CPU that it names.
#include <vector>

#include "fixture.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;

struct Kind {
  const char* map;
  const char* program;
  bool has_all_keys;
};
constexpr Kind kKinds[] = {{"array", "in_array", true}, {"hash", "in_hash", false}, {"lru", "in_lru", false}};

template <typename T>
class PerCpuLookupTest : public BackendTest<T> {
 protected:
  void SetUp() override {
    BackendTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_PER_CPU_LOOKUP));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
  }
  // What was there, or -1.
  std::int64_t Add(const char* program, std::uint32_t key, std::uint32_t cpu, std::uint64_t amount) {
    EXPECT_TRUE(objects_->FindVariable("key")->Set(key));
    EXPECT_TRUE(objects_->FindVariable("cpu")->Set(cpu));
    EXPECT_TRUE(objects_->FindVariable("amount")->Set(amount));
    EXPECT_TRUE((*objects_->FindProgram(program))->TestRun());
    return objects_->FindVariable("result")->template Get<std::int64_t>().value();
  }
  Map& MapOf(const Kind& kind) { return **objects_->FindMap(kind.map); }
  // The values of key 2, one per CPU.
  std::vector<std::uint64_t> Read(const Kind& kind) {
    const std::uint32_t key = 2;
    std::vector<std::uint64_t> values(cpus());
    EXPECT_TRUE(*MapOf(kind).Lookup(std::as_bytes(std::span(&key, 1)), std::as_writable_bytes(std::span(values))));
    return values;
  }
  void Write(const Kind& kind, const std::vector<std::uint64_t>& values) {
    const std::uint32_t key = 2;
    EXPECT_TRUE(MapOf(kind).Update(std::as_bytes(std::span(&key, 1)), std::as_bytes(std::span(values))));
  }
  std::uint32_t cpus() const { return this->backend_->possible_cpus(); }

  std::optional<Collection> objects_;
};
TYPED_TEST_SUITE(PerCpuLookupTest, BackendKinds, BackendNames);

TYPED_TEST(PerCpuLookupTest, EachCpusValueIsReadAndWritten) {
  for (const Kind& kind : kKinds) {
    std::vector<std::uint64_t> values(this->cpus());
    for (std::uint32_t cpu = 0; cpu < this->cpus(); ++cpu) values[cpu] = 100 * (cpu + 1);
    this->Write(kind, values);
    for (std::uint32_t cpu = 0; cpu < this->cpus(); ++cpu) {
      EXPECT_EQ(this->Add(kind.program, 2, cpu, cpu + 1), 100 * (cpu + 1)) << kind.map;
      values[cpu] += cpu + 1;
      EXPECT_EQ(this->Read(kind), values) << kind.map << ": of others nothing changes";
    }
  }
}

TYPED_TEST(PerCpuLookupTest, ThereIsNothingBehindTheLastCpu) {
  for (const Kind& kind : kKinds) {
    this->Write(kind, std::vector<std::uint64_t>(this->cpus(), 7));
    EXPECT_EQ(this->Add(kind.program, 2, this->cpus(), 1), -1) << kind.map;
    EXPECT_EQ(this->Add(kind.program, 2, ~0U, 1), -1) << kind.map;
    EXPECT_EQ(this->Read(kind), std::vector<std::uint64_t>(this->cpus(), 7)) << kind.map;
  }
}

TYPED_TEST(PerCpuLookupTest, MissingElementsAreMissingOnEachCpu) {
  for (const Kind& kind : kKinds) {
    for (std::uint32_t cpu = 0; cpu < this->cpus(); ++cpu) {
      EXPECT_EQ(this->Add(kind.program, 3, cpu, 0), kind.has_all_keys ? 0 : -1) << kind.map;
      EXPECT_EQ(this->Add(kind.program, 64, cpu, 0), -1) << kind.map;
    }
  }
}

}  // namespace
}  // namespace strata
