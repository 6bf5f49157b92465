//! What `parvis schema` prints, in the hands of a validator that is not ours: Python's jsonschema.

use crate::support::edge::BINARY;
use crate::support::program;
use std::path::Path;
use std::process::Command;

/// Every example is valid by it, and what is misspelt is not.
#[test]
fn examples_are_valid_by_the_schema() {
    let Some(python) = program::find("python3-jsonschema") else { return };
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let script = r#"
import json, pathlib, subprocess, sys, tomllib
import jsonschema
binary, examples = sys.argv[1:]
def validator(kind):
    schema = json.loads(subprocess.run([binary, "schema", *kind], check=True, capture_output=True).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)
node, account, either = validator(["node"]), validator(["account"]), validator([])
seen = 0
for path in sorted(pathlib.Path(examples).rglob("*.toml")):
    value = tomllib.loads(path.read_text())
    of = account if path.parent.name == "accounts.d" else node
    for error in of.iter_errors(value):
        sys.exit(f"{path}: {error.json_path}: {error.message}")
    either.validate(value)
    seen += 1
assert seen > 15, seen
wrong = [
    (node, {"listen": [{"address": "[::]:80", "tsl": True}], "accounts": {"directory": "a"}}),
    (node, {"listen": [{"address": 80}], "accounts": {"directory": "a"}}),
    (node, {"listen": [{"address": "[::]:80"}], "accounts": {"directory": "a"}, "limits": {"header_count": 0}}),
    (account, {"state": "nowhere"}),
    (account, {"site": [{"name": "a"}]}),
]
for of, value in wrong:
    assert not of.is_valid(value), value
print(seen)
"#;
    let said = program::run(Command::new(python).args(["-c", script, BINARY]).arg(examples));
    assert!(said.trim().parse::<u32>().is_ok(), "{said}");
}
