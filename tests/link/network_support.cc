#include "network_support.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace strata::testing {
namespace {

constexpr char kLast[] = "the last one";

void BringUpLoopback() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  ASSERT_EQ(::ioctl(socket.get(), SIOCSIFFLAGS, &request), 0) << std::strerror(errno);
}

UniqueFd Socket(int type, std::uint16_t port, bool reuse_port) {
  UniqueFd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
  const int yes = 1;
  if (reuse_port) {
    EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)), 0);
  }
  const sockaddr_in address = Loopback(port);
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0)
      << std::strerror(errno);
  return socket;
}

}  // namespace

PrivateNetwork::PrivateNetwork() : outer_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
  EXPECT_EQ(::unshare(CLONE_NEWNET), 0) << std::strerror(errno);
  BringUpLoopback();
}

PrivateNetwork::~PrivateNetwork() { EXPECT_EQ(::setns(outer_.get(), CLONE_NEWNET), 0) << std::strerror(errno); }

void NetworkTest::SetUp() {
  auto backend = OpenBackend("kernel");
  if (!backend && backend.error().code() == ErrorCode::kPermissionDenied) {
    GTEST_SKIP() << "lacks the right to use bpf(2): " << backend.error().message();
  }
  ASSERT_TRUE(backend) << backend.error().message();
  backend_ = *std::move(backend);
  network_ = std::make_unique<PrivateNetwork>();
}

Collection NetworkTest::Load(const std::string& path) {
  auto objects = LoadCollection(backend_, path);
  if (!objects) ADD_FAILURE() << objects.error().message() << objects.error().log();
  return std::move(objects).value();
}

std::uint32_t NetworkTest::Number(Collection& objects, const std::string& variable) {
  return *objects.FindVariable(variable).value().Pointer<std::uint32_t>().value();
}

void NetworkTest::SetNumber(Collection& objects, const std::string& variable, std::uint32_t value) {
  *objects.FindVariable(variable).value().Pointer<std::uint32_t>().value() = value;
}

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

UniqueFd UdpSocket(std::uint16_t port, bool reuse_port) { return Socket(SOCK_DGRAM, port, reuse_port); }

UniqueFd TcpListener() {
  UniqueFd socket = Socket(SOCK_STREAM, kAnyPort, false);
  EXPECT_EQ(::listen(socket.get(), 8), 0);
  return socket;
}

std::uint16_t PortOf(const UniqueFd& socket) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

void SendTo(std::uint16_t port, const std::string& text) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = Loopback(port);
  // A program on the way out makes the sender see its refusal.
  const ssize_t sent =
      ::sendto(socket.get(), text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  EXPECT_TRUE(sent == static_cast<ssize_t>(text.size()) || errno == EPERM || errno == ENOBUFS) << std::strerror(errno);
}

std::string Receive(const UniqueFd& socket) {
  std::string text(512, '\0');
  const ssize_t size = ::recv(socket.get(), text.data(), text.size(), 0);
  if (size < 0) return "(nothing)";
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::vector<std::string> Exchange(const UniqueFd& receiver, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) SendTo(PortOf(receiver), text);
  SendTo(PortOf(receiver), kLast);
  std::vector<std::string> received;
  for (std::string text = Receive(receiver); text != kLast; text = Receive(receiver)) {
    received.push_back(text);
    if (text == "(nothing)") break;
  }
  return received;
}

TcpPair ConnectTcp() {
  const UniqueFd listener = TcpListener();
  TcpPair pair;
  pair.client = Socket(SOCK_STREAM, kAnyPort, false);
  const sockaddr_in address = Loopback(PortOf(listener));
  EXPECT_EQ(::connect(pair.client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  pair.server = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  EXPECT_EQ(::setsockopt(pair.server.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
  return pair;
}

int InChild(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

}  // namespace strata::testing
