# USDT probes of the test itself, of a library and of another process.
# Probes lie where a compiler puts them, not where a sanitizer's checks leave room.
set_source_files_properties(usdt_targets.cc usdt_library.cc PROPERTIES COMPILE_OPTIONS -fno-sanitize=all)
add_library(usdt_library SHARED usdt_library.cc)
add_library(usdt_plugin MODULE usdt_library.cc)
add_executable(usdt_process usdt_process.cc usdt_targets.cc)
target_link_options(usdt_process PRIVATE -fno-sanitize=all)

bpf_object(usdt_object usdt.bpf.c FLAGS "-DLIBRARY=\"${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/libusdt_library.so\"")
bpf_object(usdt_plain_object usdt_plain.bpf.c)
strata_test(NAME usdt_test
            SOURCES usdt_test.cc usdt_targets.cc fixture.cc
            LINK strata::root usdt_library ${CMAKE_DL_LIBS}
            BPF ${usdt_object} ${usdt_plain_object})
target_compile_definitions(usdt_test PRIVATE STRATA_USDT_PLUGIN="$<TARGET_FILE:usdt_plugin>"
                                             STRATA_USDT_PROCESS="$<TARGET_FILE:usdt_process>")
add_dependencies(usdt_test strata_agent usdt_process usdt_plugin)
