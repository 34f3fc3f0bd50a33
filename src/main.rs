//! The binary `mc`: hands its arguments to [`mission_control::cli`] and returns the exit code.

fn main() -> std::process::ExitCode {
    mission_control::cli::main()
}
