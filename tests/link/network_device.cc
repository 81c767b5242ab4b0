#include "network_device.h"

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "strata/base/unique_fd.h"

namespace strata::testing {
namespace {

constexpr std::uint16_t kVethInfoPeer = 1;    // linux/veth.h VETH_INFO_PEER
constexpr std::uint16_t kNetkitPeerInfo = 1;  // linux/if_link.h IFLA_NETKIT_PEER_INFO

class Message {
 public:
  void Append(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
  }
  void Attribute(std::uint16_t type, const std::string& text) {
    const rtattr header{static_cast<unsigned short>(RTA_LENGTH(text.size() + 1)), type};
    Append(&header, sizeof(header));
    Append(text.c_str(), text.size() + 1);
  }
  std::size_t Begin(std::uint16_t type) {
    const rtattr header{0, type};
    Append(&header, sizeof(header));
    return bytes_.size() - sizeof(header);
  }
  void End(std::size_t start) {
    const auto length = static_cast<unsigned short>(bytes_.size() - start);
    std::memcpy(bytes_.data() + start, &length, sizeof(length));
  }
  std::vector<std::byte> Finish() {
    const auto length = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &length, sizeof(length));  // nlmsghdr::nlmsg_len
    return bytes_;
  }

 private:
  std::vector<std::byte> bytes_;
};

std::vector<std::byte> MakeRequest(const std::string& kind, const std::string& name, const std::string& peer) {
  nlmsghdr header{};
  header.nlmsg_type = RTM_NEWLINK;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
  const ifinfomsg device{};
  Message message;
  message.Append(&header, sizeof(header));
  message.Append(&device, sizeof(device));
  message.Attribute(IFLA_IFNAME, name);
  const std::size_t info = message.Begin(IFLA_LINKINFO);
  message.Attribute(IFLA_INFO_KIND, kind);
  const std::size_t data = message.Begin(IFLA_INFO_DATA);
  const std::size_t other = message.Begin(kind == "veth" ? kVethInfoPeer : kNetkitPeerInfo);
  message.Append(&device, sizeof(device));
  message.Attribute(IFLA_IFNAME, peer);
  message.End(other);
  message.End(data);
  message.End(info);
  return message.Finish();
}

int BringUp(const std::string& name) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  return ::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0 ? 0 : errno;
}

}  // namespace

int MakeDevicePair(const std::string& kind, const std::string& name, const std::string& peer) {
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  const std::vector<std::byte> request = MakeRequest(kind, name, peer);
  if (::send(socket.get(), request.data(), request.size(), 0) < 0) return errno;
  struct {
    nlmsghdr header;
    nlmsgerr error;
    std::byte rest[1024];
  } answer{};
  if (::recv(socket.get(), &answer, sizeof(answer), 0) < 0) return errno;
  if (answer.error.error != 0) return -answer.error.error;
  if (const int error = BringUp(name); error != 0) return error;
  return BringUp(peer);
}

}  // namespace strata::testing
