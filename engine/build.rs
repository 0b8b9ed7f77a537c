// SPDX-License-Identifier: Apache-2.0
//! Copies Wasmtime's C headers (one of them is generated) to `<target>/release/include`, beside the
//! static library, so that `build.sh` finds both without knowing cargo's directory names.
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let headers = PathBuf::from(
        env::var_os("DEP_WASMTIME_C_API_INCLUDE").expect("wasmtime-c-api-impl names its headers"),
    );
    // OUT_DIR is <target>/release/build/<package>-<hash>/out.
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let profile = out.ancestors().nth(3).expect("cargo's layout of OUT_DIR");
    copy_tree(&headers, &profile.join("include")).expect("the headers can be copied");
}
