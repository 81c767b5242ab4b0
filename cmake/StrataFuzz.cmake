# strata_fuzz(NAME SOURCE file CORPUS folder LINK targets...)
#
# One fuzz target: SOURCE defines LLVMFuzzerTestOneInput and stands next to the parser it feeds. Every build makes BUILD/bin/fuzz_NAME, which runs
# the corpus and a fixed number of mutations without libFuzzer, and the ctest case Fuzz.NAME that calls it. With STRATA_FUZZ (preset `fuzz`, clang
# only) there is also BUILD/bin/libfuzzer_NAME. CORPUS is the folder of BUILD/fuzz/corpus that `strata_fuzz_corpus` fills for it.
option(STRATA_FUZZ "Build the libFuzzer targets (clang; the layers instrumented by STRATA_SANITIZE=fuzzer-no-link)" OFF)
set(STRATA_FUZZ_CORPUS ${CMAKE_BINARY_DIR}/fuzz/corpus)
add_custom_target(fuzz_targets)

function(strata_fuzz name)
  cmake_parse_arguments(ARG "" "SOURCE;CORPUS" "LINK" ${ARGN})
  add_executable(fuzz_${name} ${ARG_SOURCE})
  strata_fuzz_options(fuzz_${name} ${ARG_LINK} strata_fuzz_replay)
  add_test(NAME Fuzz.${name}
           COMMAND fuzz_${name} --rounds 2000 --seed 1 ${STRATA_FUZZ_CORPUS}/${ARG_CORPUS})
  set_tests_properties(Fuzz.${name} PROPERTIES FIXTURES_REQUIRED fuzz_corpus TIMEOUT 300)
  if(STRATA_FUZZ)
    add_executable(libfuzzer_${name} ${ARG_SOURCE})
    strata_fuzz_options(libfuzzer_${name} ${ARG_LINK})
    target_link_options(libfuzzer_${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzz_targets libfuzzer_${name})
    # The list that ./dev fuzz reads: target and corpus.
    set_property(GLOBAL APPEND_STRING PROPERTY STRATA_FUZZ_LIST "${name} ${ARG_CORPUS}\n")
  endif()
endfunction()

function(strata_fuzz_options target)
  target_link_libraries(${target} PRIVATE ${ARGN})
  target_include_directories(${target} PRIVATE ${STRATA_ROOT}/tests)
  target_compile_options(${target} PRIVATE ${STRATA_SANITIZE_FLAGS})
endfunction()

# Call after the last strata_fuzz().
function(strata_fuzz_write_list)
  get_property(list GLOBAL PROPERTY STRATA_FUZZ_LIST)
  file(WRITE ${CMAKE_BINARY_DIR}/fuzz/targets "${list}")
endfunction()
