# SPDX-License-Identifier: Apache-2.0
# The engine room alone.
add_executable(engine_bench ${CMAKE_CURRENT_LIST_DIR}/engine_bench.c
    $<TARGET_OBJECTS:theater_base> $<TARGET_OBJECTS:theater_engine>)
target_include_directories(engine_bench PRIVATE ${PROJECT_SOURCE_DIR}/include
    ${PROJECT_SOURCE_DIR}/src/base/include ${PROJECT_SOURCE_DIR}/src/engine/include)
target_compile_definitions(engine_bench PRIVATE
    THEATER_GUESTS="${PROJECT_SOURCE_DIR}/tests/guests"
    THEATER_COMPILER="$<TARGET_FILE:theater-compile>")
target_link_libraries(engine_bench PRIVATE theater_options theater_wasmtime OpenSSL::Crypto
    PkgConfig::UUID PkgConfig::JSONC)
add_dependencies(engine_bench theater-compile)
