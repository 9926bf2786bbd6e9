use std::process::Output;

use serde_json::Value;

use super::{Program, ScratchFolder, Site};

impl Site {
    /// Runs the program beside this site, to its end.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let url = self.database.url();
        Program::run(ScratchFolder::new().path(), arguments, &[("DATABASE_URL", &url)])
    }

    /// What a command says to people, which ends well.
    pub fn says(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// What a command says to programs, which ends well.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
        let said = self.says(&arguments);
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"))
    }

    /// Runs a command that ends with this exit code, and says why on standard error.
    pub fn fails(&self, arguments: &[&str], code: i32, why: &str) {
        let output = self.command(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
}
