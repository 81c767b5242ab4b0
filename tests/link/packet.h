// What the texts in UDP packets over IPv4 begin with; for BPF programs.
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// The first byte of the text of the packet whose IP header starts at `ip`; 0 where it is no UDP over IPv4.
static __always_inline char FirstOfText(void* start, void* end) {
  struct iphdr* ip = start;
  char* text = start + sizeof(*ip) + sizeof(struct udphdr);
  if ((void*)(text + 1) > end || ip->version != 4 || ip->ihl != 5 || ip->protocol != 17) return 0;
  return *text;
}
