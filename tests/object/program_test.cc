// Programs that are loaded: what is known of them, and running them without an event.
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>

#include "kernel_fixture.h"
#include "strata/spec/attach_target.h"

namespace strata {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// A BPF file system of its own, gone with the object.
class BpfFileSystem {
 public:
  BpfFileSystem() : path_(::testing::TempDir() + "strata-bpffs-" + std::to_string(::getpid())) {
    std::filesystem::create_directory(path_);
    is_mounted_ = ::mount("bpf", path_.c_str(), "bpf", 0, nullptr) == 0;
  }
  ~BpfFileSystem() {
    if (is_mounted_) ::umount2(path_.c_str(), MNT_DETACH);
    std::filesystem::remove(path_);
  }
  bool is_mounted() const { return is_mounted_; }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
  bool is_mounted_ = false;
};

class LoadedPrograms : public testing::KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto objects = Load(STRATA_BPF_PROGRAMS);
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
  }
  Program& Find(const std::string& name) { return **objects_->FindProgram(name); }
  std::uint64_t RunsOf(std::uint32_t slot) { return **objects_->FindMap<Array<std::uint64_t>>("runs")->Lookup(slot); }

  std::array<std::byte, 64> packet_{};
  std::optional<Collection> objects_;
};

TEST_F(LoadedPrograms, TellWhatTheKernelKnowsOfThem) {
  const ProgramInfo& info = Find("returns_the_length_of_the_packet").info();
  EXPECT_NE(info.id, 0U);
  EXPECT_EQ(info.type, ProgramType::kSocketFilter);
  EXPECT_EQ(info.created_by_uid, ::getuid());
  EXPECT_TRUE(info.is_gpl_compatible);
  EXPECT_GT(info.load_time_ns, 0U);
  EXPECT_GT(info.verified_instruction_count, 5U);
  EXPECT_GT(info.jited_bytes, 0U);
  EXPECT_NE(info.btf_id, 0U);
  EXPECT_EQ(info.map_ids, std::vector<std::uint32_t>{objects_->FindMap("runs").value()->info().id});
  EXPECT_TRUE(Find("adds").info().map_ids.empty());
  const auto memory = Find("adds").MemoryBytes();
  ASSERT_TRUE(memory) << memory.error().message();
  EXPECT_GE(*memory, static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
}

TEST_F(LoadedPrograms, ShowTheirCodeWithNamesAndLines) {
  const Program& program = Find("returns_the_length_of_the_packet");
  const auto code = program.Code();
  ASSERT_TRUE(code) << code.error().message();
  EXPECT_EQ(code->instructions.size(), program.info().instruction_count);
  EXPECT_EQ(code->machine_code.size(), program.info().jited_bytes);
  ASSERT_EQ(code->functions.size(), 2U);
  EXPECT_EQ(code->functions[0].name, "returns_the_length_of_the_packet");
  EXPECT_EQ(code->functions[1].name, "LengthOf");
  EXPECT_GT(code->functions[1].index.value, 0U);
  EXPECT_NE(code->functions[1].jited_address, 0U);
  EXPECT_EQ(code->functions[0].jited_bytes + code->functions[1].jited_bytes, code->machine_code.size());
  ASSERT_FALSE(code->lines.empty());
  EXPECT_THAT(code->lines[0].file, HasSubstr("programs.bpf.c"));
  EXPECT_GT(code->lines[0].line, 20U);
  const auto translated = program.TranslatedInstructions();
  ASSERT_TRUE(translated);
  EXPECT_EQ(translated->back().opcode, 0x95);
}

TEST_F(LoadedPrograms, AreOpenedByIdWithTheirFullName) {
  const Program& program = Find("returns_the_length_of_the_packet");
  const auto opened = OpenProgram(backend_, program.info().id);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->name(), "returns_the_length_of_the_packet") << "the kernel keeps 15 characters";
  EXPECT_EQ(opened->info().tag, program.info().tag);
  EXPECT_EQ(opened->spec().type_of_program, ProgramType::kSocketFilter);
  EXPECT_EQ(opened->TestRun({.data_in = packet_}).value().return_value, packet_.size() - 14);
  EXPECT_EQ(OpenProgram(backend_, 0x7fffffff).error().code(), ErrorCode::kNotFound);
}

TEST_F(LoadedPrograms, AreListedWithTheirFullName) {
  const auto listing = backend_->List();
  ASSERT_TRUE(listing) << listing.error().message();
  const std::uint32_t id = Find("returns_the_length_of_the_packet").info().id;
  const auto is_ours = [id](const ProgramInfo& info) { return info.id == id; };
  const auto found = std::find_if(listing->programs.begin(), listing->programs.end(), is_ours);
  ASSERT_NE(found, listing->programs.end());
  EXPECT_EQ(found->name, "returns_the_length_of_the_packet");
}

TEST_F(LoadedPrograms, ArePinnedAndFoundAgain) {
  const BpfFileSystem files;
  ASSERT_TRUE(files.is_mounted()) << std::strerror(errno);
  Program& program = Find("adds");
  const auto pinned = program.Pin(files.Path("adds"));
  ASSERT_TRUE(pinned) << pinned.error().message();
  EXPECT_EQ(program.Pin(files.Path("adds")).error().code(), ErrorCode::kKeyExist);
  const std::uint32_t id = program.info().id;
  objects_.reset();
  const auto found = OpenPinnedProgram(backend_, files.Path("adds"));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->info().id, id);
  EXPECT_EQ(found->name(), "adds");
  EXPECT_EQ(OpenPinnedProgram(backend_, files.Path("none")).error().code(), ErrorCode::kNotFound);
}

TEST_F(LoadedPrograms, APinnedLinkIsNoProgram) {
  const BpfFileSystem files;
  ASSERT_TRUE(files.is_mounted()) << std::strerror(errno);
  auto self = OpenExecutable("/proc/self/exe");
  ASSERT_TRUE(self);
  auto link = self->AttachUprobe("main", Find("cannot_be_run"), {.pid = ::getpid()});
  ASSERT_TRUE(link) << link.error().message();
  ASSERT_TRUE(link->Pin(files.Path("link")));
  const auto opened = OpenPinnedProgram(backend_, files.Path("link"));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(opened.error().message(), HasSubstr("is no program"));
}

TEST_F(LoadedPrograms, ACloneOutlivesItsCollection) {
  Program clone = Find("adds").Clone();
  objects_.reset();
  std::array<std::uint64_t, 3> numbers = {3, 4, 0};
  EXPECT_EQ(clone.TestRun({.context_in = std::as_bytes(std::span(numbers))}).value().return_value, 11U);
}

TEST_F(LoadedPrograms, ATagThatDiffersNamesBoth) {
  const Program& program = Find("adds");
  EXPECT_TRUE(program.CheckTag(program.info().tag));
  const auto other = program.CheckTag({1, 2, 3, 4, 5, 6, 7, 0xff});
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message(), HasSubstr("expected 01020304050607ff"));
}

using TestRun = LoadedPrograms;

TEST_F(TestRun, SocketFiltersGetThePacket) {
  const auto run = Find("returns_the_length_of_the_packet").TestRun({.data_in = packet_});
  ASSERT_TRUE(run) << run.error().message();
  EXPECT_EQ(run->return_value, packet_.size() - 14) << "the Ethernet header is taken off";
  EXPECT_EQ(RunsOf(0), 1U);
}

TEST_F(TestRun, TcProgramsChangePacketAndContext) {
  struct {
    std::uint32_t length = 0, packet_type = 0, mark = 41;
    std::uint32_t rest[45] = {};
  } context;
  const auto run = Find("marks_and_writes").TestRun({.data_in = packet_, .context_in = BytesOf(context)});
  ASSERT_TRUE(run) << run.error().message();
  EXPECT_EQ(run->return_value, 3U);
  ASSERT_EQ(run->data_out.size(), packet_.size());
  EXPECT_EQ(run->data_out[0], std::byte{0x42});
  ASSERT_GE(run->context_out.size(), 12U);
  std::uint32_t mark = 0;
  std::memcpy(&mark, run->context_out.data() + 8, sizeof(mark));
  EXPECT_EQ(mark, 42U);
}

TEST_F(TestRun, XdpProgramsMayMakePacketsLonger) {
  const auto run = Find("makes_packets_longer").TestRun({.data_in = packet_});
  ASSERT_TRUE(run) << run.error().message();
  EXPECT_EQ(run->return_value, 3U);  // XDP_TX
  EXPECT_EQ(run->data_out.size(), packet_.size() + 16);
}

TEST_F(TestRun, DataWithoutRoomNamesTheSize) {
  const auto run = Find("makes_packets_longer").TestRun({.data_in = packet_, .data_out_bytes = 64});
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code(), ErrorCode::kNoSpace);
  EXPECT_THAT(run.error().message(), HasSubstr("it left 80 bytes of data, and there was room for 64"));
}

TEST_F(TestRun, SyscallProgramsWriteTheirArgument) {
  std::array<std::uint64_t, 3> numbers = {30, 4, 0};
  const auto run = Find("adds").TestRun({.context_in = std::as_bytes(std::span(numbers))});
  ASSERT_TRUE(run) << run.error().message();
  EXPECT_EQ(run->return_value, 11U);
  ASSERT_EQ(run->context_out.size(), sizeof(numbers));
  std::memcpy(numbers.data(), run->context_out.data(), sizeof(numbers));
  EXPECT_EQ(numbers[2], 34U);
}

TEST_F(TestRun, RawTracepointProgramsRunOnTheCpuThatIsChosen) {
  const std::array<std::uint64_t, 4> arguments = {7, 0, 0, 0};
  const std::uint32_t last = backend_->possible_cpus() - 1;
  const auto run =
      Find("returns_its_cpu")
          .TestRun({.context_in = std::as_bytes(std::span(arguments)), .flags = test_run_flags::kOnCpu, .cpu = last});
  ASSERT_TRUE(run) << run.error().message();
  EXPECT_EQ(run->return_value, last + 100);
  EXPECT_EQ(RunsOf(3), 1U);
}

TEST_F(TestRun, ABenchmarkRunsAsOftenAsAsked) {
  const auto duration = Find("counts_runs").Benchmark(1000, {.data_in = packet_});
  ASSERT_TRUE(duration) << duration.error().message();
  EXPECT_EQ(RunsOf(2), 1000U);
}

TEST_F(TestRun, TypesThatCannotBeRunSaySo) {
  const auto run = Find("cannot_be_run").TestRun({});
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(run.error().message(), HasSubstr("cannot run programs of type kprobe without an event"));
}

TEST_F(TestRun, InputThatDoesNotSuitTheTypeIsNamed) {
  const auto run = Find("counts_runs").TestRun({.data_in = std::span(packet_).first(4)});
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(run.error().message(), HasSubstr("4 bytes of data"));
}

}  // namespace
}  // namespace strata
