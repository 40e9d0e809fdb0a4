//! What a configuration comes to: variables, included files, paths, and the dump.

use hybridge::config::Settings;
use hybridge::config::values::Address;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const LISTENER: &str = "[[listener]]\nname = \"web\"\naddress = [\"127.0.0.1:0\"]\n";
const ROUTE: &str = "[[route]]\nname = \"all\"\nrespond = { status = 404 }\n";

fn check(file: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hybridge"))
        .args(["check", "-c"])
        .arg(file)
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Loads what a dump has printed.
fn reload(test: &str, dump: &str) -> Settings {
    let file = crate::folder(test, &[("hybridge.toml", dump)]).join("hybridge.toml");
    Settings::load(&file).unwrap().settings
}

#[test]
fn a_good_file_is_called_good() {
    let file = crate::folder("good", &[("hybridge.toml", &(LISTENER.to_owned() + ROUTE))]);
    let file = file.join("hybridge.toml");
    let output = check(&file, &[], &[]);
    assert_eq!(stdout(&output), "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, format!("{}: the configuration is good\n", file.display()));
}

#[test]
fn a_warning_does_not_fail() {
    let text = format!("{LISTENER}{ROUTE}[[route]]\nname = \"b\"\nrespond = {{ status = 410 }}\n");
    let file = crate::folder("warning", &[("hybridge.toml", &text)]).join("hybridge.toml");
    let output = check(&file, &[], &[]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    let due = "7:1: warning: route[1]: is never taken; route \"all\" before it takes all of it\n";
    assert!(said.contains(due), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn a_variable_stays_in_its_string() {
    let text = format!(
        "{LISTENER}\n[[route]]\nname = \"${{NAME}}\"\n\
         respond = {{ status = 404, body = '$${{NAME}} is ${{NAME}}' }}\n"
    );
    let file = crate::folder("variables", &[("hybridge.toml", &text)]).join("hybridge.toml");
    let value = "\" }\\ [admin] '${HOME}";
    let dump = stdout(&check(&file, &["--dump"], &[("NAME", value)]));
    let settings = reload("variables-again", &dump);
    assert_eq!(settings.routes[0].name, value);
    let body = &settings.routes[0].respond.as_ref().unwrap().body;
    assert_eq!(*body, format!("${{NAME}} is {value}"));
    assert_eq!(settings.routes.len(), 1);
    assert_eq!(settings.admin.address, None);
    // Behind a variable that is missing, all stands where it stood.
    let said = check(&file, &[], &[]).stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains(":6:8: route[0].name: the environment has no variable NAME"), "{said}");
}

#[test]
fn files_are_included_in_order() {
    let listener = |port: &str| LISTENER.replace("web", port).replace(":0", &format!(":{port}"));
    let route = |name: &str| {
        format!("[[route]]\nname = \"{name}\"\nhost = [\"{name}\"]\nrespond = {{ status = 404 }}\n")
    };
    let first = "include = [\"parts/b*.toml\", \"parts/*.toml\", \"none/*.toml\"]\n";
    let files = [
        ("hybridge.toml", &*format!("{first}{}{}", listener("1"), route("main"))),
        ("parts/c.toml", &route("c")),
        ("parts/a.toml", &format!("{}{}", listener("2"), route("a"))),
        ("parts/b.toml", &route("b")),
        ("parts/c.txt", "no TOML at all"),
        ("parts/d.toml/not-a-file", ""),
    ];
    let folder = crate::folder("included", &files);
    let settings = Settings::load(&folder.join("hybridge.toml")).unwrap().settings;
    let routes: Vec<_> = settings.routes.iter().map(|route| &*route.name).collect();
    assert_eq!(routes, ["main", "b", "a", "c"]);
    let listeners: Vec<_> = settings.listeners.iter().map(|listener| &*listener.name).collect();
    assert_eq!(listeners, ["1", "2"]);
    assert_eq!(settings.include, Vec::<PathBuf>::new(), "a dump would include them twice");
}

#[test]
fn paths_are_relative_to_the_file_that_has_them() {
    let key = crate::top().join("tests/config/certificates/one.key");
    let key = key.to_str().unwrap();
    let tls = |dots: &str| {
        format!("[[listener.tls.certificate]]\nchain = \"{dots}a.pem\"\nkey = \"{key}\"\n")
    };
    let other = LISTENER.replace("web", "other");
    let files = [
        ("hybridge.toml", &*format!("include = [\"x/*.toml\"]\n{LISTENER}{}{ROUTE}", tls("x/"))),
        ("x/a.toml", &format!("{other}{}", tls(""))),
        ("x/a.pem", include_str!("certificates/one.pem")),
    ];
    let folder = crate::folder("paths", &files);
    let settings = Settings::load(&folder.join("hybridge.toml")).unwrap().settings;
    for listener in &settings.listeners {
        let certificate = &listener.tls.as_ref().unwrap().certificates[0];
        assert_eq!(certificate.chain, folder.join("x/a.pem"));
        assert_eq!(certificate.key, Path::new(key));
    }
    // The name of the folder is no pattern, and a path without one is that of the working folder.
    let odd = crate::folder("odd[name]*", &files);
    Settings::load(&odd.join("hybridge.toml")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hybridge"));
    command.args(["check", "-c", "hybridge.toml", "--dump"]).current_dir(&odd);
    let dump = stdout(&command.output().unwrap());
    assert_eq!(dump.matches(odd.join("x/a.pem").to_str().unwrap()).count(), 2, "{dump}");
}

#[test]
fn a_dump_is_the_same_again_but_for_secrets() {
    let text = format!(
        "{LISTENER}\n[[backend]]\nname = \"a\"\nbalance = \"hash:cookie:id\"\ndialect = \"auto\"\n\
         server = [{{ url = \"ws://[::1]:9000\", weight = 3 }}]\n\n\
         [[route]]\nname = \"a\"\npath = [\"~ ^/(a|b)$\", \"~ /c\"]\nbackend = \"a\"\n\
         rewrite = \"/x\"\nlimits.idle = \"1h 30m 5ms\"\nlimits.collected = \"1000B\"\n\
         request_headers.set = {{ Authorization = \"Bearer s3cret\", X-A = \"$${{b}}\" }}\n\
         basic_auth.users = {{ alice = \"s3cret\", bob = \"s3cret\" }}\n\n{ROUTE}"
    );
    let file = crate::folder("dump", &[("hybridge.toml", &text)]).join("hybridge.toml");
    let mut settings = Settings::load(&file).unwrap().settings;
    let dump = stdout(&check(&file, &["--dump"], &[]));
    assert!(!dump.contains("s3cret"), "{dump}");
    let again = reload("dump-again", &dump);
    for route in &mut settings.routes {
        for password in route.basic_auth.iter_mut().flat_map(|auth| auth.users.values_mut()) {
            "(masked)".clone_into(password);
        }
        if let Some(value) = route.request_headers.set.get_mut("Authorization") {
            "(masked)".clone_into(value);
        }
    }
    assert_eq!(again, settings);
    assert!(matches!(again.listeners[0].address[..], [Address::Tcp(_)]));
}

/// As `nginx -t` does, the files that a configuration names are read too.
#[test]
fn a_key_is_that_of_its_certificate() {
    let certificates = crate::top().join("tests/config/certificates");
    let certificates = certificates.to_str().unwrap();
    let tls = |key: &str| {
        format!(
            "{LISTENER}[[listener.tls.certificate]]\nchain = \"{certificates}/one.pem\"\n\
             key = \"{certificates}/{key}.key\"\n{ROUTE}"
        )
    };
    let folder =
        crate::folder("certificates", &[("good.toml", &tls("one")), ("bad.toml", &tls("other"))]);
    assert!(check(&folder.join("good.toml"), &[], &[]).status.success());
    let output = check(&folder.join("bad.toml"), &[], &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let due = format!(
        "listener web: {certificates}/other.key: key does not match the certificate in \
         {certificates}/one.pem\n"
    );
    assert!(said.ends_with(&due), "{said}");
}
