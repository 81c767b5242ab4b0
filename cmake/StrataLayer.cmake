# strata_layer(NAME
#              [HEADERS ...]   public headers, linked into the include folder that dependents get
#              [SOURCES ...]   the layer's .cc files; private headers are found by bare name in the layer's folder
#              [DEPENDS ...]   layers whose headers our headers include (permitted arrows, seen by dependents too)
#              [PRIVATE ...]   layers and libraries that only our .cc files use
#              [IN_PROCESS]    compiled for the traced process (StrataOptions.cmake)
#              [INTERNAL])     not part of what is installed
#
# Makes the target strata_NAME with the alias strata::NAME. A layer's folder is no include directory: each public header is linked to
# BUILD/include/NAME/strata/<folder>/<file>.h, and that is all that a dependent finds, so an arrow that is not declared does not compile.
function(strata_layer name)
  cmake_parse_arguments(ARG "IN_PROCESS;INTERNAL" "" "HEADERS;SOURCES;DEPENDS;PRIVATE" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "strata_layer(${name}): unknown arguments ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  file(RELATIVE_PATH folder ${STRATA_ROOT} ${CMAKE_CURRENT_SOURCE_DIR})
  set(include_root ${CMAKE_BINARY_DIR}/include/${name})
  file(REMOVE_RECURSE ${include_root})
  foreach(header IN LISTS ARG_HEADERS)
    cmake_path(SET link NORMALIZE ${include_root}/strata/${folder}/${header})
    cmake_path(GET link PARENT_PATH link_folder)
    file(MAKE_DIRECTORY ${link_folder})
    file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR}/${header} ${link} SYMBOLIC)
  endforeach()

  set(target strata_${name})
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE ${ARG_PRIVATE})
    if(ARG_IN_PROCESS)
      target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${STRATA_IN_PROCESS_FLAGS}>)
    else()
      target_compile_options(${target} PRIVATE ${STRATA_SANITIZE_FLAGS})
    endif()
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(strata::${name} ALIAS ${target})
  target_include_directories(${target} ${scope} $<BUILD_INTERFACE:${include_root}>)
  target_link_libraries(${target} ${scope} ${ARG_DEPENDS})

  # Each public header must compile on its own, with its layer's declared arrows only.
  if(ARG_HEADERS)
    add_library(${target}_headers INTERFACE)
    target_link_libraries(${target}_headers INTERFACE ${target})
    target_sources(${target}_headers INTERFACE FILE_SET HEADERS BASE_DIRS ${CMAKE_CURRENT_SOURCE_DIR} FILES ${ARG_HEADERS})
    set_target_properties(${target}_headers PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
  endif()
  set_property(GLOBAL APPEND PROPERTY STRATA_LAYERS ${name})
  if(NOT ARG_INTERNAL)
    foreach(header IN LISTS ARG_HEADERS)
      set_property(GLOBAL APPEND PROPERTY STRATA_INSTALLED_HEADERS ${folder}/${header})
    endforeach()
  endif()
endfunction()
