# Links of interfaces, network namespaces, cgroups and sockets, seen by their effect on packets and connections.
bpf_object(interfaces interfaces.bpf.c)
bpf_object(namespaces namespaces.bpf.c)
bpf_object(cgroups cgroups.bpf.c NAME cgroup_programs)
bpf_object(sockets sockets.bpf.c)
bpf_object(congestion_of_link congestion_of_link.bpf.c)

add_library(strata_network_support STATIC network_support.cc network_device.cc)
target_link_libraries(strata_network_support PUBLIC strata::root strata::test_support GTest::gmock GTest::gtest)
target_compile_options(strata_network_support PRIVATE ${STRATA_SANITIZE_FLAGS})

strata_test(NAME link_network_test SOURCES interface_test.cc namespace_test.cc link_hints_test.cc LINK strata_network_support
            BPF ${interfaces} ${namespaces} ${cgroups} ${sockets} ${congestion_of_link})
strata_test(NAME link_cgroup_test SOURCES cgroup_test.cc LINK strata_network_support BPF ${cgroups})
strata_test(NAME link_socket_test SOURCES socket_test.cc LINK strata_network_support BPF ${sockets})
# The kernel lists congestion controls for all.
strata_test(NAME link_struct_ops_test LOCK congestion_control SOURCES struct_ops_link_test.cc LINK strata_network_support
            BPF ${congestion_of_link})
