# SPDX-License-Identifier: Apache-2.0
# The engine's static library as the imported target `theater_wasmtime`. It lies in a cache outside
# the tree, named by a hash of what goes into it; engine/build.sh fills the cache if it must, and
# says how far it is. Set THEATER_ENGINE_CACHE (variable or environment) to move the cache.
set(THEATER_ENGINE_CACHE "$ENV{THEATER_ENGINE_CACHE}" CACHE PATH
    "where the engine's library is kept; empty: ~/.cache/theater-engine")
set(theater_engine_root ${CMAKE_CURRENT_LIST_DIR}/../engine)
set(theater_engine_environment "")
if(THEATER_ENGINE_CACHE)
    set(theater_engine_environment THEATER_ENGINE_CACHE=${THEATER_ENGINE_CACHE})
endif()

execute_process(
    COMMAND ${CMAKE_COMMAND} -E env ${theater_engine_environment} ${theater_engine_root}/build.sh
    OUTPUT_VARIABLE theater_engine_directory OUTPUT_STRIP_TRAILING_WHITESPACE
    RESULT_VARIABLE theater_engine_result)
if(NOT theater_engine_result EQUAL 0)
    message(FATAL_ERROR "The engine could not be built; see the lines above.")
endif()
message(STATUS "engine: ${theater_engine_directory}")
# A change of the wrapper crate runs CMake, and so the script, again.
file(GLOB theater_engine_inputs ${theater_engine_root}/src/* ${theater_engine_root}/include/*)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${theater_engine_inputs}
    ${theater_engine_root}/Cargo.lock ${theater_engine_root}/Cargo.toml
    ${theater_engine_root}/build.sh ${theater_engine_root}/build.rs)

add_library(theater_wasmtime STATIC IMPORTED GLOBAL)
set_target_properties(theater_wasmtime PROPERTIES
    IMPORTED_LOCATION ${theater_engine_directory}/lib/libtheater_engine.a
    INTERFACE_INCLUDE_DIRECTORIES ${theater_engine_directory}/include
    INTERFACE_LINK_LIBRARIES "dl;m;pthread")
