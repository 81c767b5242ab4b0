#include "backend_fixture.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace strata {

void UserspaceBackendTest::SetUp() {
  std::string pattern = "/dev/shm/strata-test-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  runtime_folder_ = pattern;
  backend_ = OpenUserspaceBackend(Options()).value();
}

void UserspaceBackendTest::TearDown() {
  backend_.reset();
  EXPECT_THAT(Files(), testing::IsEmpty()) << "left behind by the backend";
  EXPECT_FALSE(std::filesystem::exists(session_folder()));
  std::filesystem::remove_all(runtime_folder_);
}

UserspaceOptions UserspaceBackendTest::Options() const {
  UserspaceOptions options;
  options.session = "test";
  options.runtime_folder = runtime_folder_;
  options.planners["uprobe"] = [](const AttachTarget&) -> Result<std::vector<std::byte>> {
    return std::vector<std::byte>(100, std::byte{0xab});
  };
  return options;
}

std::shared_ptr<Backend> UserspaceBackendTest::OpenAgain() const { return OpenUserspaceBackend(Options()).value(); }

std::vector<std::string> UserspaceBackendTest::Files() const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(session_folder(), error))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

MapSpec UserspaceBackendTest::Spec(MapType type, std::uint32_t key_size, std::uint32_t value_size,
                                   std::uint32_t max_entries, std::uint32_t flags) {
  MapSpec spec;
  spec.name = "counts";
  spec.type = type;
  spec.key_size = key_size;
  spec.value_size = value_size;
  spec.max_entries = max_entries;
  spec.flags = flags;
  return spec;
}

LinkedProgram UserspaceBackendTest::TrivialProgram() {
  LinkedProgram program;
  program.name = "seven";
  program.type = ProgramType::kKprobe;
  program.license = "GPL";
  program.instructions = {{0xb7, 0, 0, 0, 7}, {0x95, 0, 0, 0, 0}};
  return program;
}

// *(u32 *)(r10 - 4) = 0; r2 = r10 - 4; r1 = map; r0 = map_lookup_elem(r1, r2); if (r0 != 0) ++*(u64 *)r0; r0 = 0; exit
LinkedProgram UserspaceBackendTest::CountingProgram(const std::shared_ptr<BackendMap>& map) {
  LinkedProgram program = TrivialProgram();
  program.name = "count";
  program.instructions = {{0x62, 10, 0, -4, 0}, {0xbf, 2, 10, 0, 0}, {0x07, 2, 0, 0, -4}, {0x18, 1, 0, 0, 0},
                          {0, 0, 0, 0, 0},      {0x85, 0, 0, 0, 1},  {0x15, 0, 0, 3, 0},  {0x79, 1, 0, 0, 0},
                          {0x07, 1, 0, 0, 1},   {0x7b, 0, 1, 0, 0},  {0xb7, 0, 0, 0, 0},  {0x95, 0, 0, 0, 0}};
  program.map_references = {{{3}, map, false, 0}};
  return program;
}

AttachTarget UserspaceBackendTest::Target(std::int32_t pid) {
  AttachTarget target;
  target.kind = "uprobe";
  target.path = "/proc/self/exe";
  target.pid = pid;
  target.cookie = 99;
  target.config = EncodeConfig(UprobeConfig{.file_offset = 0x1000});
  return target;
}

std::uint64_t UserspaceBackendTest::Run(const BackendProgram& program, int times) {
  std::uint64_t result = 0;
  AsAgent([&](runtime::Process& process, int folder) {
    runtime::ProgramInstance* instance = nullptr;
    runtime::Reason reason;
    ASSERT_EQ(runtime::InstantiateProgram(process, folder, program.info().id, &instance, &reason), 0) << reason.text;
    for (int i = 0; i < times; ++i) {
      runtime::RunContext run;
      result = runtime::RunProgram(*instance, run);
    }
    runtime::ReleaseProgram(instance);
  });
  return result;
}

}  // namespace strata
