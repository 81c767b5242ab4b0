// A network of a test's own, and packets in it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "strata/base/unique_fd.h"
#include "strata/strata.h"

namespace strata::testing {

// The calling thread has a network namespace of its own while this lives; its `lo` is up.
class PrivateNetwork {
 public:
  PrivateNetwork();
  ~PrivateNetwork();
  PrivateNetwork(const PrivateNetwork&) = delete;
  PrivateNetwork& operator=(const PrivateNetwork&) = delete;

 private:
  UniqueFd outer_;
};

// Objects in the kernel, in a private network.
class NetworkTest : public ::testing::Test {
 protected:
  void SetUp() override;

  Collection Load(const std::string& path);
  // Of a variable of type __u32.
  static std::uint32_t Number(Collection& objects, const std::string& variable);
  static void SetNumber(Collection& objects, const std::string& variable, std::uint32_t value);
  static Program& Find(Collection& objects, const std::string& program) {
    return *objects.FindProgram(program).value();
  }

  std::unique_ptr<PrivateNetwork> network_;
  std::shared_ptr<Backend> backend_;
};

inline constexpr std::uint16_t kAnyPort = 0;

// On 127.0.0.1. Reads give up after a while, so that a test that waits for nothing fails.
UniqueFd UdpSocket(std::uint16_t port = kAnyPort, bool reuse_port = false);
UniqueFd TcpListener();
std::uint16_t PortOf(const UniqueFd& socket);
sockaddr_in Loopback(std::uint16_t port);
void SendTo(std::uint16_t port, const std::string& text);
std::string Receive(const UniqueFd& socket);  // "(nothing)" when there is none

// Sends each text to `receiver` and then one more, and returns what came before that one: packets keep their order, so
// what is missing was dropped.
std::vector<std::string> Exchange(const UniqueFd& receiver, const std::vector<std::string>& texts);

// Two ends of a TCP connection over `lo`.
struct TcpPair {
  UniqueFd client, server;
};
TcpPair ConnectTcp();

// The process `body` runs in, until it returns: its result, 0 to 255.
int InChild(const std::function<int()>& body);

}  // namespace strata::testing
