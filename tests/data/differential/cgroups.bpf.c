// Sections of programs that decide for a group of processes.
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

__u32 decisions;

static __attribute__((noinline)) int decide(__u32 port) {
  decisions++;
  return port != 6666;
}

SEC("cgroup/skb")
int on_packet(struct __sk_buff* skb) {
  return decide(skb->local_port);
}

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff* skb) {
  return skb->len < 9000;
}

SEC("cgroup/sock")
int on_socket(struct bpf_sock* sk) {
  return sk->family != 10;
}

SEC("cgroup/sock_create")
int on_socket_creation(struct bpf_sock* sk) {
  sk->mark = 5;
  return 1;
}

SEC("cgroup/sock_release")
int on_socket_release(struct bpf_sock* sk) {
  decisions -= 1;
  return 1;
}

SEC("cgroup/post_bind4")
int after_bind4(struct bpf_sock* sk) {
  return decide(sk->src_port);
}

SEC("cgroup/bind4")
int on_bind4(struct bpf_sock_addr* ctx) {
  ctx->user_port = bpf_htons(7000);
  return 1;
}

SEC("cgroup/bind6")
int on_bind6(struct bpf_sock_addr* ctx) {
  return ctx->user_ip6[0] == 0;
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr* ctx) {
  if (ctx->user_ip4 == bpf_htonl(0x0a000001)) ctx->user_ip4 = bpf_htonl(0x7f000001);
  return decide(bpf_ntohs(ctx->user_port));
}

SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr* ctx) {
  return decide(ctx->user_port);
}

SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr* ctx) {
  return ctx->msg_src_ip4 != 1;
}

SEC("cgroup/recvmsg4")
int on_recvmsg4(struct bpf_sock_addr* ctx) {
  ctx->user_port = 1;
  return 1;
}

SEC("cgroup/getpeername4")
int on_getpeername4(struct bpf_sock_addr* ctx) {
  ctx->user_ip4 = 0;
  return 1;
}

SEC("cgroup/getsockname6")
int on_getsockname6(struct bpf_sock_addr* ctx) {
  ctx->user_ip6[3] = 1;
  return 1;
}

SEC("cgroup/sysctl")
int on_sysctl(struct bpf_sysctl* ctx) {
  char name[32];
  bpf_sysctl_get_name(ctx, name, sizeof(name), 0);
  return ctx->write ? name[0] != 'k' : 1;
}

SEC("cgroup/dev")
int on_device(struct bpf_cgroup_dev_ctx* ctx) {
  return ctx->major == 1 && ctx->minor == 3;
}

SEC("cgroup/getsockopt")
int on_getsockopt(struct bpf_sockopt* ctx) {
  ctx->retval = 0;
  return 1;
}

SEC("cgroup/setsockopt")
int on_setsockopt(struct bpf_sockopt* ctx) {
  if (ctx->level == 1) ctx->optlen = -1;
  return 1;
}

SEC("sockops")
int on_socket_event(struct bpf_sock_ops* ops) {
  if (ops->op == BPF_SOCK_OPS_TCP_CONNECT_CB) bpf_sock_ops_cb_flags_set(ops, BPF_SOCK_OPS_RTT_CB_FLAG);
  return 1;
}

char LICENSE[] SEC("license") = "GPL";
