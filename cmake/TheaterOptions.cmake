# SPDX-License-Identifier: Apache-2.0
# Language level, warnings, hardening and the two settings that presets make.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

set(THEATER_SANITIZE "" CACHE STRING "what is watched: address,undefined or thread")
option(THEATER_WERROR "warnings are errors" OFF)

add_library(theater_options INTERFACE)
target_compile_definitions(theater_options INTERFACE _GNU_SOURCE)
target_compile_options(theater_options INTERFACE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith
    -Wwrite-strings -Wundef -Wformat=2 -Wcast-qual -Wconversion -Wno-sign-conversion)
if(THEATER_WERROR)
    target_compile_options(theater_options INTERFACE -Werror)
endif()
if(THEATER_SANITIZE)
    target_compile_options(theater_options INTERFACE
        -fsanitize=${THEATER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(theater_options INTERFACE -fsanitize=${THEATER_SANITIZE})
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(theater_options INTERFACE
        -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -g1)
    target_link_options(theater_options INTERFACE -Wl,-z,relro,-z,now)
endif()
