// Programs of interfaces. A text that begins with D is dropped, one with T is traced.
#include <linux/pkt_cls.h>

#include "packet.h"

enum { kNext = -1, kDrop = 2 };  // TCX_NEXT, TCX_DROP

__u32 packets;   // that XDP let pass, marked with D
__u32 steps;     // of traced packets, by number of the program
__u32 order[8];

SEC("xdp")
int drops(struct xdp_md* ctx) {
  void* data = (void*)(long)ctx->data;
  return FirstOfText(data + ETH_HLEN, (void*)(long)ctx->data_end) == 'D' ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int counts(struct xdp_md* ctx) {
  void* data = (void*)(long)ctx->data;
  if (FirstOfText(data + ETH_HLEN, (void*)(long)ctx->data_end) == 'D') packets++;
  return XDP_PASS;
}

static __always_inline char MarkOf(struct __sk_buff* skb) {
  void* data = (void*)(long)skb->data;
  return FirstOfText(data + ETH_HLEN, (void*)(long)skb->data_end);
}

static __always_inline int Trace(struct __sk_buff* skb, __u32 number) {
  if (MarkOf(skb) == 'T') {
    __u32 place = steps & 7;
    order[place] = number;
    steps++;
  }
  return kNext;
}

SEC("tcx/ingress")
int first(struct __sk_buff* skb) {
  return Trace(skb, 1);
}

SEC("tcx/ingress")
int second(struct __sk_buff* skb) {
  return Trace(skb, 2);
}

SEC("tcx/ingress")
int third(struct __sk_buff* skb) {
  return Trace(skb, 3);
}

SEC("tcx/ingress")
int drops_received(struct __sk_buff* skb) {
  return MarkOf(skb) == 'D' ? kDrop : kNext;
}

SEC("tcx/egress")
int drops_sent(struct __sk_buff* skb) {
  return MarkOf(skb) == 'D' ? kDrop : kNext;
}

SEC("tc")
int anywhere(struct __sk_buff* skb) {
  return Trace(skb, 9);
}

SEC("netkit/primary")
int of_primary(struct __sk_buff* skb) {
  return Trace(skb, 10);
}

SEC("netkit/peer")
int of_peer(struct __sk_buff* skb) {
  return Trace(skb, 11);
}

SEC("lwt_xmit")
int of_route(struct __sk_buff* skb) {
  return BPF_OK;
}

char LICENSE[] SEC("license") = "GPL";
